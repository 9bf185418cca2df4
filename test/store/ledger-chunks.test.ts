/** Ledgers as records: what a change writes, and that what was written reads as the same ledger. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ledgerChunkKey, ledgerKey } from '../../src/store/gateway-keys.ts';
import { createLedger, encodeLedger, type Ledger, type LedgerView } from '../../src/store/index.ts';
import { RECENT_MAX } from '../../src/store/ledger.ts';
import { LedgerWriter } from '../../src/store/ledger-bytes.ts';
import { ledgerWrites, readLedger } from '../../src/store/ledger-chunks.ts';
import { CHUNK_RANGES_MAX } from '../../src/store/ledger-cuts.ts';
import { seal, unsealOrThrow } from '../../src/store/seal.ts';
import type { Turns } from '../../src/store/time-slicing.ts';
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
    read(turns?: Turns): Promise<Ledger> {
      const [head, ...chunks] = [...records].sort(([a], [b]) => (a < b ? -1 : 1));
      const body = unsealOrThrow(KEY, head![1]);
      return readLedger(
        body,
        async function* () {
          for (const [key, value] of chunks) yield [Buffer.from(key, 'hex'), value];
        },
        turns,
      );
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

test('an event into a ledger with 20,000 holes writes a chunk or two, also to make or fill a hole', async () => {
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

test('a ledger of many chunks is read in slices', async () => {
  const ledger = createLedger();
  const at = disk();
  for (let first = 1; first < 10_000; first += 2) add(ledger, first);
  at.store(ledger);
  let slices = 0;
  const nextSlice = async (): Promise<void> => {
    slices += 1;
  };
  const found = await at.read({ isOver: () => true, next: nextSlice });
  assertSame(found, ledger);
  assert.equal(slices, at.records.size - 1, 'others have a turn behind each chunk, where the slice is over');
});

test('what begins where a chunk begins is written with it, and what ends before with the one before', async () => {
  const holes = (): Ledger => {
    const ledger = createLedger();
    for (let first = 4; first < 8 * CHUNK_RANGES_MAX; first += 4) add(ledger, first);
    return ledger;
  };
  /** Has whatever is recent become old, far from all else. */
  const settle = (ledger: Ledger): void => {
    for (let i = 0; i < RECENT_MAX; i += 1) add(ledger, 100_000 + 2 * i);
  };
  const changes: readonly ((ledger: Ledger, cut: number) => void)[] = [
    (ledger, cut) => add(ledger, cut - 3, cut - 1),
    (ledger, cut) => add(ledger, cut + 1),
    (ledger, cut) => add(ledger, cut - 1),
    (ledger, cut) => ledger.addGap({ first: cut, last: cut }),
    (ledger, cut) => ledger.addGap({ first: cut - 1, last: cut + 1 }),
  ];
  const cutsOf = ({ records }: ReturnType<typeof disk>) =>
    [...records.keys()].filter((key) => key !== KEY.toString('hex')).map((key) => Number(`0x${key.slice(-16)}`));
  const whole = disk();
  const cutBefore = holes();
  settle(cutBefore);
  whole.store(cutBefore);
  const cuts = cutsOf(whole).filter((first) => first > 0);
  assert.ok(cuts.length > 0, 'it is cut');
  for (const cut of cuts) {
    for (const [number, change] of changes.entries()) {
      const ledger = holes();
      settle(ledger);
      const at = disk();
      at.store(ledger);
      change(ledger, cut);
      at.store(ledger);
      assertSame(await at.read(), ledger);
      for (let i = 0; i < RECENT_MAX; i += 1) add(ledger, 200_000 + 2 * i);
      at.store(ledger);
      assert.ok(cutsOf(at).includes(cut), `change ${number} at ${cut} is at the edge of a chunk`);
      assertSame(await at.read(), ledger);
    }
  }
});

test('chunks that are no ledger together are refused, each for what is wrong with them', async () => {
  type Chunk = readonly [start: number, segments: readonly Pair[], gaps?: readonly Pair[]];
  type Pair = readonly [first: number, last: number];
  const columns = (writer: LedgerWriter, start: number, ranges: readonly Pair[], isDigested: boolean): void => {
    writer.varint(ranges.length);
    let next = start;
    for (const [first, last] of ranges) {
      writer.varint(first - next);
      writer.varint(last - first);
      if (isDigested) writer.digest(1n);
      next = last + 1;
    }
  };
  const read = (
    chunks: readonly Chunk[],
    recent: readonly number[] = [],
    said: Partial<Record<string, number>> = {},
  ) => {
    const head = new LedgerWriter(recent.length, 0, 2);
    head.varint(said.chunks ?? chunks.length);
    head.varint(recent.length);
    for (const first of recent) head.varint(first);
    head.varint(said.segments ?? chunks.reduce((sum, [, segments]) => sum + segments.length, 0));
    head.varint(said.gaps ?? chunks.reduce((sum, [, , gaps = []]) => sum + gaps.length, 0));
    return readLedger(head.bytes(), async function* () {
      for (const [start, segments, gaps = []] of chunks) {
        const writer = new LedgerWriter(segments.length, gaps.length, 3);
        columns(writer, start, segments, true);
        columns(writer, start, gaps, false);
        const key = ledgerChunkKey(KEY, start);
        yield [key, seal(key, writer.bytes())];
      }
    });
  };
  const whole = await read([
    [0, [[1, 1], [5, 5]], [[2, 3]]], // biome-ignore format: a chunk a line
    [6, [[7, 9], [10, 10]], [[20, 30]]], // biome-ignore format: a chunk a line
  ], [10]); // biome-ignore format: a chunk a line
  assert.deepEqual(whole.intervals(), [
    { first: 1, last: 1 },
    { first: 5, last: 5 },
    { first: 7, last: 10 },
  ]);
  const odd = Array.from({ length: RECENT_MAX + 1 }, (_, i) => 2 * i + 1);
  const most = odd.slice(1);
  await read([[0, most.map((first) => [first, first])]], most);
  // biome-ignore format: a case a line
  const refused: Record<string, Parameters<typeof read>> = {
    'a first chunk that does not begin at 0': [[[1, [[1, 1]]]]],
    'a chunk that begins before what the one before holds': [[[0, [[1, 1], [5, 5]]], [3, [[7, 7]]]]],
    'a chunk that begins where the last of the one before does': [[[0, [[1, 1], [5, 5]]], [5, [[7, 7]]]]],
    'a chunk that begins within the gaps of the one before': [[[0, [[1, 1]], [[8, 9]]], [8, [[20, 20]]]]],
    'a segment that the one before reaches into': [[[0, [[1, 9]]], [5, [[6, 12]]]]],
    'a segment that begins where the one before ends': [[[0, [[1, 9]]], [5, [[9, 12]]]]],
    'segments side by side in a chunk that are not one': [[[0, [[1, 4], [5, 5]]]]],
    'segments side by side in two chunks that are not one': [[[0, [[1, 4]]], [5, [[5, 5]]]]],
    'gaps side by side in two chunks that are not one': [[[0, [[1, 1]], [[2, 4]]], [5, [[7, 7]], [[5, 6]]]]],
    'fewer chunks than the head says': [[[0, [[1, 1]]]], [], { chunks: 2 }],
    'more segments than the head says': [[[0, [[1, 1], [5, 5]]]], [], { segments: 1 }],
    'more gaps than the head says': [[[0, [[1, 1]], [[8, 9]]]], [], { gaps: 0 }],
    'a recent segment that is not there': [[[0, [[1, 4]]]], [2]],
    'more recent segments than are compared': [[[0, odd.map((first) => [first, first])]], odd],
  };
  for (const [what, args] of Object.entries(refused)) {
    await assert.rejects(read(...args), { name: 'StoreError', code: 'corrupt' }, what);
  }
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
      for (const [i, { last }] of other.intervals().slice(0, 3).entries()) {
        assert.deepEqual(other.intervals(2, last), other.intervals().slice(i + 1, i + 3));
      }
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
