/**
 * Peers without their packages and servers: the arithmetic of the comparison, who is left out and how that is told, and
 * the pair that needs nothing beyond the main install, side by side with Tidegate, in the programs that the bench runs.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createStand } from '../../bench/harness.ts';
import { assertArrived, createTally } from '../../bench/peers/arrival.ts';
import { measureLineUp } from '../../bench/peers/line-up.ts';
import packageJson from '../../bench/peers/package.json' with { type: 'json' };
import { SECRET, SIGNATURE_HEADER } from '../../bench/peers/pair/secret.ts';
import type { Peer } from '../../bench/peers/peer.ts';
import { missingFor, type Surroundings } from '../../bench/peers/provision.ts';
import { startReceiver } from '../../bench/peers/receiver.ts';
import { ROSTER, TIDEGATE_PROMISES } from '../../bench/peers/roster.ts';
import { rowsOf } from '../../bench/peers/rows.ts';
import { comparisonOf } from '../../bench/peers/standing.ts';
import { countWireBytes, wireBytesSince } from '../../bench/wire-bytes.ts';
import { createWorkload } from '../../bench/workload.ts';
import { buildInto } from '../../rig/build.ts';
import { createPrograms, type Programs } from '../../rig/programs.ts';

const NOTHING: Surroundings = { platform: 'linux', hasPackage: () => false, hasCommand: () => false };
const EVERYTHING: Surroundings = { platform: 'linux', hasPackage: () => true, hasCommand: () => true };

const mosquitto = ROSTER.find(({ client }) => client === 'mqtt/client')!;
const pair = ROSTER.find(({ client }) => client === 'pair/client')!;

let folder: string;
let programs: Programs;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-peers-'));
  const build = join(folder, 'build');
  await buildInto(build, ['bench']);
  programs = createPrograms({ folder: build });
});

after(async () => {
  programs.killAll();
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
});

test('a row says how many times faster Tidegate is, how many times more a peer sends, and what it promises', () => {
  const standing = (name: string, speed: number, wire: number) => ({
    name,
    events: 100_000,
    promises: { ...TIDEGATE_PROMISES, fsyncedBeforeAcknowledged: `${name}: fsynced` },
    speed: { value: speed, unit: 'events/s' as const },
    wire: { value: wire, unit: 'B/event' as const },
    versions: ['Node 20', `${name} 1.0`],
  });
  const peers = [standing('slow', 50_000, 30), standing('fast', 4_000_000, 0.75)];
  const { head, rows, note } = comparisonOf(standing('Tidegate', 2_000_000, 1.5), peers);
  assert.deepEqual(
    rows.map((row) => row.slice(0, 6)),
    [
      ['Tidegate', '100 k', '2 M', '1 ×', '1.5', '1 ×'],
      ['slow', '100 k', '50 k', '40 ×', '30', '20 ×'],
      ['fast', '100 k', '4 M', '0.5 ×', '0.75', '0.5 ×'],
    ],
  );
  assert.equal(note, 'with Node 20, slow 1.0, fast 1.0');
  const column = head.indexOf('fsynced before acknowledged');
  assert.deepEqual(
    rows.map((row) => row[column]),
    ['Tidegate: fsynced', 'slow: fsynced', 'fast: fsynced'],
  );
});

test('what is missing is told as the command that brings it', () => {
  const packages = 'npm ci --prefix bench/peers';
  const server = 'apt-get install -y --no-install-recommends mosquitto';
  assert.equal(missingFor(mosquitto, EVERYTHING), undefined);
  assert.equal(missingFor(mosquitto, { ...EVERYTHING, hasPackage: (name) => name !== 'mqtt-jsonl-store' }), packages);
  assert.equal(missingFor(mosquitto, { ...EVERYTHING, hasCommand: () => false }), server);
  assert.equal(missingFor(mosquitto, NOTHING), `${packages} && ${server}`);
  assert.match(missingFor(mosquitto, { ...EVERYTHING, platform: 'darwin' })!, /Linux/);
  assert.equal(missingFor(pair, NOTHING), undefined);
});

test('each peer has its files, and the command brings all its packages', () => {
  const files = ROSTER.flatMap(({ client, server }) => (typeof server === 'string' ? [client, server] : [client]));
  for (const file of files) assert(existsSync(new URL(`../../bench/peers/${file}.ts`, import.meta.url)), file);
  const missing = ROSTER.flatMap(({ packages }) => packages).filter((name) => !(name in packageJson.dependencies));
  assert.deepEqual(missing, []);
});

test('what arrives must be as many events, and sums to the last digit unless they are of doubles', () => {
  const workload = createWorkload({ events: 1_000 });
  const tally = createTally();
  for (const row of rowsOf(workload)) tally.add(row);
  const expected = workload.totals();
  assertArrived(tally.arrival(), expected);
  const { volume, temperature } = expected.sums;
  assertArrived({ events: 1_000, sums: { volume: Number(volume) * (1 + 1e-12), temperature: temperature! } }, expected);
  for (const wrong of [
    { events: 999, sums: expected.sums },
    { events: 1_000, sums: { volume: volume! } },
    { events: 1_000, sums: { volume: `${volume}1`, temperature: temperature! } },
    { events: 1_000, sums: { volume: Number(volume) + 0.01, temperature: temperature! } },
  ]) {
    assert.throws(() => assertArrived(wrong, expected), { code: 'ERR_ASSERTION' });
  }
});

test('the hand-written server counts a row that comes twice once, and an unsigned body not at all', async () => {
  const receiver = await startReceiver(programs, { receiver: 'pair/receiver', folder: join(folder, 'pair') });
  const url = `http://127.0.0.1:${receiver.port}`;
  const wireBytes = countWireBytes();
  const row = { id: '00000000-0000-4000-8000-000000000001', ts: 1, sensor: 'inlet', volume: 1.25, temperature: 14.5 };
  const post = async (rows: readonly object[], secret: Buffer) => {
    const body = new Uint8Array(gzipSync(JSON.stringify(rows)));
    const headers = { [SIGNATURE_HEADER]: createHmac('sha256', secret).update(body).digest('hex') };
    return (await fetch(url, { method: 'POST', headers, body })).status;
  };
  const before = wireBytes();
  assert.equal(await post([row], SECRET), 200);
  assert.equal(await post([row, { ...row, id: row.id.replace('1', '2') }], SECRET), 200);
  assert.equal(await post([{ ...row, id: 'forged' }], Buffer.alloc(32, 8)), 401);
  const totals = await (await fetch(url)).json();
  assert.deepEqual(totals, { events: 2, sums: { volume: 2.5, temperature: 29 } });
  const { sent, received } = wireBytesSince(before, wireBytes());
  assert(sent > 3 * 100 && received > 3 * 20, 'sockets of any library are counted');
  await receiver.stop();
});

test('Tidegate and the hand-written pair are measured side by side, and who is missing is skipped', async () => {
  const said: string[] = [];
  const settings = { quick: true, backlogEvents: 1, storedEvents: 1, streams: 1, telemetry: folder };
  const stand = createStand({ settings, programs, shared: folder, folder, log: (line) => said.push(line) });
  const small: Peer = { ...pair, events: 30_000 };
  await measureLineUp(stand, { peers: [mosquitto, small], events: 30_000, surroundings: NOTHING });

  const { readings, skips, comparisons } = stand.report();
  const reading = (name: string) => readings.find((known) => known.name === name)!.value;
  assert.equal(reading(`Tidegate / ${pair.name}`), reading('Tidegate') / reading(pair.name));
  assert(reading('Tidegate: on the wire') < 3, 'of 3,000 events');
  assert(reading(`${pair.name}: on the wire`) > 20, 'a UUID alone has 16 bytes');
  assert.deepEqual(skips, [{ name: mosquitto.name, reason: missingFor(mosquitto, NOTHING)! }]);
  assert(said.some((line) => line.startsWith(`SKIPPED: ${mosquitto.name}: npm ci --prefix bench/peers && apt-get`)));
  assert.deepEqual(
    comparisons.flatMap(({ rows }) => rows.map(([name]) => name)),
    ['Tidegate', pair.name],
  );
});
