/** Which sensors a device has: what a batch brings is looked up, kept while in use, looked up again after a failure. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBucketPage } from '../../src/gateway/bucket-page.ts';
import { emptyDevicePage } from '../../src/gateway/device-page.ts';
import type { Page } from '../../src/gateway/pages.ts';
import { createSensors } from '../../src/gateway/sensors.ts';
import type { PageDelta } from '../../src/gateway/tally.ts';
import { type PageKey, StoreError } from '../../src/store/index.ts';

/** A store that has, for every device, the given sensors; and counts what is looked up. */
function storeOf(sensors: Record<string, string[]>, knowsTotals = true) {
  const names = Object.values(sensors).reduce((sum, measures) => sum + 1 + measures.length, 0);
  const counts = knowsTotals
    ? { sensors: Object.keys(sensors).length, names, totals: new Map() }
    : { totals: undefined };
  const store = {
    devices: 0,
    reads: [] as string[],
    walks: 0,
    failing: false,
    renewing: Promise.resolve(),
    async page({ kind, sensor }: PageKey): Promise<Page | undefined> {
      if (store.failing) throw new StoreError('io', 'no');
      if (kind === 'device') {
        store.devices += 1;
        return { ...emptyDevicePage(), events: 1, ...counts };
      }
      store.reads.push(sensor);
      return sensors[sensor] && createBucketPage(0, sensors[sensor]);
    },
    renewed: () => store.renewing,
    async *pages(deviceId: string) {
      store.walks += 1;
      for (const [sensor, measures] of Object.entries(sensors)) {
        yield { key: { deviceId, kind: 'total' as const, sensor, start: 0 }, page: createBucketPage(0, measures) };
      }
    },
  };
  return store;
}

function delta(sensor: string, ...names: string[]): PageDelta {
  return { key: { deviceId: 'd', kind: 'total', sensor, start: 0 }, delta: createBucketPage(0, names) };
}

test('stored sensors count, and each is looked up once, when a batch brings it', async () => {
  const store = storeOf({ a: ['volume'], b: ['volume'] });
  const sensors = createSensors({ store, sensorsMax: 3 });
  const [one, other] = await Promise.all([sensors.of('d', ['a', 'c']), sensors.of('d', ['d', 'a'])]);
  const { sensors: count, names, before } = one.admit([delta('a', 'volume'), delta('c')]);
  assert.deepEqual([count, names, before], [3, 5, undefined]);
  assert.throws(() => other.admit([delta('d', 'volume')]), { code: 'sensor-limit' });
  (await sensors.of('d', ['c'])).admit([delta('c', 'volume')]);
  assert.deepEqual([store.devices, store.walks], [1, 0]);
  assert.deepEqual([...new Set(store.reads)].sort(), ['a', 'c', 'd']);
});

test('of ten thousand sensors those in a batch are looked up, also where nothing is held any more', async () => {
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`s${i}`, ['volume']]));
  const store = storeOf(many);
  const sensors = createSensors({ store, sensorsMax: 10_000, namesMax: 0 });
  for (let batch = 0; batch < 3; batch += 1) {
    for (const deviceId of ['d', 'e']) {
      const known = await sensors.of(deviceId, ['s7', 'new']);
      assert.throws(() => known.admit([delta('new')]), { code: 'sensor-limit' });
      assert.equal(known.admit([delta('s7', 'volume')]).sensors, 10_000);
      known.release();
    }
  }
  assert.equal(store.walks, 0);
  assert.deepEqual([...new Set(store.reads)], ['s7', 'new']);
  assert(store.reads.length <= 12);
});

test('what refused batches name is not remembered, also while another batch of the device is at work', async () => {
  const store = storeOf({ a: ['volume'] });
  const sensors = createSensors({ store, sensorsMax: 10 });
  const busy = await sensors.of('d', ['a', 'both']);
  for (const release of ['refused', 'again']) {
    const refused = await sensors.of('d', ['made-up', 'both']);
    refused.release();
    assert(store.reads.filter((sensor) => sensor === 'made-up').length === (release === 'again' ? 2 : 1));
  }
  assert.deepEqual(busy.admit([delta('both', 'x'), delta('a', 'volume')]), { sensors: 2, names: 4, before: undefined });
  busy.release();
  assert.equal((await sensors.of('d', ['both'])).admit([delta('both', 'x')]).sensors, 2, 'it is known');
});

test('a device of an earlier version is counted once, and its count goes to its page until that knows', async () => {
  const store = storeOf({ a: ['volume'], b: ['volume', 'x'] }, false);
  const sensors = createSensors({ store, sensorsMax: 10 });
  const [known, other] = [await sensors.of('d', ['a']), await sensors.of('d', ['c'])];
  const { sensors: count, names, before } = known.admit([delta('a', 'volume')]);
  assert.deepEqual([count, names, before?.size], [2, 5, 0]);
  assert.notEqual(other.admit([delta('c')]).before, undefined, 'nobody knows which of them is stored first');
  known.stored();
  assert.equal((await sensors.of('d', ['a'])).admit([]).before, undefined);
  assert.equal(store.walks, 1);
});

test('what could not be read is read again, and so is what is forgotten', async () => {
  const store = storeOf({});
  const sensors = createSensors({ store, sensorsMax: 1 });
  store.failing = true;
  await assert.rejects(sensors.of('d', ['a']), { code: 'io' });
  store.failing = false;
  const known = await sensors.of('d', ['a']);
  known.admit([delta('a')]);
  sensors.forget('d');
  sensors.forget('nobody');
  assert.equal(known.isForgotten, true);
  // It may be on its way to disk: nothing is counted anew before it is known how that went.
  let isRead = false;
  const again = sensors.of('d', ['b']).finally(() => {
    isRead = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isRead, false);
  known.release();
  // Never stored, so there is room again.
  assert.equal((await again).admit([delta('b')]).sensors, 1);
});

test('a device is counted from what a failed commit has left, once that can be seen', async () => {
  const store = storeOf({ a: ['volume'] });
  let renewed = (): void => {};
  store.renewing = new Promise((resolve) => {
    renewed = resolve;
  });
  const known = createSensors({ store, sensorsMax: 3 }).of('d', ['a']);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(store.devices, 0);
  renewed();
  assert.equal((await known).admit([delta('a')]).sensors, 1);
  assert.equal(store.devices, 1);
});

test('a batch with more than fits takes in none of it', async () => {
  const sensors = createSensors({ store: storeOf({}), sensorsMax: 2 });
  const known = await sensors.of('d', ['a', 'b', 'c', 'd', 'e']);
  assert.throws(() => known.admit([delta('a'), delta('b'), delta('c')]), { code: 'sensor-limit' });
  known.admit([delta('d'), delta('e')]);
});

test('a sensor has so many measures and no more, and one more is told apart from one sensor more', async () => {
  const names = Array.from({ length: 512 }, (_, i) => `m${i}`);
  const known = await createSensors({ store: storeOf({ a: names }), sensorsMax: 100 }).of('d', ['a', 'b']);
  assert.throws(() => known.admit([delta('b'), delta('a', 'm512')]), { code: 'measure-limit' });
  known.admit([delta('a', ...names), delta('b', ...names)]);
});

test('the measures of all sensors together have a bound as well', async () => {
  const sensors = createSensors({ store: storeOf({}), sensorsMax: 2 });
  const known = await sensors.of('d', ['a', 'b']);
  const many = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);
  known.admit([delta('a', ...many(512))]);
  assert.throws(() => known.admit([delta('b', ...many(200))]), { code: 'measure-limit' });
  known.admit([delta('b', ...many(40))]);
  known.admit([delta('a', 'm1', 'm2'), delta('b', 'm3')]);
});

test('devices seen last stay in memory, as far as their names fit, and those in use in any case', async () => {
  const store = storeOf({ a: ['m1', 'm2'] });
  const sensors = createSensors({ store, sensorsMax: 100, namesMax: 9 });
  const seen = async (deviceId: string) => (await sensors.of(deviceId, ['a'])).release();
  for (const deviceId of ['d1', 'd2', 'd1']) await seen(deviceId);
  assert.equal(store.devices, 2);
  // A third has no room: the one that was not asked for longest goes.
  await seen('d3');
  await seen('d1');
  assert.equal(store.devices, 3);
  await seen('d2');
  assert.equal(store.devices, 4);
  const used = await sensors.of('d2', ['a']);
  for (const deviceId of ['d4', 'd5', 'd6']) await seen(deviceId);
  await sensors.of('d2', ['a']);
  used.release();
  assert.equal(store.devices, 7);
});
