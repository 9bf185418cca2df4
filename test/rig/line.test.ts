import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { createLine } from '../../rig/link/line.ts';
import { ANSWER, BODY, post, startBoth } from './proxy-fixture.ts';

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

test('bytes take their time one behind another, in either direction by itself, and half a round trip', async () => {
  const line = createLine({ bitsPerSecond: 80_000, roundTripMs: 100 });
  const arrivals: string[] = [];
  // One start for all: a busy machine may hand over the second late, and it arrives no later for that.
  const startedAt = performance.now();
  const carry = async (name: string, direction: 'there' | 'back', bytes: number) => {
    await line.carry(direction, bytes);
    arrivals.push(name);
    return performance.now() - startedAt;
  };
  const [first, second, answer] = await Promise.all([
    carry('first', 'there', 1_000),
    carry('second', 'there', 1_000),
    carry('answer', 'back', 500),
  ]);
  assert.deepEqual(arrivals, ['answer', 'first', 'second']);
  assert(answer! >= 100, `${answer} ms: 50 for the bits, 50 for half a round trip`);
  assert(first! >= 150, `${first} ms`);
  assert(second! >= 250, `${second} ms: behind the first`);
});

test('a released line is no bottleneck, for what is under way neither', async () => {
  const line = createLine({ bitsPerSecond: 8, roundTripMs: 0 });
  // Eleven days, each, at this speed.
  const carried = line.carry('there', 1_000_000);
  line.release();
  await carried;
  await line.carry('back', 1_000_000);
});

test('a proxy with a line passes everything as it is, later', async (t) => {
  const { proxy, gateway } = await startBoth(t, { line: { bitsPerSecond: 1_000_000, roundTripMs: 60 } });
  const slow = await timeOf(async () => {
    const { status, body } = await post(proxy.url);
    assert.deepEqual([status, body], [200, ANSWER]);
  });
  assert(slow >= 60 + 80, `${slow} ms: a round trip, and 10,000 bytes at 125 to the millisecond`);
  assert.equal(gateway.received[0]?.body, BODY);
});

test('a proxy with a line that is healed holds nothing up', async (t) => {
  // A request and its answer would take hours.
  const { proxy } = await startBoth(t, { line: { bitsPerSecond: 8, roundTripMs: 0 } });
  proxy.heal();
  assert.equal((await post(proxy.url)).body, ANSWER);
});
