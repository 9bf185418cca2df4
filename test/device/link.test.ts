import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemOf } from '../../src/codec/index.ts';
import { createLink, type LinkOptions, type LinkStatus } from '../../src/device/link.ts';
import type { Outcome } from '../../src/device/outcome.ts';
import { createRandom, seedOf } from '../codec/property.ts';
import { createManualTimer } from './manual-timer.ts';

const DELIVERED: Outcome = { kind: 'delivered', inserted: 1, duplicates: 0 };
const FAILED: Outcome = { kind: 'failed', code: 'ECONNRESET' };
const BARRED: Outcome = { kind: 'barred', problem: problemOf('key-revoked', '') };

/** A link, and attempts whose outcomes the test gives one by one. */
function testLink(options: Partial<LinkOptions> = {}) {
  const timer = createManualTimer();
  const stop = new AbortController();
  const changes: LinkStatus[] = [];
  const link = createLink({
    retryBaseMs: 100,
    retryMaxMs: 1_000,
    pauseMaxMs: 10_000,
    clock: () => timer.now(),
    timer,
    random: () => 0.5,
    onChange: (status) => changes.push(status),
    ...options,
  });
  const attempts: ((outcome: Outcome) => void)[] = [];
  const pass = () => link.pass(() => new Promise<Outcome>((answer) => attempts.push(answer)), stop.signal);
  /** Begins so many passes; resolves once nothing more happens by itself. */
  const begin = async (passes: number): Promise<Promise<Outcome>[]> => {
    const begun = Array.from({ length: passes }, pass);
    await timer.advance(0);
    return begun;
  };
  /** Gives the oldest open attempt its outcome. */
  const answer = async (outcome: Outcome): Promise<void> => {
    attempts.shift()!(outcome);
    await timer.advance(0);
  };
  return { link, timer, stop, changes, attempts, begin, answer };
}

/** Without what is only words. */
function coded({ reason: _, detail: __, ...status }: LinkStatus) {
  return status;
}

test('connecting: one attempt is under way, the others wait for its outcome', async () => {
  const { link, begin, answer, attempts, changes } = testLink();
  assert.equal(link.status.state, 'connecting');
  await begin(4);
  assert.equal(attempts.length, 1);
  await answer(DELIVERED);
  assert.equal(attempts.length, 3, 'online: all at once');
  assert.deepEqual(
    changes.map(({ state, code }) => [state, code]),
    [['online', null]],
  );
});

test('offline: one attempt at a time probes, also where all are woken at once', async () => {
  const { link, timer, begin, answer, attempts } = testLink();
  await begin(4);
  await answer(FAILED);
  assert.equal(attempts.length, 0, 'waits');
  assert.deepEqual(coded(link.status), { state: 'offline', code: 'ECONNRESET', since: 1_000, nextAttemptAt: 1_050 });
  await begin(1);
  await timer.advance(49);
  assert.equal(attempts.length, 0);
  await timer.advance(1);
  assert.equal(attempts.length, 1);
  await answer(FAILED);
  assert.equal(attempts.length, 0);
  link.probe();
  await timer.advance(0);
  assert.equal(attempts.length, 1, 'probe() begins one attempt, not one for each that waits');
  link.probe();
  await timer.advance(0);
  assert.equal(attempts.length, 1, 'and none beside one that is under way');
  await answer(DELIVERED);
  assert.equal(attempts.length, 2);
  assert.equal(link.status.state, 'online');
});

test('full jitter: every wait is random up to a bound that doubles up to its limit', async (t) => {
  const random = createRandom(seedOf(t));
  let drawn = 0;
  const { timer, begin, answer, attempts } = testLink({
    random: () => {
      drawn = random();
      return drawn;
    },
  });
  await begin(1);
  for (let failure = 0; failure < 60; failure++) {
    await answer(FAILED);
    await begin(1);
    const waitMs = timer.delays.at(-1)!;
    const expectedMs = drawn * Math.min(1_000, 100 * 2 ** failure);
    assert(Math.abs(waitMs - expectedMs) < 1e-6, `failure ${failure + 1}: ${waitMs} for ${expectedMs}`);
    await timer.advance(waitMs - 0.001);
    assert.equal(attempts.length, 0);
    await timer.advance(0.002);
    assert.equal(attempts.length, 1);
  }
});

test('a success ends the row of failures', async () => {
  const { link, timer, begin, answer } = testLink();
  for (const bound of [100, 200, 400]) {
    await begin(1);
    await answer(FAILED);
    assert.equal(link.status.nextAttemptAt, timer.now() + bound / 2);
    link.probe();
  }
  await begin(1);
  await answer({ kind: 'encoding', problem: problemOf('encoding-unsupported', '') });
  assert.equal(link.status.state, 'online', 'whatever else is signed is a success for the link');
  await begin(1);
  await answer(FAILED);
  assert.equal(link.status.nextAttemptAt, timer.now() + 50);
});

test('barred: paused with the problem, with a limit of its own, and probing', async () => {
  const { link, timer, begin, answer, attempts, changes } = testLink();
  for (const bound of [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]) {
    await begin(1);
    assert.equal(attempts.length, 1);
    await answer(BARRED);
    assert.equal(link.status.nextAttemptAt, timer.now() + bound / 2);
    await timer.advance(bound / 2);
  }
  assert.deepEqual(
    changes.map(({ state, code }) => [state, code]),
    [['paused', 'key-revoked']],
    'said once',
  );
  await begin(1);
  await answer(DELIVERED);
  assert.deepEqual(coded(link.status), { state: 'online', code: null, since: timer.now(), nextAttemptAt: null });
});

test('a wait that the gateway asks for holds all attempts, and is no failure', async () => {
  const { link, timer, begin, answer, attempts } = testLink();
  await begin(1);
  await answer(DELIVERED);
  await timer.advance(5);
  await begin(3);
  await timer.advance(5);
  await answer({ kind: 'wait', waitMs: 10_000, code: 'overloaded' });
  assert.deepEqual(coded(link.status), {
    state: 'online',
    code: 'overloaded',
    since: 1_000,
    nextAttemptAt: timer.now() + 10_000,
  });
  await answer(DELIVERED);
  await begin(2);
  assert.equal(attempts.length, 1, 'an answer to an older attempt does not end the wait');
  await timer.advance(9_999);
  assert.equal(attempts.length, 1);
  await timer.advance(1);
  assert.equal(attempts.length, 3, 'online: all at once');
});

test('a gateway that is busy again and again is asked less and less, by one attempt at a time', async () => {
  const { link, timer, begin, answer, attempts } = testLink();
  await begin(3);
  await answer(DELIVERED);
  const busy: Outcome = { kind: 'wait', waitMs: 60, code: 'store-unavailable' };
  const waits: number[] = [];
  await timer.advance(5);
  await answer(busy);
  await timer.advance(5);
  await answer({ ...busy, waitMs: 30 });
  for (let i = 0; i < 6; i++) {
    const waitMs = link.status.nextAttemptAt! - timer.now();
    waits.push(waitMs);
    await begin(1);
    await timer.advance(waitMs - 1);
    assert.equal(attempts.length, 0, 'no shorter than was asked for');
    await timer.advance(1);
    assert.equal(attempts.length, 1);
    await answer(busy);
  }
  assert.deepEqual(waits, [55, 100, 200, 400, 500, 500]);
  assert.equal(link.status.state, 'online', 'the gateway is there');
  await begin(5);
  await timer.advance(500);
  await answer(DELIVERED);
  assert.equal(attempts.length, 4, 'all at once again');
  await timer.advance(5);
  await answer(busy);
  assert.equal(link.status.nextAttemptAt! - timer.now(), 60, 'another row');
});

test('a clock put right again and again is no way around the waits, however many attempts are under way', async () => {
  const { link, timer, begin, answer, attempts } = testLink();
  const skew: Outcome = { kind: 'skew', clock: 1 };
  await begin(1);
  await answer(DELIVERED);
  await begin(3);
  await timer.advance(5);
  for (let i = 0; i < 3; i++) await answer(skew);
  assert.equal(link.status.nextAttemptAt, null, 'the first correction is believed at once');
  await begin(3);
  assert.equal(attempts.length, 3);
  await timer.advance(5);
  const waits: number[] = [];
  for (let round = 0; round < 4; round++) {
    while (attempts.length > 0) await answer(skew);
    const waitMs = link.status.nextAttemptAt! - timer.now();
    waits.push(waitMs);
    await begin(3);
    assert.equal(attempts.length, 0, 'all of them wait');
    await timer.advance(waitMs);
    assert.equal(attempts.length, 1);
    // Believed once more behind the wait, and then not.
    await answer(skew);
    await begin(3);
    await timer.advance(5);
  }
  assert.deepEqual(waits, [50, 100, 200, 400]);
});

test('an unsigned Retry-After of 0 does not make the device hammer, a long one is waited for', async () => {
  const { link, timer, begin, answer, attempts } = testLink();
  for (const bound of [100, 200, 400]) {
    await begin(1);
    assert.equal(attempts.length, 1);
    await answer({ kind: 'failed', code: 'unsigned-503', waitMs: 0 });
    assert.equal(link.status.state, 'offline');
    assert.equal(link.status.nextAttemptAt, timer.now() + bound / 2);
    await timer.advance(bound / 2);
  }
  await begin(1);
  await answer({ kind: 'failed', code: 'unsigned-503', waitMs: 5_000 });
  assert.equal(link.status.nextAttemptAt, timer.now() + 5_000);
});

test('an unsigned 413 is no sign of the gateway', async () => {
  const { link, timer, begin, answer } = testLink();
  await begin(1);
  await answer({ kind: 'split' });
  assert.deepEqual(coded(link.status), {
    state: 'offline',
    code: 'unsigned-413',
    since: 1_000,
    nextAttemptAt: timer.now() + 50,
  });
  await timer.advance(50);
  await begin(1);
  await answer({ kind: 'split', problem: problemOf('batch-limit', '') });
  assert.equal(link.status.state, 'online');
});

test('failures of attempts that began before the last news count once', async () => {
  const { link, timer, begin, answer, changes } = testLink();
  await begin(1);
  await answer(DELIVERED);
  await timer.advance(10);
  await begin(4);
  await timer.advance(10);
  for (let i = 0; i < 4; i++) await answer(FAILED);
  assert.equal(link.status.nextAttemptAt, timer.now() + 50, 'the first wait of the row, not the fourth');
  assert.equal(changes.filter(({ state }) => state === 'offline').length, 1);
});

test('an attempt that fails while others get through waits a little by itself', async () => {
  const { link, timer, begin, answer, attempts } = testLink();
  await begin(1);
  await answer(DELIVERED);
  await timer.advance(10);
  const [poisoned] = await begin(2);
  await timer.advance(10);
  // The second one gets through, then the first one fails.
  attempts.reverse();
  await answer(DELIVERED);
  let settled = false;
  void poisoned!.then(() => {
    settled = true;
  });
  await answer(FAILED);
  assert.equal(link.status.state, 'online', 'the link is not to blame');
  await timer.advance(49);
  assert.equal(settled, false);
  await timer.advance(1);
  assert.equal(settled, true);
});

test('a success of an older attempt brings the link back', async () => {
  const { link, timer, begin, answer } = testLink();
  await begin(1);
  await answer(DELIVERED);
  await timer.advance(10);
  await begin(2);
  await timer.advance(10);
  await answer(FAILED);
  assert.equal(link.status.state, 'offline');
  await answer(DELIVERED);
  assert.deepEqual([link.status.state, link.status.nextAttemptAt], ['online', null]);
});

test('abort ends every wait, and what it cuts off says nothing about the link', async () => {
  const { stop, timer, begin, answer, changes, attempts } = testLink();
  const [underWay, ...waiting] = await begin(3);
  const reason = new Error('closed');
  stop.abort(reason);
  const rejected = [...waiting.map((pass) => assert.rejects(pass, reason)), assert.rejects(underWay!, reason)];
  assert.equal(attempts.length, 1);
  await answer({ kind: 'failed', code: 'aborted' });
  await Promise.all(rejected);
  assert.deepEqual(changes, []);
  assert.equal(timer.waiting, 0, 'no timer is left behind');
});

test('an attempt that throws gives its turn back', async () => {
  const { link, stop, begin, attempts } = testLink();
  const broken = new Error('a bug');
  await assert.rejects(
    link.pass(() => Promise.reject(broken), stop.signal),
    broken,
  );
  await begin(1);
  assert.equal(attempts.length, 1);
});
