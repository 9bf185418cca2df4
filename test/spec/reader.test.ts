/**
 * The second reader (reader.py, written from the pages of proto-spec) against the vectors and against ours.
 *
 * Needs Python 3.9 with msgpack. Where that is missing these tests say how to get it, and are skipped.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { vectorOf } from '../../scripts/vectors/batches.ts';
import { CodecError, decodeBatch, eventsOf } from '../../src/codec/index.ts';
import { createRandom, seedOf } from '../codec/property.ts';
import { bytesOf, eventOf, readVectors, type Vectors } from './vectors.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const vectors = fileURLToPath(new URL('../../proto-spec/vectors', import.meta.url));

/** Debian's own comes first: it is the one that python3-msgpack is for. */
const python = ['/usr/bin/python3', 'python3'].find(
  (candidate) => spawnSync(candidate, ['-c', 'import msgpack, sys; assert sys.version_info >= (3, 9)']).status === 0,
);

const skip =
  python === undefined &&
  'SKIPPED: the second reader needs Python 3.9 with msgpack: apt-get install -y python3-msgpack';

interface Report {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly left_out: readonly string[];
}

function run(args: readonly string[], input = ''): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(python!, ['-B', ...args], {
    cwd: folder,
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  assert(stdout !== '', stderr);
  return { status, output: stdout };
}

function replay(path: string): { readonly status: number | null; readonly report: Record<string, Report> } {
  const { status, output } = run(['replay.py', path]);
  return { status, report: JSON.parse(output) as Record<string, Report> };
}

function folderWith(t: TestContext, files: Record<string, unknown>): string {
  const path = mkdtempSync(join(tmpdir(), 'tidegate-reader-'));
  t.after(() => rmSync(path, { recursive: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), JSON.stringify(content));
  return path;
}

test('the second reader gets out of every vector what stands beside it', { skip }, (t) => {
  const { status, report } = replay(vectors);
  for (const [file, { passed, failed, left_out: leftOut }] of Object.entries(report)) {
    assert.deepEqual(failed, [], file);
    assert(passed >= 6, file);
    t.diagnostic(`${file}: ${passed} checks${leftOut.length > 0 ? `, without ${leftOut.join(', ')}` : ''}`);
  }
  assert.equal(Object.keys(report).length, 9);
  assert.equal(status, 0);
});

test('the second reader notices a vector that is wrong', { skip }, (t) => {
  const change = <File extends keyof Vectors>(file: File, turn: (content: Vectors[File]) => unknown) => ({
    [file]: turn(structuredClone(readVectors(file))),
  });
  const wrong = folderWith(t, {
    ...change('batches.json', ({ batches }) => ({
      batches: batches.map((vector) => ({ ...vector, sums: { volume: '1.0' } })),
    })),
    ...change('invalid-batches.json', ({ batches }) => ({
      batches: batches.map((vector) => ({ ...vector, code: 'body-corrupt' })),
    })),
    ...change('bodies.json', (content) => ({ ...content, batch: '00' })),
    ...change('integers.json', (content) => ({
      ...content,
      valid: content.valid.map((vector) => ({ ...vector, values: [...vector.values, 1] })),
    })),
    ...change('decimals.json', (content) => ({
      ...content,
      sums: content.sums.map((vector) => ({ ...vector, sum: '0.5' })),
    })),
    ...change('exchanges.json', (content) => ({
      ...content,
      exchanges: content.exchanges.map(({ answer, ...vector }) => ({
        ...vector,
        answer: { ...answer, body: `${answer.body} ` },
      })),
    })),
    ...change('requests.json', (content) => ({ ...content, body: '00' })),
    ...change('answers.json', (content) => ({ ...content, secret: '00' })),
    ...change('credentials.json', ({ valid }) => ({ valid: [], invalid: valid.map(({ text }) => text) })),
  });
  const { status, report } = replay(wrong);
  assert.equal(status, 1);
  for (const [file, { failed }] of Object.entries(report)) assert(failed.length > 0, file);
});

test('both readers take and refuse the same mutated batches, and get the same out of them', { skip }, (t) => {
  const random = createRandom(seedOf(t));
  const below = (bound: number): number => Math.floor(random() * bound);
  const corpus = readVectors('batches.json').batches.filter(({ hex }) => hex.length < 1_200);
  const batches = Array.from({ length: 4_000 }, (_, i) => {
    const bytes = bytesOf(corpus[below(corpus.length)]!.hex);
    for (let changes = 1 + below(2); changes > 0; changes--)
      bytes[below(bytes.length)] = [0, 0xff, 0x80, below(256)][below(4)]!;
    return { name: `mutant ${i}`, hex: bytes.toString('hex'), events: eventsIn(bytes) };
  });
  const taken = batches.filter(({ events }) => events !== null).length;
  t.diagnostic(`${taken} of ${batches.length} taken`);
  assert(taken > 100);
  const { report } = replay(folderWith(t, { 'mutants.json': { batches } }));
  const { failed } = report['mutants.json']!;
  assert.deepEqual(
    failed.map((text) => `${text}\n${batches[Number(/\d+/.exec(text))]!.hex}`),
    [],
  );
});

/** The events as vectors have them; null where ours refuses the bytes. */
function eventsIn(bytes: Uint8Array) {
  try {
    const { table, ...header } = decodeBatch(bytes);
    return vectorOf({ name: '', header, events: [...eventsOf(table)] }).events;
  } catch (error) {
    assert(error instanceof CodecError, String(error));
    return null;
  }
}

test('what the second client writes, our reader takes', { skip }, () => {
  const { batches } = readVectors('batches.json');
  const program = [
    'import client, json, replay, sys',
    'value = lambda field: replay.double_of(field["bits"]) if "bits" in field else ' +
      'field.get("text", field.get("flag"))',
    'for line in sys.stdin:',
    '    job = json.loads(line)',
    '    events = [(e["ts"], e["sensor"], {f["name"]: value(f) for f in e["fields"]}) for e in job["events"]]',
    '    stream = bytes.fromhex(job["stream"])',
    '    print(client.build_batch(stream, job["first"], events, job["sent"], job["queue"], job["gaps"]).hex())',
  ].join('\n');
  const jobs = batches.map((vector) => JSON.stringify(vector)).join('\n');
  const lines = run(['-c', program], jobs).output.trim().split('\n');
  assert.equal(lines.length, batches.length);
  for (const [i, vector] of batches.entries()) {
    const { table, ...header } = decodeBatch(bytesOf(lines[i]!));
    const found = vectorOf({ name: vector.name, header, events: [...eventsOf(table)] });
    assert.deepEqual(found.events.map(eventOf), vector.events.map(eventOf), vector.name);
    const { hex, own, ...expected } = vector;
    assert.deepEqual({ ...found, events: [] }, { ...expected, events: [] }, vector.name);
  }
});
