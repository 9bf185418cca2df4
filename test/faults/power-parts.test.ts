/** What the power campaign is made of: the disks, the cable, the torn logs. Each does what the campaign relies on. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCable } from '../../faults/power/cable.ts';
import { countResolved, cutJournal, journalBytes } from '../../faults/power/journal-cut.ts';
import { DISK_FORMATS, rackObstacle } from '../../faults/power/rack.ts';
import { takeLogs } from '../../faults/power/torn-log.ts';
import { createRandom } from '../../rig/random.ts';
import { openRocks } from '../../src/store/rocks.ts';
import { until } from '../until.ts';
import { powerDisk } from './power-disk.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tidegate-power-parts-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

for (const format of DISK_FORMATS) {
  test(`a power cut takes what was not synced, and nothing else: ${format}`, async (t) => {
    const disk = await powerDisk(t, format);
    if (disk === undefined) return;
    const log = openSync(join(disk.path, 'log'), 'a');
    writeSync(log, 'synced\n');
    fsyncSync(log);
    writeSync(log, 'written\n');
    const other = openSync(join(disk.path, 'other'), 'a');
    writeSync(other, 'written\n');
    disk.cut();
    writeSync(log, 'too late\n');
    fsyncSync(log);
    closeSync(log);
    closeSync(other);
    await disk.restore();
    assert.equal(readFileSync(join(disk.path, 'log'), 'utf8'), 'synced\n');
    assert.throws(() => readFileSync(join(disk.path, 'other')), { code: 'ENOENT' });
  });
}

test('a rack whose process is killed leaves no mount and no image behind', async (t) => {
  const obstacle = await rackObstacle();
  if (obstacle !== undefined) return t.skip(`NOT RUN: ${obstacle}`);
  const path = await folder(t);
  const rack = JSON.stringify(new URL('../../faults/power/rack.ts', import.meta.url).href);
  const script = `const { openRack } = await import(${rack});
    const disk = await (await openRack(${JSON.stringify(path)})).disk();
    console.log(disk.path);
    setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  assert.equal(mounts(path), 2);
  child.kill('SIGKILL');
  await once(child, 'exit');
  // The janitor has no more to say to us than that.
  for (let waitedMs = 0; mounts(path) > 0 && waitedMs < 30_000; waitedMs += 20) await sleep(20);
  assert.equal(mounts(path), 0);
});

function mounts(path: string): number {
  return readFileSync('/proc/self/mounts', 'utf8').split(path).length - 1;
}

test('no byte passes a cable that is pulled out, not even one that had arrived', async (t) => {
  const received: string[] = [];
  const arrivals: Socket[] = [];
  const server = createServer((socket) => {
    arrivals.push(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => received.push(String(data)));
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const cable = await createCable(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(() => cable.close());
  const port = Number(new URL(cable.url).port);

  const device = connect(port, '127.0.0.1').on('error', () => {});
  device.write('before');
  await until(() => received.length > 0);
  const answer = once(device, 'data');
  arrivals[0]!.write('answer');
  assert.equal(String((await answer)[0]), 'answer');

  // Sent, and in this process's hands at the latest when it looks next; it never looks.
  device.write('too late');
  const deadline = performance.now() + 20;
  const broken = closed(device);
  await new Promise((resolve) => process.nextTick(resolve));
  while (performance.now() < deadline);
  cable.pull();
  await broken;
  const refused = connect(port, '127.0.0.1');
  refused.on('error', () => {});
  await closed(refused);
  assert.deepEqual(received, ['before']);

  cable.plug();
  const again = connect(port, '127.0.0.1').on('error', () => {});
  again.write('after');
  await until(() => received.length > 1);
  assert.deepEqual(received, ['before', 'after']);
  again.destroy();
});

/** Unlike `once`, which takes the reset for a failure. */
function closed(socket: Socket): Promise<void> {
  return new Promise((done) => socket.once('close', () => done()));
}

test('a journal ends with the last line that was whole when the power was cut', async (t) => {
  const path = join(await folder(t), 'journal');
  assert.deepEqual([journalBytes(path), cutJournal(path, 0)], [0, 0]);
  const lines = [
    '{"kind":"attempt","serial":1}\n',
    '{"kind":"resolved","serial":1}\n',
    '{"kind":"resolved","serial":2}\n',
  ];
  await writeFile(path, lines.join(''));
  const whole = lines.slice(0, 2).join('');
  assert.equal(countResolved(path, 0, journalBytes(path)), 2);
  assert.equal(cutJournal(path, whole.length + 5), whole.length);
  assert.equal(readFileSync(path, 'utf8'), whole);
  assert.equal(cutJournal(path, whole.length), whole.length);
  assert.equal(countResolved(path, lines[0]!.length, whole.length), 1);
});

test('a database opens over every torn log, with all that was synced and nothing of what was torn', async (t) => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  t.diagnostic(`SEED=${seed}`);
  const random = createRandom(seed);
  const root = await folder(t);
  const entry = (at: number) => ({
    type: 'put' as const,
    key: Buffer.from(String(at).padStart(6, '0')),
    value: Buffer.alloc(Math.floor(random() ** 3 * 100_000), at),
  });
  for (let round = 0; round < 24; round++) {
    const [path, synced] = [join(root, `${round}`), join(root, `${round}-synced`)];
    const rocks = await openRocks(path);
    const count = 1 + Math.floor(random() * 12);
    for (let at = 0; at < count; at++) await rocks.write([entry(at)]);
    await cp(path, synced, { recursive: true });
    if (random() < 0.7) await rocks.write([entry(count)]);
    const tear = takeLogs(path, random);
    await rocks.close();
    await rm(path, { recursive: true });
    await rename(synced, path);
    assert.equal(tear.apply(), 2, 'its log, and its MANIFEST');
    const again = await openRocks(path, { create: false });
    const keys: string[] = [];
    for await (const [key] of again.entries({})) keys.push(String(key));
    assert.deepEqual(
      keys,
      Array.from({ length: count }, (_, at) => String(at).padStart(6, '0')),
    );
    await again.write([entry(count)]);
    await again.close();
  }
});
