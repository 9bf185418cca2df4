/** Which sensors a device has: read once, kept while in use, read again after a failure. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBucketPage } from '../../src/gateway/bucket-page.ts';
import { createSensors } from '../../src/gateway/sensors.ts';
import type { PageDelta } from '../../src/gateway/tally.ts';
import { StoreError } from '../../src/store/index.ts';

/** A store that has, for every device, the given sensors; and counts how often it is asked. */
function storeOf(sensors: Record<string, string[]>) {
  const store = {
    reads: 0,
    failing: false,
    async *pages(deviceId: string) {
      store.reads += 1;
      if (store.failing) throw new StoreError('io', 'no');
      for (const [sensor, names] of Object.entries(sensors)) {
        yield { key: { deviceId, kind: 'total' as const, sensor, start: 0 }, page: createBucketPage(0, names) };
      }
    },
  };
  return store;
}

function delta(sensor: string, ...names: string[]): PageDelta {
  return { key: { deviceId: 'd', kind: 'total', sensor, start: 0 }, delta: createBucketPage(0, names) };
}

test('stored sensors count, and the store is asked once', async () => {
  const store = storeOf({ a: ['volume'], b: ['volume'] });
  const sensors = createSensors({ store, sensorsMax: 3 });
  const [one, other] = await Promise.all([sensors.of('d'), sensors.of('d')]);
  one.admit([delta('a', 'volume'), delta('c')]);
  assert.throws(() => other.admit([delta('d', 'volume')]), { code: 'sensor-limit' });
  (await sensors.of('d')).admit([delta('c', 'volume')]);
  assert.equal(store.reads, 1);
});

test('what could not be read is read again, and so is what is forgotten', async () => {
  const store = storeOf({});
  const sensors = createSensors({ store, sensorsMax: 1 });
  store.failing = true;
  await assert.rejects(sensors.of('d'), { code: 'io' });
  store.failing = false;
  (await sensors.of('d')).admit([delta('a')]);
  assert.equal(store.reads, 2);
  sensors.forget('d');
  sensors.forget('nobody');
  // Never stored, so there is room again.
  (await sensors.of('d')).admit([delta('b')]);
  assert.equal(store.reads, 3);
});

test('a batch with more than fits takes in none of it', async () => {
  const sensors = createSensors({ store: storeOf({}), sensorsMax: 2 });
  const known = await sensors.of('d');
  assert.throws(() => known.admit([delta('a'), delta('b'), delta('c')]), { code: 'sensor-limit' });
  known.admit([delta('d'), delta('e')]);
});

test('a sensor has so many measures and no more, and one more is told apart from one sensor more', async () => {
  const names = Array.from({ length: 512 }, (_, i) => `m${i}`);
  const known = await createSensors({ store: storeOf({ a: names }), sensorsMax: 100 }).of('d');
  assert.throws(() => known.admit([delta('b'), delta('a', 'm512')]), { code: 'measure-limit' });
  known.admit([delta('a', ...names), delta('b', ...names)]);
});

test('the measures of all sensors together have a bound as well', async () => {
  const sensors = createSensors({ store: storeOf({}), sensorsMax: 2 });
  const known = await sensors.of('d');
  const many = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);
  known.admit([delta('a', ...many(512))]);
  assert.throws(() => known.admit([delta('b', ...many(200))]), { code: 'measure-limit' });
  known.admit([delta('b', ...many(40))]);
  known.admit([delta('a', 'm1', 'm2'), delta('b', 'm3')]);
});

test('devices seen last stay in memory, as far as their names fit', async () => {
  const store = storeOf({ a: ['m1', 'm2'] });
  const sensors = createSensors({ store, sensorsMax: 100, namesMax: 9 });
  for (const deviceId of ['d1', 'd2', 'd1']) await sensors.of(deviceId);
  assert.equal(store.reads, 2);
  // A third has no room: the one that was not asked for longest goes.
  await sensors.of('d3');
  await sensors.of('d1');
  assert.equal(store.reads, 3);
  await sensors.of('d2');
  assert.equal(store.reads, 4);
});
