import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BATCH_TEXT_BYTES_MAX,
  BLOCK_EVENTS_MAX,
  decodeColumns,
  eventsOf,
  type TelemetryEvent,
} from '../../src/codec/index.ts';
import { type Commit, createRecorder } from '../../src/device/recorder.ts';
import { reportOf } from '../../src/device/tally.ts';
import { turns } from '../until.ts';
import { readings } from './device-fixture.ts';

const REFUSED = { ts: 1, sensor: 's', fields: { volume: Number.NaN } };

/** A recorder over a disk that keeps commits in memory; `hold` has each one wait until the test lets it go. */
function testRecorder({ pendingEventsMax = 1_000_000, hold = false } = {}) {
  const commits: Commit[] = [];
  const held: { commit: () => void; fail: (error: Error) => void }[] = [];
  let next = 1;
  const recorder = createRecorder({
    pendingEventsMax,
    append: async (commit) => {
      assert(commit.blocks.length > 0, 'there is something to append');
      commits.push(commit);
      if (hold) await new Promise<void>((resolve, reject) => held.push({ commit: resolve, fail: reject }));
      const first = next;
      next += commit.blocks.reduce((sum, { count }) => sum + count, 0);
      return { stream: 'aa'.repeat(16), first };
    },
  });
  const stored = (): TelemetryEvent[] =>
    commits.flatMap(({ blocks }) => blocks.flatMap(({ bytes }) => [...eventsOf(decodeColumns(bytes))]));
  /** Resolves with the next commit that waits. */
  const arrived = async () => {
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    return held.shift()!;
  };
  return { recorder, commits, stored, arrived };
}

test('calls made in one go share one commit; receipts are consecutive, in the order of the calls', async () => {
  const { recorder, commits, stored } = testRecorder();
  const events = readings(1_000);
  const receipts = await Promise.all(events.map((event) => recorder.record(event)));
  assert.equal(commits.length, 1);
  assert.deepEqual(
    receipts,
    events.map((_, i) => ({ stream: 'aa'.repeat(16), sequence: i + 1 })),
  );
  assert.deepEqual(stored(), events);
  assert.equal(reportOf(commits[0]!.tally).sums['volume'], '5005');
});

test('what is recorded while a commit is under way shares the next one', async () => {
  const { recorder, commits, arrived } = testRecorder({ hold: true });
  const events = readings(60);
  const first = recorder.record(events[0]!);
  const writing = await arrived();
  const later: Promise<unknown>[] = [];
  for (const event of events.slice(1)) {
    later.push(recorder.record(event));
    await new Promise((resolve) => setImmediate(resolve));
  }
  writing.commit();
  assert.equal((await first).sequence, 1);
  (await arrived()).commit();
  await Promise.all(later);
  assert.deepEqual(
    commits.map(({ blocks }) => blocks.map(({ count }) => count)),
    [[1], [59]],
  );
});

test('no receipt before the commit', async () => {
  const { recorder, arrived } = testRecorder({ hold: true });
  let settled = false;
  const receipt = recorder.record(readings(1)[0]!).then(() => {
    settled = true;
  });
  const writing = await arrived();
  await turns();
  assert.equal(settled, false);
  writing.commit();
  await receipt;
});

test('a commit holds as many blocks as it takes', async () => {
  const { recorder, commits, stored } = testRecorder();
  const events = readings(2 * 4_096 + 5);
  const { sequence } = await recorder.recordAll(events);
  assert.equal(sequence, 1);
  assert.deepEqual(
    commits.map(({ blocks }) => blocks.map(({ count }) => count)),
    [[4_096, 4_096, 5]],
  );
  assert.deepEqual(stored(), events);
});

test('blocks grow as long as they take few bytes', async () => {
  const { recorder, commits, stored } = testRecorder();
  const events = readings(2 * BLOCK_EVENTS_MAX).map((event) => ({ ...event, fields: { volume: 1 } }));
  await recorder.recordAll(events.slice(0, BLOCK_EVENTS_MAX));
  await recorder.recordAll(events.slice(BLOCK_EVENTS_MAX));
  assert.deepEqual(
    commits.map(({ blocks }) => blocks.map(({ count }) => count)),
    [[4_096, 4_096, 4_096, 4_096], [BLOCK_EVENTS_MAX]],
  );
  assert.deepEqual(stored(), events);
});

test('a block that meets a limit of the batch is closed early, and nothing is lost', async () => {
  const { recorder, commits, stored } = testRecorder();
  const long = (i: number) => `${i}`.padEnd(4_000, '.');
  const events = Array.from({ length: Math.ceil(BATCH_TEXT_BYTES_MAX / 4_000) + 2 }, (_, i) => ({
    ts: i,
    sensor: 's',
    fields: { note: long(i) },
  }));
  await recorder.recordAll(events);
  assert.equal(commits[0]!.blocks.length, 2);
  assert.deepEqual(stored(), events);
});

test('a refused event rejects with its code and leaves no trace', async () => {
  const { recorder, commits, stored } = testRecorder();
  await assert.rejects(recorder.record(REFUSED), { code: 'event-number' });
  await recorder.flush();
  assert.equal(commits.length, 0, 'not even an empty commit');
  const [a, b] = readings(2);
  const receipts = await Promise.allSettled([a!, REFUSED, b!].map((event) => recorder.record(event)));
  assert.deepEqual(
    receipts.map((receipt) => (receipt.status === 'fulfilled' ? receipt.value.sequence : receipt.reason.code)),
    [1, 'event-number', 2],
  );
  assert.deepEqual(stored(), [a, b]);
});

test('recordAll: all of them or none, with the mark in the same commit', async () => {
  const { recorder, commits, stored } = testRecorder();
  const events = readings(5_000);
  const single = recorder.record(events[0]!);
  const mark = { name: 'input', value: Buffer.from('5000') };
  await assert.rejects(recorder.recordAll([...events.slice(0, 4_500), REFUSED], [mark]), { code: 'event-number' });
  const { sequence } = await recorder.recordAll(events, [mark]);
  assert.equal((await single).sequence, 1);
  assert.equal(sequence, 2);
  assert.equal(commits.length, 1);
  assert.deepEqual(commits[0]!.marks, [mark], 'nor is the mark of what was refused stored');
  assert.deepEqual(stored(), [events[0], ...events]);
  await assert.rejects(recorder.recordAll([]), { code: 'event-field' });
});

test('a failed commit rejects everything in it, and what comes later succeeds', async () => {
  const { recorder, arrived } = testRecorder({ hold: true });
  const full = Object.assign(new Error('full'), { code: 'disk-full' });
  const [a, b, c] = readings(3);
  const lost = [recorder.record(a!), recorder.recordAll([b!])];
  const writing = await arrived();
  const kept = recorder.record(c!);
  writing.fail(full);
  for (const receipt of lost) await assert.rejects(receipt, full);
  (await arrived()).commit();
  assert.equal((await kept).sequence, 1, 'no sequence is used up');
});

test('a program that records without awaiting is not ended by a failed commit', async () => {
  const { recorder, arrived } = testRecorder({ hold: true });
  let unhandled = 0;
  const count = (): void => {
    unhandled++;
  };
  process.on('unhandledRejection', count);
  try {
    for (const event of readings(3)) void recorder.record(event);
    void recorder.recordAll(readings(2));
    void recorder.record(REFUSED);
    void recorder.recordAll([REFUSED]);
    (await arrived()).fail(new Error('full'));
    await turns();
    assert.equal(unhandled, 0);
  } finally {
    process.off('unhandledRejection', count);
  }
});

test('overloaded: what waits in memory is bounded, and there is room again once it is on disk', async () => {
  const { recorder, stored, arrived } = testRecorder({ pendingEventsMax: 5, hold: true });
  const [a, b, c, d, e, f] = readings(6);
  const first = recorder.recordAll([a!, b!, c!]);
  const writing = await arrived();
  const second = recorder.recordAll([d!, e!]);
  await assert.rejects(recorder.record(f!), { code: 'overloaded' });
  await assert.rejects(recorder.recordAll([f!]), { code: 'overloaded' });
  writing.commit();
  await first;
  const third = recorder.recordAll([f!]);
  (await arrived()).commit();
  await second;
  (await arrived()).commit();
  await third;
  assert.equal(stored().length, 6);
});

test('flush waits for what was recorded before, not for what comes after', async () => {
  const { recorder, arrived } = testRecorder({ hold: true });
  await recorder.flush();
  const [a, b] = readings(2);
  void recorder.record(a!);
  let flushed = false;
  const flush = recorder.flush().then(() => {
    flushed = true;
  });
  const writing = await arrived();
  void recorder.record(b!);
  assert.equal(flushed, false);
  writing.commit();
  await flush;
  const failing = recorder.flush();
  (await arrived()).fail(new Error('full'));
  await failing;
});

test('close commits what is pending and refuses what comes after', async () => {
  const { recorder, stored } = testRecorder();
  const [a, b] = readings(2);
  const receipt = recorder.record(a!);
  const closing = recorder.close();
  await assert.rejects(recorder.record(b!), { code: 'closed' });
  await assert.rejects(recorder.recordAll([b!]), { code: 'closed' });
  await closing;
  assert.equal((await receipt).sequence, 1);
  assert.deepEqual(stored(), [a]);
});

test('a large commit gives others a turn between its blocks', async () => {
  const { recorder } = testRecorder();
  let turns = 0;
  let counting = true;
  const count = (): void => {
    turns++;
    if (counting) setImmediate(count);
  };
  const recorded = recorder.recordAll(readings(8 * 4_096));
  setImmediate(count);
  await recorded;
  counting = false;
  assert(turns >= 8, `${turns} turns`);
});
