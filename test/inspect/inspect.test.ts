import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import {
  BATCH_BYTES_MAX,
  CONTENT_ENCODINGS,
  compressBody,
  createTableBuilder,
  encodeBatch,
  encodeColumns,
  formatCredential,
  formatSignatures,
  signRequest,
} from '../../src/codec/index.ts';
import { main } from '../../src/inspect/main.ts';
import { SAMPLE_EVENTS, sampleBatch } from './sample.ts';

interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function inspect(argv: readonly string[], input?: Uint8Array | 'terminal'): Promise<Outcome> {
  const [stdout, stderr] = [new PassThrough({ highWaterMark: 2 ** 24 }), new PassThrough()];
  const stdin: Readable & { isTTY?: boolean } = Readable.from(input instanceof Uint8Array ? [input] : []);
  if (input === 'terminal') stdin.isTTY = true;
  const statuses: number[] = [];
  await main(argv, { stdin, stdout, stderr, exit: (status) => statuses.push(status) });
  return { status: statuses[0] ?? 0, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') };
}

async function fileOf(t: TestContext, content: Uint8Array | string, name = 'batch'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-inspect-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, name);
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

test('a batch is printed for a person as it always was', async () => {
  const { status, out, err } = await inspect([], sampleBatch());
  assert.deepEqual({ status, err }, { status: 0, err: '' });
  const golden = await readFile(new URL('./page.txt', import.meta.url), 'utf8');
  assert.equal(out, golden);
});

test('nothing from the batch reaches the terminal as a control sequence', async () => {
  const { out } = await inspect([], sampleBatch());
  assert(!out.includes('\u001b'));
  assert(out.includes('shut\\u001b[31m'));
});

test('a file, standard input and hex give the same page', async (t) => {
  const packed = sampleBatch();
  const { out } = await inspect([], packed);
  assert.equal((await inspect(['-'], packed)).out, out);
  assert.equal((await inspect([await fileOf(t, packed)])).out, out);
  const hex = Buffer.from(packed).toString('hex');
  assert.equal((await inspect(['--hex', hex])).out, out);
  assert.equal((await inspect(['--hex', `0x${hex.toUpperCase().replace(/(.{64})/g, '$1\n')}`])).out, out);
});

for (const encoding of CONTENT_ENCODINGS) {
  test(`a body in ${encoding} is recognised, and opened where it is named`, async () => {
    const body = await compressBody(encoding, sampleBatch());
    for (const argv of [['--json'], ['--json', '--encoding', encoding]]) {
      const report = JSON.parse((await inspect(argv, body)).out);
      assert.equal(report.encoding, encoding);
      assert.equal(report.bytes.body, body.length);
      assert.equal(report.count, SAMPLE_EVENTS);
    }
  });
}

test('a brotli body that begins like a map is still brotli', async () => {
  // Brotli's fastest mode with its default window: the first byte of an even number of bytes is 0x8b.
  const params = { [constants.BROTLI_PARAM_QUALITY]: 0 };
  const bodies = ['a', 'ab'].map((note) => {
    const builder = createTableBuilder();
    builder.add({ ts: 0, sensor: 'a', fields: { note } });
    return brotliCompressSync(encodeBatch({ ...emptyHeader, count: 1 }, encodeColumns(builder.build())), { params });
  });
  const [ambiguous, ...others] = bodies.filter((body) => body[0] === 0x8b);
  assert(ambiguous !== undefined && others.length === 0);
  assert.equal(JSON.parse((await inspect(['--json'], ambiguous)).out).encoding, 'br');
});

test('the JSON document has everything, and its numbers read back bit for bit', async () => {
  const { out } = await inspect(['--json'], sampleBatch());
  const { events, columns, measures, bytes, ...header } = JSON.parse(out);
  assert.deepEqual(header, {
    version: 1,
    stream: '00112233445566778899aabbccddeeff',
    first: 97,
    last: 1_296,
    count: 1_200,
    sentAt: Date.UTC(2026, 0, 1, 1),
    queue: { recorded: 10_000, queued: 9_904, quarantined: 0, gaps: 96 },
    gaps: [
      { first: 1, last: 90, reason: 'quota', sums: { volume: '115.2' } },
      { first: 91, last: 96, reason: 'damage', sums: null },
    ],
    encoding: 'identity',
    sensors: ['inlet', 'outlet', 'tank'].map((sensor) => ({ sensor, events: 400 })),
  });
  assert.equal(bytes.uncompressed, sampleBatch().length);
  assert.equal(columns.length, 10);
  let cents = 0;
  for (let i = 0; i < SAMPLE_EVENTS; i++) cents += 120 + ((i * 37) % 61);
  const volume = measures.find(({ measure }: { measure: string }) => measure === 'volume');
  assert.deepEqual(volume, { measure: 'volume', values: 1_200, min: 1.2, max: 1.8, sum: String(cents / 100) });
  assert.equal(events.length, 1_200);
  assert(Object.is(events[0].fields.stroke, -0));
  assert.equal(events[0].fields.temperature, 0.1 + 0.2);
  assert.equal(events[5].fields.state, 'shut\u001b[31m');
  assert.deepEqual(events[1], {
    sequence: 98,
    ts: Date.UTC(2026, 0, 1) + 1_000,
    sensor: 'outlet',
    fields: {
      volume: 1.57,
      temperature: 18.1,
      noise: 2 ** -20 / 4,
      mean: 20.1166666666667,
      stroke: 0,
      phase: 7,
      running: true,
    },
  });
});

test('the bytes of the columns and the envelope make up the batch', async () => {
  const { columns, bytes } = JSON.parse((await inspect(['--json'], sampleBatch())).out);
  const inColumns = columns.reduce((sum: number, column: { packedBytes: number }) => sum + column.packedBytes, 0);
  assert(inColumns < bytes.uncompressed && inColumns > bytes.uncompressed - 300);
});

test('each event is one line of JSON', async () => {
  const lines = (await inspect(['--ndjson'], sampleBatch())).out.trimEnd().split('\n');
  const { events } = JSON.parse((await inspect(['--json'], sampleBatch())).out);
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    events,
  );
});

const emptyHeader = {
  stream: new Uint8Array(16),
  first: 97,
  count: 0,
  sentAt: 2 ** 52 - 1,
  queue: { recorded: 96, queued: 0, quarantined: 0, gaps: 0 },
  gaps: [],
};

test('a batch that only declares gaps has no events to print', async () => {
  const packed = encodeBatch(emptyHeader, encodeColumns(createTableBuilder().build()));
  const { status, out } = await inspect([], packed);
  assert.equal(status, 0);
  assert.match(out, /^batch of 0 events, version 1$/m);
  assert.match(out, /range\s+no events; the next is 97$/m);
  assert.match(out, /sent\s+\+144683-05-23T16:29:30.495Z by/);
  assert.doesNotMatch(out, /^(sensor|measure|sequence)/m);
  assert.equal(JSON.parse((await inspect(['--json'], packed)).out).last, null);
});

test('of a few events all are shown, of many sensors the first', async () => {
  const builder = createTableBuilder();
  for (let i = 0; i < 60; i++) builder.add({ ts: i, sensor: `s${i}`, fields: { volume: i } });
  const table = builder.build();
  const { out } = await inspect([], encodeBatch({ ...emptyHeader, count: 60 }, encodeColumns(table)));
  assert.match(out, /^s49 +1\n… 10 more$/m);
  builder.add({ ts: 5, sensor: 'only', fields: { volume: 1 } });
  const single = encodeBatch({ ...emptyHeader, count: 1 }, encodeColumns(builder.build()));
  const page = (await inspect([], single)).out;
  assert.match(page, /^batch of 1 event, version 1$/m);
  assert.match(page, /^ +97 {2}1970-01-01T00:00:00.005Z {2}only +volume 1$/m);
  assert.doesNotMatch(page, / more/);
});

test('a malformed input is one line with its code and its place', async () => {
  const packed = sampleBatch();
  const cases: [input: Uint8Array, code: string, place: RegExp][] = [
    [packed.subarray(0, 500), 'batch-malformed', / at byte \d+ /],
    [Uint8Array.of(...packed, 0xc0), 'batch-malformed', new RegExp(` at byte ${packed.length} `)],
    [Uint8Array.of(0x81, 0xa1, 0x76, 0x02), 'batch-version', /version 2/],
    [Buffer.from('no batch at all'), 'body-corrupt', /./],
    [new Uint8Array(0), 'body-corrupt', /./],
    [Uint8Array.of(0x1f, 0x8b, 1, 2, 3), 'body-corrupt', /gzip/],
    [new Uint8Array(BATCH_BYTES_MAX + 1), 'body-too-large', /./],
  ];
  for (const [input, code, place] of cases) {
    for (const argv of [[], ['--json'], ['--ndjson']]) {
      const { status, out, err } = await inspect(argv, input);
      assert.deepEqual({ status, out }, { status: 1, out: '' }, code);
      assert.match(err, new RegExp(`^error: [^\\n]+ \\(${code}\\)\\n$`));
      assert.match(err, place);
    }
  }
});

test('a column that does not decode is named by its place', async () => {
  const packed = sampleBatch();
  const at = Buffer.from(packed).lastIndexOf('volume') + 'volume'.length;
  // fixint kind, nil presence, fixint scale, bin16 header: then the packed mantissas.
  const column = at + 3 + 3;
  const broken = Buffer.from(packed);
  broken[column] = 0xff;
  const { status, err } = await inspect([], broken);
  assert.equal(status, 1);
  assert.match(err, new RegExp(`in the column at byte ${column} \\(batch-column\\)`));
});

test('a zstd body where the runtime has none says so', { skip: CONTENT_ENCODINGS.includes('zstd') }, async () => {
  const { status, err } = await inspect([], Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0));
  assert.equal(status, 1);
  assert.match(err, /\(encoding-unsupported\)/);
});

test('a call that makes no sense ends with status 2', async () => {
  const cases: [argv: readonly string[], code: string][] = [
    [[], 'missing-value'],
    [['--hex', 'abc'], 'bad-value'],
    [['--hex', 'zz'], 'bad-value'],
    [['--json', '--ndjson'], 'usage'],
    [['--encoding', 'lzma'], 'bad-value'],
    [['--hex', 'c0', '--device', 'd-1'], 'missing-value'],
    [['a', 'b'], 'usage'],
  ];
  for (const [argv, code] of cases) {
    const { status, err } = await inspect(argv, 'terminal');
    assert.equal(status, 2, argv.join(' '));
    assert.match(err, new RegExp(`\\(${code}\\)\\n$`), argv.join(' '));
  }
});

test('a file that is not there is a call to change', async () => {
  const { status, err } = await inspect(['/nowhere/at/all']);
  assert.equal(status, 2);
  assert.match(err, /\(input-unreadable\)\n$/);
});

async function signedRequest(t: TestContext) {
  const credential = { keyId: 'k1', secret: new Uint8Array(32).fill(7) };
  const body = await compressBody('br', sampleBatch());
  const head = { deviceId: 'pump-7', keyId: 'k1', timestamp: 1_767_225_600_000, contentEncoding: 'br' };
  const signature = signRequest(credential.secret, head, body);
  const secretFile = await fileOf(t, `${formatCredential(credential)}\n`, 'secret');
  const flags = ['--secret-file', secretFile, '--device', 'pump-7', '--timestamp', '1767225600000'];
  return { body, signature, flags };
}

test('a signature that is right is called valid, as hex and as a header', async (t) => {
  const { body, signature, flags } = await signedRequest(t);
  const stale = '0'.repeat(64);
  for (const value of [signature, signature.toUpperCase(), formatSignatures([stale, signature])]) {
    const { status, out } = await inspect([...flags, '--signature', value], body);
    assert.equal(status, 0);
    assert.match(
      out,
      /^signature valid: device pump-7, key k1, 2026-01-01T00:00:00.000Z, content encoding br\n\nbatch/,
    );
  }
  const { out } = await inspect([...flags, '--signature', signature, '--json'], body);
  assert.deepEqual(JSON.parse(out).signature, {
    valid: true,
    deviceId: 'pump-7',
    keyId: 'k1',
    timestamp: 1_767_225_600_000,
    contentEncoding: 'br',
  });
});

test('a signature that is wrong in any part is called invalid, with status 1', async (t) => {
  const { body, signature, flags } = await signedRequest(t);
  const other = await compressBody('gzip', sampleBatch());
  const otherwise = (flag: string, value: string) => {
    assert(flags.includes(flag));
    return [...flags.with(flags.indexOf(flag) + 1, value), '--signature', signature];
  };
  const cases: [argv: readonly string[], body: Uint8Array][] = [
    [[...flags, '--signature', '0'.repeat(64)], body],
    [otherwise('--device', 'pump-8'), body],
    [otherwise('--timestamp', '1767225600001'), body],
    [[...flags, '--signature', signature, '--key-id', 'k2'], body],
    [[...flags, '--signature', signature], other],
  ];
  for (const [argv, sent] of cases) {
    const { status, out, err } = await inspect(argv, sent);
    assert.equal(status, 1);
    assert.match(out, /^signature INVALID for device pump-[78], key k[12], [^\n]+\n\nbatch of 1,200 events/);
    assert.match(err, /^error: [^\n]+ \(signature-invalid\)\n$/);
  }
  const named = await inspect([...flags, '--signature', signature, '--encoding', 'gzip'], other);
  assert.equal(named.status, 1);
  const { out } = await inspect([...flags, '--signature', '0'.repeat(64), '--json'], body);
  assert.deepEqual([JSON.parse(out).signature.valid, JSON.parse(out).signature.contentEncoding], [false, null]);
});

test('the verdict on a signature stands even if the body is no batch', async (t) => {
  const { signature, flags } = await signedRequest(t);
  const { status, out, err } = await inspect([...flags, '--signature', signature], Buffer.from('something else'));
  assert.equal(status, 1);
  assert.match(out, /^signature INVALID/);
  assert.match(err, /\(body-corrupt\)/);
});

test('a check that lacks something says what', async (t) => {
  const { body, signature, flags } = await signedRequest(t);
  const [, secretFile = ''] = flags;
  const secret = ['--secret-file', secretFile];
  const bare = await fileOf(t, 'only-a-secret\n', 'secret');
  const cases: [argv: readonly string[], code: string][] = [
    [['--signature', signature, '--device', 'pump-7', '--timestamp', '1'], 'secret-missing'],
    [['--signature', signature, ...secret, '--timestamp', '1'], 'missing-value'],
    [['--signature', signature, ...secret, '--device', 'pump-7'], 'missing-value'],
    [['--signature', 'v2=00', ...flags], 'bad-value'],
    [['--signature', signature, ...secret, '--device', '\n', '--timestamp', '1'], 'bad-value'],
    [['--signature', signature, '--secret-file', bare, '--device', 'pump-7', '--timestamp', '1'], 'bad-value'],
  ];
  for (const [argv, code] of cases) {
    const { status, err } = await inspect(argv, body);
    assert.equal(status, 2, code);
    assert.match(err, new RegExp(`\\(${code}\\)\\n$`));
  }
});

test('the program itself runs, and a reader that goes away ends it without a word', async (t) => {
  const program = fileURLToPath(new URL('../../bin/tidegate-inspect.js', import.meta.url));
  const path = await fileOf(t, sampleBatch());
  const run = (command: string) =>
    new Promise<string>((done) => execFile('bash', ['-c', command], (_error, out, err) => done(out + err)));
  const statuses = '; echo $PIPESTATUS';
  assert.match(await run(`"${process.execPath}" "${program}" "${path}"${statuses}`), /^batch of 1,200[\s\S]*\n0\n$/);
  assert.match(
    await run(`"${process.execPath}" "${program}" --json "${path}" | head -c 5${statuses}`),
    /^\{"ver141\n$/,
  );
});
