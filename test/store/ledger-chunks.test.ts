/** Ledgers as records: what a change writes, and that what was written reads as the same ledger. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ledgerKey } from '../../src/store/gateway-keys.ts';
import { createLedger, encodeLedger, type Ledger, type LedgerView } from '../../src/store/index.ts';
import { ledgerWrites, readLedger } from '../../src/store/ledger-chunks.ts';
import { CHUNK_RANGES_MAX } from '../../src/store/ledger-cuts.ts';
import { unsealOrThrow } from '../../src/store/seal.ts';
import { streamKey } from './gateway-store-counter.ts';
import { digestOver } from './ledger-model.ts';
import { createRandom, seedOf } from './random.ts';

const KEY = ledgerKey(streamKey('a', 1));

/** A store of one ledger, and how many bytes the latest change wrote. */
function disk() {
  const records = new Map<string, Buffer>();
  return {
    records,
    store(ledger: Ledger): number {
      let bytes = 0;
      for (const operation of ledgerWrites(KEY, ledger)) {
        const key = operation.key.toString('hex');
        if (operation.type === 'del') {
          assert.ok(records.delete(key), 'only what is there is deleted');
          continue;
        }
        records.set(key, operation.value);
        bytes += operation.value.length;
      }
      return bytes;
    },
    read(): Promise<Ledger> {
      const [head, ...chunks] = [...records].sort(([a], [b]) => (a < b ? -1 : 1));
      const body = unsealOrThrow(KEY, head![1]);
      return readLedger(body, async function* () {
        for (const [key, value] of chunks) yield [Buffer.from(key, 'hex'), value];
      });
    },
  };
}

function add(ledger: Ledger, first: number, last = first): void {
  for (const range of ledger.missing(first, last)) {
    ledger.add({ ...range, digest: digestOver(range.first, range.last) });
  }
}

function assertSame(found: LedgerView, expected: LedgerView): void {
  assert.deepEqual(encodeLedger(found), encodeLedger(expected));
  const counts = ({ count, gapCount, declaredCount, ranges }: LedgerView) => [count, gapCount, declaredCount, ranges];
  assert.deepEqual(counts(found), counts(expected));
  assert.equal(expected.ranges, expected.intervals().length + expected.gaps().length);
}

test('a ledger of few ranges is one record, as it always was', () => {
  const ledger = createLedger();
  const at = disk();
  for (let first = 1; first < 2 * (CHUNK_RANGES_MAX - 6); first += 2) add(ledger, first);
  at.store(ledger);
  const [[, value]] = [...at.records] as [[string, Buffer]];
  assert.equal(at.records.size, 1);
  assert.deepEqual(unsealOrThrow(KEY, value), encodeLedger(ledger));
});

test('an event into a ledger with 20,000 holes writes a chunk or two, and fills or makes a hole at the same cost', async () => {
  const ledger = createLedger();
  const at = disk();
  for (let first = 1; first < 40_000; first += 2) add(ledger, first);
  assert.ok(at.store(ledger) > 200_000, 'all of it once');
  const places = [2, 10_000, 10_002, 39_998, 50_000, 60_001];
  for (const first of places) {
    add(ledger, first);
    const bytes = at.store(ledger);
    // A piece of three chunks at most: its own, and those of what became one with it a few changes later.
    assert.ok(bytes < 3 * CHUNK_RANGES_MAX * 16, `${bytes} bytes for one event at ${first}`);
  }
  assertSame(await at.read(), ledger);
  const again = await at.read();
  add(again, 70_000);
  assert.ok(at.store(again) < 3 * CHUNK_RANGES_MAX * 16, 'also after it was read');
  assertSame(await at.read(), again);
});

test('whatever comes in whatever order, what is stored is the ledger', async (t) => {
  const seed = seedOf(t);
  const random = createRandom(seed);
  const whole = (max: number) => 1 + random(max);
  const chance = (percent: number) => random(100) < percent;
  for (let round = 0; round < 6; round += 1) {
    const span = [3_000, 6_000, 20_000][round % 3]!;
    let ledger = createLedger();
    const at = disk();
    let most = 0;
    for (let step = 0; step < 300; step += 1) {
      for (let i = whole(30); i > 0; i -= 1) {
        const first = whole(span);
        const last = first + (chance(1) ? whole(span / 10) : chance(10) ? whole(20) : 0);
        if (chance(70)) add(ledger, first, last);
        else ledger.addGap({ first, last });
      }
      at.store(ledger);
      most = Math.max(most, at.records.size);
      if (step % 20 > 0) continue;
      const found = await at.read();
      assertSame(found, ledger);
      if (chance(50)) ledger = found;
    }
    assert.ok(most > 2, `it was cut: ${most} records`);
    add(ledger, 1, 2 * span);
    at.store(ledger);
    assertSame(await at.read(), ledger);
  }
});

test('many segments at once are what they are one after another', (t) => {
  const random = createRandom(seedOf(t));
  for (let round = 0; round < 200; round += 1) {
    const [one, other] = [createLedger(), createLedger()];
    for (let step = 0; step < 8; step += 1) {
      if (random(4) === 0) {
        const gap = { first: 1 + random(100), last: 150 + random(100) };
        for (const ledger of [one, other]) ledger.addGap(gap);
      }
      // Many small pieces of what is missing, some of which touch.
      const first = 1 + random(300);
      const segments = one
        .missing(first, first + random(200))
        .flatMap((range) => Array.from({ length: range.last - range.first + 1 }, (_, i) => range.first + i))
        .filter(() => random(3) > 0)
        .map((sequence) => ({ first: sequence, last: sequence, digest: digestOver(sequence, sequence) }));
      for (const segment of segments) one.add(segment);
      other.addAll(segments);
      assertSame(other, one);
      assert.equal(other.intervalCount, other.intervals().length);
      assert.deepEqual(other.intervals(3), other.intervals().slice(0, 3));
    }
  }
});

test('a thousand holes of a hundred thousand are filled at the cost of moving a few columns', () => {
  const ledger = createLedger();
  const made = Array.from({ length: 100_000 }, (_, i) => ({ first: 1 + 2 * i, last: 1 + 2 * i, digest: 1n }));
  ledger.addAll(made);
  const missing = ledger.missing(1_000, 3_000).map((range) => ({ ...range, digest: 1n }));
  const cpu = (work: () => void): number => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  const copied = cpu(() => {
    for (let i = 0; i < 20; i += 1) made.slice().reverse();
  });
  const filled = cpu(() => ledger.addAll(missing));
  assert.ok(missing.length > 900 && filled < 20 * copied, `${filled} µs against ${copied}`);
});

test('growth is what a ledger grows by', () => {
  const ledger = createLedger();
  add(ledger, 10, 20);
  ledger.addGap({ first: 30, last: 40 });
  const grown = (events: readonly [number, number] | undefined, ...gaps: (readonly [number, number])[]) => {
    const range = ([first, last]: readonly [number, number]) => ({ first, last });
    return ledger.growth(events && range(events), gaps.map(range));
  };
  assert.deepEqual(
    [grown([8, 8]), grown([9, 9]), grown([21, 25]), grown([22, 25]), grown([1, 100]), grown([12, 13])],
    [1, 0, 0, 1, 0, 0],
  );
  assert.deepEqual(
    [grown(undefined, [41, 50]), grown(undefined, [42, 50], [30, 31]), grown([2, 3], [1, 2])],
    [0, 1, 2],
  );
});
