/** Promise 8: recording never waits for the network, and nobody's timers starve. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBatch, encodeAnswer, inflateBody } from '../../src/codec/index.ts';
import type { Transport } from '../../src/device/index.ts';
import { cpuMsUntil } from '../processor-time.ts';
import { blocksOf } from './blocks.ts';
import { queueOf, readings, SILENT, temporaryDirectory, testDevice } from './device-fixture.ts';
import { signed } from './model-gateway.ts';

test('record resolves while the gateway never answers', async (t) => {
  const device = await testDevice(t, SILENT, { batchEventsMax: 10 });
  for (let i = 0; i < 20; i++) {
    const { sequence } = await device.record({ volume: i });
    assert.equal(sequence, i + 1);
  }
  await device.recordAll(readings(1_000));
  assert.equal(device.status().queued.events, 1_020);
  assert.equal(device.status().inFlight, 4);
});

/** Of the whole drain; one that decodes and joins a thousand blocks in one go takes half of it. */
const LONGEST_SHARE = 0.25;

/** Most processor time of a turn of the event loop during the work, milliseconds; other threads' is in it. */
async function longestTurn(work: () => Promise<void>): Promise<number> {
  let longest = 0;
  let before = process.cpuUsage();
  const turn = (): void => {
    const { user, system } = process.cpuUsage(before);
    longest = Math.max(longest, (user + system) / 1_000);
    before = process.cpuUsage();
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  await work();
  clearImmediate(next);
  return longest;
}

for (const [what, counts] of [
  ['large blocks', Array<number>(40).fill(4_096)],
  ['blocks of single events', Array<number>(3_000).fill(1)],
] as const) {
  test(`draining and counting a backlog of ${what} leaves turns to others`, async (t) => {
    const data = await temporaryDirectory(t);
    const queue = await queueOf(t, data);
    await queue.append(blocksOf(...counts));
    await queue.close();
    const gateway = acknowledging();
    const device = await testDevice(t, gateway, { data });
    let longestMs = 0;
    const wholeMs = await cpuMsUntil(async () => {
      longestMs = await longestTurn(() => device.drain());
    });
    assert(longestMs < LONGEST_SHARE * wholeMs, `one turn took ${longestMs} of ${wholeMs} ms`);
  });
}

/** Says yes to whatever comes, with as little work as that takes: the work of a gateway is not the device's. */
function acknowledging(): Transport {
  const gateway = { clock: Date.now };
  return {
    async post(request) {
      const { stream, first, count } = decodeBatch(
        await inflateBody(request.headers['content-encoding']!, request.body),
      );
      const said = { stream: Buffer.from(stream).toString('hex'), first, count, inserted: count, duplicates: 0 };
      return signed(gateway, request, 200, encodeAnswer(said));
    },
    close: async () => {},
  };
}
