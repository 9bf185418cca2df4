/**
 * A client that was written from proto-spec alone, in another language, against the gateway as it is run for real.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

const python = ['/usr/bin/python3', 'python3'].find(
  (candidate) => spawnSync(candidate, ['-c', 'import msgpack, sys; assert sys.version_info >= (3, 9)']).status === 0,
);

const skip =
  python === undefined && 'SKIPPED: the other client needs Python 3.9 with msgpack: apt-get install -y python3-msgpack';

interface Reply {
  readonly status: number;
  readonly signed: boolean;
  readonly body: Readonly<Record<string, unknown>> | null;
}

interface Stranger {
  readonly url: string;
  /** Sends one job to the Python client; see its head for what a job may say. */
  deliver(job: Readonly<Record<string, unknown>>): Promise<Reply>;
}

/** A gateway process with a key for `pump-7`, and the Python client beside it. */
async function strangerBeforeGateway(t: TestContext): Promise<Stranger> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-system-'));
  const children: ChildProcess[] = [];
  t.after(async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  });
  const program = join(root, 'bin', 'tidegate-gateway.js');
  const secretFile = join(folder, 'pump-7.secret');
  const made = spawnSync(process.execPath, [
    program,
    'keys',
    'add',
    'pump-7',
    '--data',
    folder,
    '--secret-file',
    secretFile,
  ]);
  assert.equal(made.status, 0, made.stderr.toString());
  const gateway = spawn(process.execPath, [program, 'serve', '--data', folder, '--listen', '127.0.0.1:0']);
  children.push(gateway);
  const url = await new Promise<string>((listening) => {
    createInterface({ input: gateway.stderr }).on('line', (line) => {
      const said = JSON.parse(line) as { msg: string; url: string };
      if (said.msg === 'listening') listening(said.url);
    });
  });
  const client = spawn(python!, ['-B', 'client.py'], { cwd: join(root, 'test', 'spec') });
  children.push(client);
  const replies = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  const credential = (await readFile(secretFile, 'utf8')).trim();
  return {
    url,
    async deliver(job) {
      client.stdin.write(`${JSON.stringify({ url, device: 'pump-7', credential, ...job })}\n`);
      return JSON.parse((await replies.next()).value as string) as Reply;
    },
  };
}

const STREAM = '00112233445566778899aabbccddeeff';

function readings(first: number, count: number, volume = 0.1) {
  return Array.from({ length: count }, (_, i) => ({
    ts: 1_700_000_000_000 + 1_000 * (first + i),
    sensor: (first + i) % 2 ? 'inlet' : 'outlet',
    fields: { volume, state: 'run', open: true },
  }));
}

test('a stranger’s events are counted once, whatever it repeats', { skip }, async (t) => {
  const stranger = await strangerBeforeGateway(t);
  const whole = { stream: STREAM, first: 1, events: readings(1, 100), encoding: 'gzip' };
  const first = await stranger.deliver(whole);
  assert.deepEqual(first, {
    status: 200,
    signed: true,
    body: { stream: STREAM, first: 1, count: 100, inserted: 100, duplicates: 0 },
  });
  for (let i = 0; i < 20; i++) {
    const again = await stranger.deliver(whole);
    assert.deepEqual([again.status, again.signed, again.body?.['inserted']], [200, true, 0]);
  }
  const overlap = await stranger.deliver({ stream: STREAM, first: 51, events: readings(51, 100) });
  assert.deepEqual([overlap.status, overlap.body?.['inserted'], overlap.body?.['duplicates']], [200, 50, 50]);
  const ahead = await stranger.deliver({ stream: STREAM, first: 301, events: readings(301, 10) });
  assert.equal(ahead.body?.['inserted'], 10);
  const totals = (await (await fetch(`${stranger.url}/v1/totals`)).json()) as {
    events: number;
    measures: { volume: { sum: string } };
  };
  assert.equal(totals.events, 160);
  assert.equal(totals.measures.volume.sum, '16');
});

test('a stranger that reuses an id for another event is told which', { skip }, async (t) => {
  const stranger = await strangerBeforeGateway(t);
  await stranger.deliver({ stream: STREAM, first: 1, events: readings(1, 10) });
  const events = [...readings(1, 5), ...readings(6, 5, 0.2), ...readings(11, 5)];
  const reply = await stranger.deliver({ stream: STREAM, first: 1, events });
  assert.deepEqual([reply.status, reply.signed, reply.body?.['code']], [409, true, 'sequence-collision']);
  assert.deepEqual(reply.body?.['collisions'], [[6, 10]]);
  const totals = (await (await fetch(`${stranger.url}/v1/totals`)).json()) as { events: number };
  assert.equal(totals.events, 10);
});

/** What the client does wrong → the answer's status and code, and whether it is signed (the key is known by then). */
const REFUSALS: readonly (readonly [wrong: string, status: number, code: string, signed: boolean])[] = [
  ['body', 401, 'signature-mismatch', true],
  ['signature', 401, 'signature-mismatch', true],
  ['timestamp', 401, 'signature-mismatch', true],
  ['content-encoding', 401, 'signature-mismatch', true],
  ['old', 401, 'clock-skew', true],
  ['device', 401, 'key-unknown', false],
  ['key', 401, 'key-unknown', false],
  ['signature-form', 400, 'headers-invalid', false],
  ['timestamp-form', 400, 'headers-invalid', true],
  ['header-twice', 400, 'headers-invalid', false],
  ['content-type', 400, 'headers-invalid', true],
  ['no-signature', 400, 'headers-invalid', false],
  ['no-timestamp', 400, 'headers-invalid', true],
  ['no-device', 400, 'headers-invalid', false],
  ['no-key', 400, 'headers-invalid', false],
  ['unknown-encoding', 415, 'encoding-unsupported', true],
  ['not-gzip', 400, 'body-corrupt', true],
  ['not-a-batch', 400, 'batch-malformed', true],
  ['cut-short', 400, 'batch-malformed', true],
];

test('a stranger is refused for each wrong thing it does, and nothing of it counts', { skip }, async (t) => {
  const stranger = await strangerBeforeGateway(t);
  const batch = { stream: STREAM, first: 1, events: readings(1, 10) };
  const answers = [];
  for (const [wrong] of REFUSALS) {
    // A signature that does not fit leaves the client nothing to verify an answer by; ours is by what it sent.
    const { status, body, signed } = await stranger.deliver({ ...batch, wrong });
    answers.push([wrong, status, body?.['code'], signed]);
  }
  assert.deepEqual(answers, REFUSALS);
  const fine = await stranger.deliver(batch);
  assert.deepEqual([fine.status, fine.body?.['inserted']], [200, 10]);
});
