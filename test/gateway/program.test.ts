/** `tidegate-gateway` as a person and a script use it: real processes, real signals. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { access, mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../../faults/network/certificates.ts';
import { parseCredential } from '../../src/codec/index.ts';
import { createRandom, seedOf } from '../store/random.ts';
import { exactSum } from './exact-sum.ts';
import { DEVICE, eventsFrom, freshStream, post, read, type TestAnswer, temporaryFolder } from './gateway-fixture.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/tidegate-gateway.js', import.meta.url));

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(t: TestContext, args: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

async function run(t: TestContext, ...args: string[]): Promise<Result> {
  const child = start(t, args);
  let stdout = '';
  let stderr = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stdout, stderr };
}

async function succeeds(t: TestContext, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run(t, ...args);
  assert.equal(status, 0, stderr);
  return stdout;
}

async function fails(t: TestContext, expected: { code: string; status: number }, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run(t, ...args);
  assert.equal(status, expected.status, stderr);
  // Warnings may stand before it.
  assert.match(stderr, new RegExp(`(^|\n)error: .* \\(${expected.code}\\)\n$`));
  assert.equal(stdout, '');
  return stderr;
}

/** A gateway process, and where it listens. */
async function serve(t: TestContext, args: readonly string[], environment?: NodeJS.ProcessEnv) {
  const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const child = start(t, ['serve', ...listen, ...args], environment);
  const lines: Record<string, unknown>[] = [];
  const reader = createInterface({ input: child.stderr! });
  const heard = new EventEmitter();
  const url = await new Promise<string>((resolve, reject) => {
    reader.on('line', (line) => {
      if (!line.startsWith('{')) return reject(new Error(line));
      lines.push(JSON.parse(line));
      heard.emit('line');
      if (lines.at(-1)!['msg'] === 'listening') resolve(lines.at(-1)!['url'] as string);
    });
    child.once('exit', () => reject(new Error('ended')));
  });
  const end = async (signal: NodeJS.Signals) => {
    const closed = once(child, 'close');
    child.kill(signal);
    return (await closed) as [number | null, NodeJS.Signals | null];
  };
  /** Resolves once a line of the log is as wanted. */
  const says = async (isWanted: (line: Record<string, unknown>) => boolean) => {
    while (!lines.some(isWanted)) await once(heard, 'line', { signal: AbortSignal.timeout(30_000) });
  };
  return { url, lines, end, says, signal: (signal: NodeJS.Signals) => child.kill(signal) };
}

test('an address that is taken, and a file where a folder is to be, are calls to change, in one line', async (t) => {
  const data = await temporaryFolder(t);
  await succeeds(t, 'keys', 'add', DEVICE, '--data', join(data, 'one'));
  const { url, end } = await serve(t, ['--data', join(data, 'one')]);
  const listen = ['--listen', new URL(url).host];
  await fails(
    t,
    { code: 'listen-failed', status: 2 },
    'serve',
    '--data',
    join(data, 'two'),
    ...listen,
    '--log-level',
    'silent',
  );
  const file = join(data, 'one', 'keys.json');
  await fails(t, { code: 'not-a-folder', status: 2 }, 'keys', 'add', DEVICE, '--data', file);
  await fails(
    t,
    { code: 'not-a-folder', status: 2 },
    'serve',
    '--data',
    join(file, 'below'),
    '--listen',
    '127.0.0.1:0',
  );
  await fails(t, { code: 'not-found', status: 2 }, 'totals', '--data', file);
  await end('SIGTERM');
});

test('a typed address overrides a folder that the environment names', async (t) => {
  const data = await temporaryFolder(t);
  const child = start(t, ['totals', '--url', 'http://127.0.0.1:9'], { TIDEGATE_DATA: data });
  const [status] = (await once(child, 'close')) as [number | null];
  assert.equal(status, 1, 'it was asked, and 2 is a call to change');
});

test('a key whose secret could not be printed is not in force', async (t) => {
  if (process.platform !== 'linux') return t.skip('no /dev/full here');
  const data = join(await temporaryFolder(t), 'gateway');
  const full = await open('/dev/full', 'w');
  t.after(() => full.close());
  const args = ['keys', 'add', DEVICE, '--data', data];
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', full.fd, 'ignore'] });
  t.after(() => child.kill('SIGKILL'));
  assert.deepEqual(await once(child, 'close'), [1, null]);
  assert.match(await succeeds(t, ...args), /^k1\./);
});

test('keys are made, listed, rotated and revoked; secrets are shown once', async (t) => {
  const data = join(await temporaryFolder(t), 'data');
  const credential = parseCredential((await succeeds(t, 'keys', 'add', DEVICE, '--data', data)).trim());
  assert.equal(credential?.keyId, 'k1');
  const secretFile = join(data, 'second');
  assert.equal(await succeeds(t, 'keys', 'rotate', DEVICE, '--data', data, '--secret-file', secretFile), '');
  assert.equal((await stat(secretFile)).mode & 0o777, 0o600);
  assert.equal(parseCredential((await readFile(secretFile, 'utf8')).trim())?.keyId, 'k2');
  await fails(t, { code: 'two-keys-live', status: 1 }, 'keys', 'rotate', DEVICE, '--data', data);
  assert.equal(await succeeds(t, 'keys', 'revoke', DEVICE, 'k1', '--data', data), `revoked k1 of ${DEVICE}\n`);
  const list = await succeeds(t, 'keys', 'list', '--data', data);
  assert.match(list, /^DEVICE .*\npump-7 +k1 .*Z {2}\d.*\npump-7 +k2 .*Z {2}-\n$/);
  const json = JSON.parse(await succeeds(t, 'keys', 'list', '--data', data, '--json'));
  assert.deepEqual(
    json.map((key: { key: string; revokedAt: string | null }) => [key.key, key.revokedAt === null]),
    [
      ['k1', false],
      ['k2', true],
    ],
  );
  assert(!list.includes(Buffer.from(credential!.secret).toString('base64url')));
  const third = JSON.parse(await succeeds(t, 'keys', 'rotate', DEVICE, '--data', data, '--json'));
  assert.deepEqual([third.device, third.key, parseCredential(third.credential)?.keyId], [DEVICE, 'k3', 'k3']);
  const revoked = JSON.parse(await succeeds(t, 'keys', 'revoke', DEVICE, '--data', data, '--json'));
  assert.deepEqual(
    revoked.map(({ key }: { key: string }) => key),
    ['k2', 'k3'],
  );
});

test('looking at a mistyped folder, and changing keys in one, is an error and makes nothing', async (t) => {
  const above = await temporaryFolder(t);
  for (const data of [join(above, 'mistyped'), above]) {
    await fails(t, { code: 'not-found', status: 2 }, 'totals', '--data', data);
    for (const command of [['list'], ['revoke', DEVICE], ['rotate', DEVICE]]) {
      await fails(t, { code: 'keys-not-found', status: 2 }, 'keys', ...command, '--data', data);
    }
  }
  assert.deepEqual(await readdir(above), []);
});

test('a device whose secret file is taken is not made', async (t) => {
  const data = await temporaryFolder(t);
  await writeFile(join(data, 'taken'), 'mine');
  await fails(
    t,
    { code: 'secret-exists', status: 2 },
    'keys',
    'add',
    DEVICE,
    '--data',
    data,
    '--secret-file',
    join(data, 'taken'),
  );
  await fails(t, { code: 'keys-not-found', status: 2 }, 'keys', 'list', '--data', data);
  await succeeds(t, 'keys', 'add', DEVICE, '--data', data);
  await fails(t, { code: 'device-exists', status: 1 }, 'keys', 'add', DEVICE, '--data', data);
});

test('a key that could not be stored leaves no secret file', async (t) => {
  const data = await temporaryFolder(t);
  const secretFile = join(data, 'secret');
  await mkdir(join(data, 'keys.json.tmp', 'in the way'), { recursive: true });
  const { status } = await run(t, 'keys', 'add', DEVICE, '--data', data, '--secret-file', secretFile);
  assert.equal(status, 1);
  await assert.rejects(stat(secretFile), { code: 'ENOENT' });
});

test('a gateway serves, tells its totals while it runs and after, and ends on SIGTERM', async (t) => {
  const data = await temporaryFolder(t);
  const { secret, keyId } = parseCredential((await succeeds(t, 'keys', 'add', DEVICE, '--data', data)).trim())!;
  const token = join(data, 'token');
  await writeFile(token, 'open-sesame-0123\n', { mode: 0o600 });
  const gateway = await serve(t, [
    '--data',
    data,
    '--admin-token-file',
    token,
    '--events-max',
    '50',
    '--retain-age',
    '1h',
  ]);
  assert.equal((await post(gateway, { secret, keyId, batch: { count: 50 } })).status, 200);
  assert.equal((await post(gateway, { secret, keyId, batch: { count: 51 } })).problem?.eventsMax, 50);
  const asked = JSON.parse(await succeeds(t, 'totals', '--url', gateway.url, '--admin-token-file', token, '--json'));
  assert.equal(asked.events, 50);
  const { stderr, status } = await run(t, 'totals', '--url', gateway.url);
  assert.equal(status, 1);
  assert.match(stderr, /answered 401/);
  // Beside it, and nothing of it is changed.
  assert.deepEqual(JSON.parse(await succeeds(t, 'totals', '--data', data, '--json')), asked);
  assert.deepEqual(await gateway.end('SIGTERM'), [0, null]);
  const [first, ...others] = gateway.lines;
  assert.equal(first?.code, 'store-new', 'devices are known, and nothing is counted');
  assert.deepEqual(
    others.map(({ msg }) => msg),
    [
      'listening',
      'first batch of a device since the start',
      'refused: 51 events; 50 are the most',
      'refused: reading needs the admin token: Authorization: Bearer <token>',
      'stopping; answering what was accepted',
      'stopped',
    ],
  );
  const afterwards = JSON.parse(await succeeds(t, 'totals', '--data', data, '--json'));
  assert.deepEqual(afterwards, asked);
  const text = await succeeds(t, 'totals', '--data', data);
  assert.match(text, /^devices +1\nevents +50\n/);
  assert(text.includes(exactSum(eventsFrom(1, 50), 'volume')));
});

test('a gateway whose keys are gone does not come up to refuse every device', async (t) => {
  const data = await temporaryFolder(t);
  const path = join(data, 'keys.json');
  const { secret, keyId } = parseCredential((await succeeds(t, 'keys', 'add', DEVICE, '--data', data)).trim())!;
  const first = await serve(t, ['--data', data]);
  assert.equal((await post(first, { secret, keyId, batch: { count: 5 } })).status, 200);
  await first.end('SIGTERM');
  const keys = await readFile(path);
  await rm(path);
  const said = await fails(t, { code: 'keys-unreadable', status: 1 }, 'serve', '--data', data);
  assert.match(said, /keys\.json is gone/);
  // Nor does a new file of one device come in its place.
  await fails(t, { code: 'keys-unreadable', status: 1 }, 'keys', 'add', 'another', '--data', data);
  await assert.rejects(access(path), { code: 'ENOENT' });
  await writeFile(path, keys, { mode: 0o600 });
  const again = await serve(t, ['--data', data]);
  const answer = await post(again, { secret, keyId, batch: { first: 6, count: 5 } });
  assert.equal(answer.acknowledgement?.inserted, 5);
  await again.end('SIGTERM');
});

test('a call that cannot be is refused with status 2', async (t) => {
  const folder = await temporaryFolder(t);
  const usage = { code: 'missing-value', status: 2 };
  await fails(t, usage, 'totals');
  const both = ['--data', folder, '--url', 'http://127.0.0.1:1'];
  await fails(t, { code: 'usage', status: 2 }, 'totals', ...both);
  await fails(t, usage, 'serve', '--data', folder, '--tls-cert', 'x');
  await fails(t, { code: 'bad-value', status: 2 }, 'serve', '--data', folder, '--body-bytes-max', '5MiB');
  await fails(t, { code: 'usage', status: 2 }, 'keys', 'add', '--data', folder);
});

test('over TLS, with the token in the environment, on an address that is taken', async (t) => {
  const data = await temporaryFolder(t);
  const pem = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const tls = ['--tls-cert', pem('tls-cert.pem'), '--tls-key', pem('tls-key.pem')];
  const gateway = await serve(t, ['--data', data, ...tls], { TIDEGATE_ADMIN_TOKEN: 'open-sesame-0123' });
  assert.match(gateway.url, /^https:/);
  const ca = await readFile(pem('tls-cert.pem'), 'utf8');
  assert.equal((await post(gateway, { ca })).problem?.code, 'key-unknown');
  const other = ['serve', '--data', await temporaryFolder(t), '--listen', new URL(gateway.url).host];
  await fails(t, { code: 'listen-failed', status: 2 }, ...other);
  await gateway.end('SIGINT');
});

test('SIGHUP reads keys and certificate anew and ends nothing; totals trusts the authority it is given', async (t) => {
  const data = await temporaryFolder(t);
  const authority = createAuthority('an authority');
  const [cert, key, ca] = [join(data, 'cert.pem'), join(data, 'key.pem'), join(data, 'ca.pem')];
  const renew = async () => {
    const issued = authority.issue({ host: 'localhost', from: 0, to: Date.UTC(2100, 0, 1) });
    await writeFile(cert, issued.cert);
    await writeFile(key, issued.key);
  };
  await renew();
  await writeFile(ca, authority.cert);
  const gateway = await serve(t, ['--data', data, '--tls-cert', cert, '--tls-key', key]);
  const url = gateway.url.replace('127.0.0.1', 'localhost');
  assert.equal(JSON.parse(await succeeds(t, 'totals', '--url', url, '--ca', ca, '--json')).events, 0);
  const untrusted = await run(t, 'totals', '--url', url);
  assert.equal(untrusted.status, 1);
  assert.match(untrusted.stderr, /--ca FILE.*\((?:SELF_SIGNED|UNABLE_TO)[A-Z_]+\)\n$/);
  await writeFile(join(data, 'empty.pem'), '');
  await fails(t, { code: 'ca-invalid', status: 2 }, 'totals', '--url', url, '--ca', join(data, 'empty.pem'));
  await renew();
  gateway.signal('SIGHUP');
  await gateway.says((line) => line['msg'] === 'reading keys and certificate anew');
  await gateway.says((line) => String(line['msg']).startsWith('certificate read anew'));
  assert.equal(JSON.parse(await succeeds(t, 'totals', '--url', url, '--ca', ca, '--json')).events, 0);
  assert.deepEqual(await gateway.end('SIGTERM'), [0, null]);
});

test('a gateway says where it listens, and that without a token none can read where others can reach it', async (t) => {
  const open = await serve(t, ['--data', await temporaryFolder(t), '--listen', '0.0.0.0:0']);
  const { addresses } = open.lines.find(({ msg }) => msg === 'listening')! as { addresses?: string[] };
  assert.match(addresses!.join(), /^0\.0\.0\.0:\d+$/);
  await open.says(({ code }) => code === 'no-admin-token');
  await open.end('SIGTERM');
  const token = { TIDEGATE_ADMIN_TOKEN: 'open-sesame-0123' };
  const closed = await serve(t, ['--data', await temporaryFolder(t), '--listen', '0.0.0.0:0'], token);
  await closed.end('SIGTERM');
  assert(!closed.lines.some(({ code }) => code === 'no-admin-token'));
  for (const TIDEGATE_ADMIN_TOKEN of ['short', 'pässwörd-0123456789']) {
    const child = start(t, ['serve', '--data', await temporaryFolder(t)], { TIDEGATE_ADMIN_TOKEN });
    const said = Buffer.concat(await child.stderr!.toArray()).toString();
    assert.match(said, /^error: .*\(admin-token-invalid\)\n$/);
  }
});

test('kill -9 under load, again and again: what was acknowledged is counted, once', async (t) => {
  const random = createRandom(seedOf(t));
  const data = await temporaryFolder(t);
  const { secret, keyId } = parseCredential((await succeeds(t, 'keys', 'add', DEVICE, '--data', data)).trim())!;
  const streams = [freshStream(), freshStream()];
  const batches = streams.flatMap((stream) =>
    Array.from({ length: 150 }, (_, i) => ({ stream, first: 1 + 40 * i, count: 50 })),
  );
  const acknowledged = new Set<number>();
  const send = async (gateway: { url: string }, i: number): Promise<TestAnswer> => {
    const answer = await post(gateway, { secret, keyId, batch: batches[i]! });
    if (answer.status === 200 && answer.signed) acknowledged.add(i);
    return answer;
  };
  for (let round = 0; round < 4; round++) {
    const gateway = await serve(t, ['--data', data]);
    for (const i of acknowledged) {
      if (random(8) > 0) continue;
      assert.equal((await send(gateway, i)).acknowledgement?.inserted, 0, 'acknowledged before the kill');
    }
    const open = [...batches.keys()].filter((i) => !acknowledged.has(i));
    const killAt = acknowledged.size + 5 + random(50);
    let killed: ReturnType<typeof gateway.end> | undefined;
    const workers = Array.from({ length: 6 }, async () => {
      for (let i = open.shift(); i !== undefined; i = open.shift()) {
        // Whoever finds the gateway gone has nothing more to say to it.
        if (!(await send(gateway, i).catch(() => false))) return;
        if (acknowledged.size >= killAt) killed ??= gateway.end('SIGKILL');
      }
    });
    await Promise.all(workers);
    assert.deepEqual(await killed, [null, 'SIGKILL']);
  }
  t.diagnostic(`${acknowledged.size} of ${batches.length} batches acknowledged before the last kill`);
  const gateway = await serve(t, ['--data', data]);
  for (const i of batches.keys()) assert.equal((await send(gateway, i)).status, 200);
  const totals = await read(gateway, '/v1/totals');
  const events = [...eventsFrom(1, 6_010), ...eventsFrom(1, 6_010)];
  assert.equal(totals.events, events.length);
  assert.equal(totals.measures.volume.count, events.length);
  assert.equal(totals.measures.volume.sum, exactSum(events, 'volume'));
  assert.equal(totals.measures.temperature.sum, exactSum(events, 'temperature'));
  await gateway.end('SIGTERM');
});

test('a gateway on a new folder says so, and how a device becomes known', async (t) => {
  const data = join(await temporaryFolder(t), 'mistyped');
  const gateway = await serve(t, ['--data', data]);
  assert.deepEqual(await gateway.end('SIGTERM'), [0, null]);
  const [first] = gateway.lines;
  assert.equal(first?.code, 'gateway-new');
  assert.match(String(first?.msg), /mistyped/);
});
