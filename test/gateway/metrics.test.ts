/** Metrics of a gateway whose store is in trouble. */
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createMetrics } from '../../src/gateway/metrics.ts';
import { turns, until } from '../until.ts';

test('a disk that does not answer keeps a scrape from what it alone can tell, and from nothing else', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const never = new Promise<never>(() => {});
  const condition = { mendedBits: 2, failures: 0, unmergedFiles: 1, trouble: undefined, unwitnessed: undefined };
  const store = { stats: () => never, ready: () => never, condition };
  const metrics = createMetrics({ store, flow: { bytes: 17 }, connections: { open: 3, refused: 5 } });
  t.after(() => metrics.close());
  let text: string | undefined;
  void metrics.registry.metrics().then((said) => {
    text = said;
  });
  // One after another or all at once.
  for (let seconds = 0; text === undefined && seconds < 20; seconds += 1) {
    await turns();
    t.mock.timers.tick(1_000);
    await turns();
  }
  assert(text !== undefined, 'it is answered');
  assert.match(text, /^tidegate_gateway_bytes_in_flight 17$/m);
  assert.match(text, /^tidegate_gateway_store_mended_bits 2$/m);
  assert.match(text, /^tidegate_gateway_store_ready 0$/m);
  assert.match(text, /^tidegate_gateway_connections 3$/m);
  assert.match(text, /^tidegate_gateway_connections_refused_total 5$/m);
  assert.doesNotMatch(text, /^tidegate_gateway_(?:commits|admissions|retained_batches|retained_bytes) /m);
});

test('what was refused is a count, however often it is asked for', async (t) => {
  const condition = { mendedBits: 0, failures: 0, unmergedFiles: 0, trouble: undefined, unwitnessed: undefined };
  const never = async () => assert.fail('not asked');
  const connections = { open: 0, refused: 1 };
  const metrics = createMetrics({ store: { stats: never, ready: never, condition }, flow: { bytes: 0 }, connections });
  t.after(() => metrics.close());
  for (const refused of [1, 1, 4]) {
    connections.refused = refused;
    assert.match(
      await metrics.registry.metrics(),
      new RegExp(`^tidegate_gateway_connections_refused_total ${refused}$`, 'm'),
    );
  }
});

test('the lag of the event loop is that since the last scrape', async (t) => {
  const condition = { mendedBits: 0, failures: 0, unmergedFiles: 0, trouble: undefined, unwitnessed: undefined };
  const never = async () => assert.fail('not asked');
  const store = { stats: never, ready: never, condition };
  const metrics = createMetrics({ store, flow: { bytes: 0 }, connections: { open: 0, refused: 0 } });
  t.after(() => metrics.close());
  const scrape = async () =>
    Number(/^tidegate_gateway_event_loop_lag_seconds (\S+)$/m.exec(await metrics.registry.metrics())![1]);
  let before = 0;
  await until(async () => {
    // A delay is counted between two ticks of the meter, and its first one after a scrape only begins.
    await delay(50);
    const end = performance.now() + 100;
    while (performance.now() < end);
    await delay(50);
    before = await scrape();
    return before > 0;
  }, 'a loop that stood still lags');
  const after = await scrape();
  assert(after < before, `${before} s, and right after that ${after} s`);
});
