/** What a clock that is wrong, or jumps, may do to the batches that are kept: nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { startRetention } from '../../src/gateway/retention.ts';
import type { BatchTally, RetentionLimits } from '../../src/store/index.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 5);
const KEPT_DAYS = 30;

/** A gateway that has taken in a batch every hour for `days`, and time that the test moves, minute by minute. */
function testRetention({ days = KEPT_DAYS, wrongBy = 0 } = {}) {
  const received = Array.from({ length: 24 * days }, (_, i) => START - days * DAY + (i + 1) * HOUR);
  let passed = 0;
  let offMs = wrongBy;
  const warned: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void warned.push(JSON.parse(line).msg) });
  const bytesMax: number[] = [];
  const store = {
    async retain(limits: RetentionLimits, now: number): Promise<BatchTally> {
      bytesMax.push(limits.bytesMax!);
      const isOver = (at: number) => now - at > limits.ageMaxMs!;
      const over = received.findIndex((at) => !isOver(at));
      const deleted = Math.min(limits.agedMax!, over < 0 ? received.length : over);
      received.splice(0, deleted);
      return { batches: deleted, bytes: deleted };
    },
    stats: async () => ({ retained: { batches: received.length, bytes: 0 }, admissions: 0, commits: 0 }),
  };
  const clock = () => START + passed + offMs;
  const limits = { retainBytesMax: 7, retainAgeMaxMs: KEPT_DAYS * DAY };
  const retention = startRetention({ store, limits, clock, now: () => passed, logger, intervalMs: 2 ** 30 });
  return {
    received,
    warned,
    bytesMax,
    retention,
    async pass(ms: number): Promise<void> {
      for (const end = passed + ms; passed < end; ) {
        passed += 60_000;
        await retention.run();
      }
    },
    put(off: number): void {
      offMs = off;
    },
  };
}

test('a clock that keeps pace has batches expire one after the other', async () => {
  const { received, pass, retention } = testRetention();
  await pass(5 * DAY);
  assert(Math.abs(received.length - 25 * 24) <= 24, `${received.length} are left`);
  await retention.close();
});

test('a jump of one tick, 31 days ahead and back, deletes nothing', async () => {
  const { received, pass, put, warned, retention } = testRetention();
  await pass(7 * HOUR);
  const before = received.length;
  put(31 * DAY);
  await pass(60_000);
  put(0);
  await pass(60_000);
  assert(received.length >= before - 1);
  assert.equal(warned.length, 2, 'there, and back');
  await retention.close();
});

test('nor does a start with a clock 31 days ahead, put right within hours; bytes count all the same', async () => {
  const { received, pass, put, bytesMax, retention } = testRetention({ wrongBy: 31 * DAY });
  await pass(5 * HOUR);
  assert.equal(received.length, 720);
  put(0);
  await pass(5 * HOUR);
  assert.equal(received.length, 720);
  assert(bytesMax.length >= 600 && bytesMax.every((bytes) => bytes === 7));
  await retention.close();
});

test('nor many small steps', async () => {
  const { received, pass, put, retention } = testRetention({ days: 1 });
  // Each of them is what synchronizing a clock may come to.
  for (let off = 0; off < 32 * DAY; off += 20_000) {
    put(off);
    await pass(60_000);
  }
  assert.equal(received.length, 24);
  await retention.close();
});

test('a clock that stays wrong has them expire over hours, and after weeks of rest all too old is gone', async () => {
  const { received, pass, retention } = testRetention({ wrongBy: 61 * DAY });
  await pass(7 * HOUR);
  assert(received.length > 0.85 * 720, `${received.length} are left after an hour`);
  await pass(6 * DAY);
  assert.equal(received.length, 0);
  await retention.close();
});
