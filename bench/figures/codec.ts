/**
 * Figure: the codec alone, on one thread, one batch after another.
 *
 * Owns the speed of each arrow between an event and its bytes, without disk and network. Promises that what comes out
 * is what went in, to the last digit.
 */
import assert from 'node:assert';
import { performance } from 'node:perf_hooks';
import { compressBody, decodeBatch, encodeBatch, inflateBody, signRequest } from '../../src/codec/index.ts';
import { BATCH_EVENTS, columnsOf, type SignedBatch } from '../fleet.ts';
import { eventsPerSecond, type Figure, type Quantities } from '../harness.ts';
import { createSums, isRight } from '../intake.ts';
import { assertSameTotals } from '../totals.ts';
import { createWorkload } from '../workload.ts';

const EVENTS = 128 * BATCH_EVENTS;
const ENCODING = 'br';
const SECRET = new Uint8Array(32).fill(7);
const HEADER = {
  stream: new Uint8Array(16),
  sentAt: Date.UTC(2026, 0, 5),
  queue: { recorded: 0, queued: 0, quarantined: 0, gaps: 0 },
  gaps: [],
};
const HEAD = { deviceId: 'device', keyId: 'k1', timestamp: HEADER.sentAt, contentEncoding: ENCODING };
const CREDENTIALS = new Map([[HEAD.deviceId, { keyId: HEAD.keyId, secret: SECRET }]]);

export const figure: Figure = {
  title: `batches of ${BATCH_EVENTS.toLocaleString('en')} synthetic events`,
  async measure(stand) {
    const workload = createWorkload({ events: stand.events(EVENTS) });
    const expected = workload.totals();
    const speedOf = async (step: () => void | Promise<void>) => {
      const startedAt = performance.now();
      await step();
      return eventsPerSecond(workload.count, performance.now() - startedAt);
    };
    await stand.repeat({ warmUps: 2, runs: 5 }, async (): Promise<Quantities> => {
      const plain: Uint8Array[] = [];
      const packed: Uint8Array[] = [];
      const signed: SignedBatch[] = [];
      const inflated: Uint8Array[] = [];
      const sums = createSums();
      let verified = 0;
      const encode = await speedOf(() => {
        for (let at = 0; at < workload.count; at += BATCH_EVENTS) {
          const count = Math.min(BATCH_EVENTS, workload.count - at);
          plain.push(encodeBatch({ ...HEADER, first: at + 1, count }, columnsOf(workload, at, at + count)));
        }
      });
      const compress = await speedOf(async () => {
        for (const batch of plain) packed.push(await compressBody(ENCODING, batch));
      });
      const sign = await speedOf(() => {
        for (const body of packed)
          signed.push({ head: HEAD, signature: signRequest(SECRET, HEAD, body), body, count: 0 });
      });
      const verify = await speedOf(() => {
        for (const batch of signed) if (isRight(batch, CREDENTIALS)) verified++;
      });
      const inflate = await speedOf(async () => {
        for (const body of packed) inflated.push(await inflateBody(ENCODING, body));
      });
      const decode = await speedOf(() => {
        for (const batch of inflated) sums.add(decodeBatch(batch));
      });
      assert.equal(verified, signed.length);
      assertSameTotals(sums.totals(), expected, 'the codec');
      return {
        'encode: events to packed columns': encode,
        'compress (brotli)': compress,
        sign,
        verify,
        inflate,
        'decode and sum exactly': decode,
      };
    });
  },
};
