/** All devices at a glance: exact, whatever changed in whatever order, and at the cost of what changed. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { formatDecimal } from '../../src/codec/index.ts';
import { openStore } from '../../src/gateway/data.ts';
import type { DevicePage } from '../../src/gateway/device-page.ts';
import { createFleet, type FleetTotals } from '../../src/gateway/fleet.ts';
import { createGateway } from '../../src/gateway/index.ts';
import { type Page, pageOperator } from '../../src/gateway/pages.ts';
import { type GatewayStore, openRocksGatewayStore, type PageOperator } from '../../src/store/index.ts';
import { createRandom, seedOf } from '../store/random.ts';
import { exactSum } from './exact-sum.ts';
import {
  DEVICE,
  EPOCH_MS,
  eventOf,
  eventsFrom,
  freshStream,
  KEY_ID,
  post,
  read,
  temporaryFolder,
  testGateway,
  testKeys,
} from './gateway-fixture.ts';

/** What is read of a store, by kind of page; and holdings. */
function counted(store: GatewayStore<Page>) {
  const reads: Record<string, number> = {};
  const count = (what: string) => {
    reads[what] = (reads[what] ?? 0) + 1;
  };
  const proxy = new Proxy(store, {
    get(target, name) {
      const value = target[name as keyof typeof target] as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (name === 'page') count((args[0] as { kind: string }).kind);
        if (name === 'pages') count(`walk ${args[1]}`);
        if (name === 'devices' || name === 'holdings') count(name);
        return value.apply(target, args);
      };
    },
  });
  return { store: proxy, reads };
}

function plain({ measures, ...rest }: FleetTotals) {
  const sums = Array.from(measures, ([name, { sum, ...others }]) => [name, formatDecimal(sum), others]);
  return { ...rest, sums };
}

test('totals after one event read the device that changed, and no other record', async (t) => {
  const gateway = await testGateway(t);
  const ids = Array.from({ length: 12 }, (_, i) => `device-${i}`);
  for (const deviceId of ids) {
    gateway.keys.set(deviceId, KEY_ID, {});
    const events = Array.from({ length: 5 }, (_, i) => eventOf(i + 1, { sensor: `s${i}` }));
    await post(gateway, { deviceId, batch: { events } });
  }
  const { store, reads } = counted(gateway.store);
  const fleet = createFleet(store);
  await fleet.totals();
  assert.deepEqual(reads, { device: 12, holdings: 12, devices: 1 });
  await post(gateway, { deviceId: 'device-3', batch: { first: 6, events: [eventOf(6)] } });
  fleet.changed('device-3', 0);
  assert.equal((await fleet.totals()).account.delivered, 61);
  assert.deepEqual(reads, { device: 13, holdings: 13, devices: 1 });
  for await (const _ of fleet.devices(undefined, 100));
  assert.deepEqual(reads, { device: 13, holdings: 13, devices: 2 });
});

test('of summaries that do not fit into memory those are read each time that do not, and all is counted', async (t) => {
  const gateway = await testGateway(t);
  const ids = Array.from({ length: 10 }, (_, i) => `device-${i}`);
  for (const deviceId of ids) {
    gateway.keys.set(deviceId, KEY_ID, {});
    await post(gateway, { deviceId, batch: { events: [eventOf(1)] } });
  }
  const { store, reads } = counted(gateway.store);
  // A kilobyte each, and some more: six of them fit.
  const fleet = createFleet(store, { heldBytesMax: 7_000 });
  await fleet.totals();
  assert.equal(reads['device'], ids.length);
  for (let round = 1; round <= 3; round++) {
    reads['device'] = 0;
    fleet.changed('device-0', 0);
    assert.equal((await fleet.totals()).account.delivered, ids.length);
    assert(reads['device'] > 1 && reads['device'] < 8, `${reads['device']} devices read`);
  }
  const all = createFleet(gateway.store);
  for (const measure of ['volume', undefined]) {
    assert.deepEqual(plain(await fleet.totals(measure)), plain(await all.totals(measure)), measure);
  }
});

test('sums that follow changes are those of all, with more measures than are told, in memory or not', async (t) => {
  const random = createRandom(seedOf(t));
  const gateway = await testGateway(t);
  const ids = ['a', 'b', 'c', 'd'];
  const last = new Map(ids.map((deviceId) => [deviceId, 0]));
  for (const deviceId of ids) gateway.keys.set(deviceId, KEY_ID, {});
  const fleets = [createFleet(gateway.store), createFleet(gateway.store, { heldBytesMax: 60_000 })];
  const asked = [undefined, 'volume', 'm0300', 'm0900'];
  for (let step = 0; step < 40; step += 1) {
    const deviceId = ids[random(ids.length)]!;
    const first = last.get(deviceId)! + 1;
    // Names come from behind, so that those before them push them out.
    const from = random(2) === 0 ? 1_000 - 25 * step : 1_000 - 25 * random(step + 1);
    const fields = Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [
        `m${String(Math.max(0, from) + i).padStart(4, '0')}`,
        random(1_000) / 8 - 60,
      ]),
    );
    const sensor = `s${step >> 2}`;
    const events = [eventOf(first, { sensor, fields: { ...fields, ...(random(4) === 0 && { volume: step / 4 }) } })];
    assert.equal((await post(gateway, { deviceId, batch: { first, events } })).status, 200);
    last.set(deviceId, first);
    for (const fleet of fleets) fleet.changed(deviceId, 0);
    if (random(3) > 0) continue;
    const anew = createFleet(gateway.store);
    for (const measure of asked) {
      const expected = plain(await anew.totals(measure));
      for (const fleet of fleets) assert.deepEqual(plain(await fleet.totals(measure)), expected, `${step} ${measure}`);
    }
  }
});

/** Writes device pages as a program of version 3 did. */
const operatorBefore: PageOperator<Page> = {
  ...pageOperator,
  *encode(kind, page) {
    if (kind !== 'device') return yield* pageOperator.encode(kind, page);
    const known: DevicePage = { ...(page as DevicePage), sensors: 0, names: 0, totals: undefined };
    const bytes = Buffer.from(yield* pageOperator.encode(kind, known)).subarray(0, -3);
    bytes[0] = 3;
    return bytes;
  },
};

async function gatewayOn(t: TestContext, store: GatewayStore<Page>) {
  const app = await createGateway({ store, keys: testKeys() });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= app.close().then(() => store.close());
    return closed;
  };
  t.after(close);
  return { url: await app.listen({ host: '127.0.0.1', port: 0 }), close };
}

test('a database whose pages lack sums over sensors is exact at once, and has them with the next batch', async (t) => {
  const folder = await temporaryFolder(t);
  const before = await gatewayOn(
    t,
    await openRocksGatewayStore({ path: join(folder, 'store'), operator: operatorBefore }),
  );
  await post(before, { batch: { count: 60 } });
  await before.close();
  const { store, reads } = counted(await openStore(folder));
  const gateway = await gatewayOn(t, store);
  const device = `/v1/devices/${DEVICE}`;
  const expect = async (count: number) => {
    for (const { measures } of [await read(gateway, '/v1/totals'), await read(gateway, device)]) {
      assert.equal(measures.volume.sum, exactSum(eventsFrom(1, count), 'volume'));
      assert.equal(measures.volume.count, count);
    }
    assert.equal((await read(gateway, device)).sensorCount, 2);
  };
  await expect(60);
  // Several at once, none of which knows whether it is the first.
  const batches = [61, 71, 81].map((first) => ({ batch: { first, count: 10 } }));
  const answers = await Promise.all(batches.map((parts) => post(gateway, parts)));
  assert(answers.every(({ status }) => status === 200));
  await expect(90);
  const walks = reads['walk total'];
  const stream = freshStream();
  await post(gateway, { batch: { first: 1, stream, events: [eventOf(1, { sensor: 'third', ts: EPOCH_MS })] } });
  assert.equal((await read(gateway, '/v1/totals')).measures.volume.count, 91);
  assert.equal((await read(gateway, '/v1/devices')).devices[0].sensorCount, 3);
  assert.equal(reads['walk total'], walks, 'nothing is added up by sensor any more');
});
