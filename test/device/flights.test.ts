import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cut } from '../../src/device/cutter.ts';
import { Flights } from '../../src/device/flights.ts';
import { Withdrawn } from '../../src/device/link.ts';
import type { Queue } from '../../src/store/index.ts';

/** A disk whose commits the test ends one after the other. */
function testFlights(unsent = 1, next = 10_000) {
  const commits: { readonly unsent: number; end(): Promise<void>; fail(): Promise<void> }[] = [];
  let onDisk = unsent;
  const commit = (target: number) =>
    new Promise<void>((resolve, reject) => {
      const turn = () => new Promise<void>((done) => setImmediate(done));
      commits.push({
        unsent: target,
        end: () => {
          onDisk = target;
          resolve();
          return turn();
        },
        fail: () => {
          reject(new Error('the disk refuses'));
          return turn();
        },
      });
    });
  const stop = new AbortController();
  const queue = {
    get unsent() {
      return onDisk;
    },
    next,
    markSent: commit,
    release: ({ unsent: target }: { unsent?: number }) => commit(target!),
  } as unknown as Queue;
  const flights = new Flights({ queue, inFlightMax: 2, signal: stop.signal });
  const cut = (first: number, count = 10) => flights.begin({ first, last: first + count - 1, count } as Cut);
  return { flights, commits, cut, stop, onDisk: () => onDisk };
}

test('nothing leaves before it is on record, and what follows finds it written ahead', async () => {
  const { commits, cut, flights } = testFlights();
  const leaving = cut(1).leave();
  assert(leaving, 'the first waits for the disk');
  assert(commits[0]!.unsent > 11);
  await commits[0]!.end();
  await leaving;
  assert.equal(cut(11).leave(), undefined);
  assert.equal(cut(21).leave(), undefined);
  assert.equal(flights.unsent, 31);
});

test('a drain writes the mark with its releases, and nothing besides', async () => {
  const { commits, cut, flights } = testFlights();
  const first = cut(1).leave();
  await commits[0]!.end();
  await first;
  for (let at = 11; at < 2_000; at += 10) {
    assert.equal(cut(at).leave(), undefined, `${at}`);
    const released = flights.release({});
    await commits.at(-1)!.end();
    await released;
  }
});

test('a commit under way that writes less is what counts, also where it has failed', async () => {
  const { commits, cut, flights, onDisk } = testFlights();
  const large = cut(1, 1_000).leave();
  await commits[0]!.end();
  await large;
  assert(onDisk() > 3_000);
  // A small batch, and with its release the mark comes back to near where it is.
  assert.equal(cut(1_001, 1).leave(), undefined);
  const released = flights.release({});
  assert(commits[1]!.unsent < 1_100);
  const behind = cut(1_500, 10).leave();
  assert(behind, 'on record now, but not behind the release');
  await Promise.all([assert.rejects(released), commits[1]!.fail()]);
  assert(cut(1_600, 10).leave(), 'the release may be on disk all the same');
  await commits[2]!.end();
  await behind;
  await commits[3]!.end();
  assert.equal(cut(1_605, 5).leave(), undefined);
});

test('what has not left is taken back, with all that follows it, and cannot leave any more', async () => {
  const { commits, cut, flights } = testFlights(16);
  const [old, sent, waiting, last] = [cut(1), cut(11), cut(21), cut(31)];
  const leaving = sent!.leave();
  await commits[0]!.end();
  await leaving;
  assert.equal(flights.withdraw(), 21);
  assert.equal(flights.unsent, 21);
  for (const flight of [waiting, last]) assert.throws(() => flight!.leave(), Withdrawn);
  assert.doesNotThrow(() => old!.leave(), 'what an earlier run may have sent stays under way');
  assert.equal(flights.size, 2);
  assert.equal(flights.withdraw(), undefined);
});

test('what was written ahead and never sent is put on record as not sent, once nothing leaves any more', async () => {
  const { commits, cut, flights, onDisk } = testFlights();
  const leaving = cut(1).leave();
  await commits[0]!.end();
  await leaving;
  assert(onDisk() > 11);
  const settled = flights.settle();
  assert.equal(commits.length, 2);
  await commits[1]!.end();
  await settled;
  assert.equal(onDisk(), 11);
  await flights.settle();
  assert.equal(commits.length, 2, 'what is true already is not written again');
});

test('what only the queue writes ahead needs no such commit, and a disk that refuses one is no failure', async () => {
  for (const [next, isWritten] of [
    [11, false],
    [12, true],
  ] as const) {
    const { commits, cut, flights } = testFlights(1, next);
    const leaving = cut(1).leave();
    await commits[0]!.end();
    await leaving;
    const settled = flights.settle();
    assert.equal(commits.length === 2, isWritten);
    await commits[1]?.fail();
    await settled;
  }
});

test('closing ends all of them, also such as are cut meanwhile', () => {
  const { cut, stop } = testFlights();
  const flight = cut(1);
  const reason = new Error('closed');
  stop.abort(reason);
  assert.throws(() => flight.leave(), reason);
  assert.throws(() => cut(11).leave(), reason);
});
