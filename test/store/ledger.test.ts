import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLedger, decodeLedger, encodeLedger, type Ledger, type Range } from '../../src/store/index.ts';
import { digestOver, rangesOf, sequencesOf } from './ledger-model.ts';
import { seedOf } from './random.ts';

const RECENT = 6;
const SPAN = 120;
const TOP = Number.MAX_SAFE_INTEGER;

function range(first: number, last = first): Range {
  return { first, last };
}

function segment(first: number, last = first) {
  return { first, last, digest: digestOver(first, last) };
}

function filled(...ranges: readonly (readonly [number, number])[]): Ledger {
  const ledger = createLedger();
  for (const [first, last] of ranges) ledger.add(segment(first, last));
  return ledger;
}

test('an empty ledger misses everything', () => {
  const ledger = createLedger();
  assert.deepEqual(ledger.missing(1, TOP), [range(1, TOP)]);
  assert.deepEqual(ledger.intervals(), []);
  assert.deepEqual(ledger.gaps(), []);
  assert.deepEqual([ledger.count, ledger.gapCount], [0, 0]);
  assert.deepEqual(
    ledger.compare(1, 9, () => 0n),
    { same: [], different: [], unknown: [] },
  );
});

test('what is missing is what lies between and around the segments', () => {
  const ledger = filled([3, 4], [8, 8], [5, 5]);
  assert.deepEqual(ledger.missing(1, 10), [range(1, 2), range(6, 7), range(9, 10)]);
  assert.deepEqual(ledger.missing(4, 8), [range(6, 7)]);
  assert.deepEqual(ledger.missing(3, 5), []);
  assert.deepEqual(ledger.intervals(), [range(3, 5), range(8)]);
  assert.equal(ledger.count, 4);
});

test('a segment sent again is the same, another content is different, a part of one is unknown', () => {
  const ledger = filled([1, 10], [11, 20], [31, 40]);
  assert.deepEqual(ledger.compare(1, 20, digestOver), { same: [range(1, 20)], different: [], unknown: [] });
  assert.deepEqual(
    ledger.compare(1, 40, (first, last) => digestOver(first, last, new Set([15]))),
    { same: [range(1, 10), range(31, 40)], different: [range(11, 20)], unknown: [] },
  );
  assert.deepEqual(ledger.compare(5, 35, digestOver), {
    same: [range(11, 20)],
    different: [],
    unknown: [range(5, 10), range(31, 35)],
  });
});

test('segments that are no longer recent become one, and their digests add up across 2^64', () => {
  const ledger = createLedger();
  for (let i = 0; i < 20; i += 1) ledger.add({ first: i * 10 + 1, last: i * 10 + 10, digest: 2n ** 64n - 1n });
  const settled = (20 - RECENT) * 10;
  // Inside the settled part nothing can be compared any more; as a whole it can.
  assert.deepEqual(ledger.compare(1, 10, () => 2n ** 64n - 1n).unknown, [range(1, 10)]);
  const sum = (2n ** 64n - 14n) % 2n ** 64n;
  assert.deepEqual(ledger.compare(1, settled, () => sum).same, [range(1, settled)]);
  assert.deepEqual(ledger.compare(1, settled, () => sum + 1n).different, [range(1, settled)]);
  // Each recent one still can.
  for (let first = settled + 1; first <= 200; first += 10) {
    assert.deepEqual(ledger.compare(first, first + 9, () => 2n ** 64n - 1n).same, [range(first, first + 9)]);
  }
});

test('a gap that is processed after all no longer counts as one', () => {
  const ledger = filled([5, 6]);
  ledger.addGap(range(1, 10));
  ledger.addGap(range(1, 10));
  ledger.addGap(range(8, 12));
  assert.deepEqual(ledger.gaps(), [range(1, 12)]);
  assert.equal(ledger.gapCount, 10);
  ledger.add(segment(9, 14));
  assert.deepEqual([ledger.count, ledger.gapCount], [8, 6]);
  assert.deepEqual(ledger.gaps(), [range(1, 12)], 'the declaration stays as it was made');
});

test('sequences go up to 2^53 - 1', () => {
  const ledger = createLedger();
  ledger.add({ first: TOP, last: TOP, digest: 7n });
  ledger.add({ first: 1, last: TOP - 2, digest: 9n });
  ledger.addGap(range(TOP - 1, TOP));
  assert.deepEqual(ledger.missing(1, TOP), [range(TOP - 1)]);
  assert.deepEqual([ledger.count, ledger.gapCount], [TOP - 1, 1]);
  const again = decodeLedger(encodeLedger(ledger));
  assert.deepEqual(again.intervals(), [range(1, TOP - 2), range(TOP)]);
  assert.deepEqual(again.compare(1, TOP, () => 9n).same, [range(1, TOP - 2)]);
});

test('what is no range, no digest, or processed already is a bug', () => {
  const ledger = filled([5, 6]);
  const before = encodeLedger(ledger);
  const bug = { code: 'ERR_ASSERTION' };
  assert.throws(() => ledger.add(segment(6, 7)), bug);
  assert.throws(() => ledger.add(segment(1, 9)), bug);
  assert.throws(() => ledger.add({ first: 1, last: 1, digest: -1n }), bug);
  assert.throws(() => ledger.add({ first: 1, last: 1, digest: 2n ** 64n }), bug);
  for (const wrong of [range(0, 1), range(2, 1), range(1.5, 2), range(1, 2 ** 53), range(1, Number.NaN)]) {
    assert.throws(() => ledger.add({ ...wrong, digest: 0n }), bug);
    assert.throws(() => ledger.addGap(wrong), bug);
    assert.throws(() => ledger.missing(wrong.first, wrong.last), bug);
    assert.throws(() => ledger.compare(wrong.first, wrong.last, () => 0n), bug);
  }
  assert.deepEqual(encodeLedger(ledger), before);
});

test('adding at the end and looking up stay cheap in a ledger of many intervals', () => {
  const cost = (count: number): number => {
    const ledger = createLedger();
    const before = process.cpuUsage();
    for (let i = 0; i < count; i += 1) ledger.add({ first: 2 * i + 1, last: 2 * i + 1, digest: 1n });
    for (let i = 0; i < count; i += 1) assert.equal(ledger.missing(2 * i + 1, 2 * i + 1).length, 0);
    const { user, system } = process.cpuUsage(before);
    assert.equal(ledger.count, count);
    return user + system;
  };
  cost(20_000);
  // Ten times as many; anything quadratic would cost a hundred times as much.
  const [few, many] = [cost(20_000), cost(200_000)];
  assert(many < 50 * few, `${many / few} times as much`);
});

/** One step against ledger and model. */
type Step =
  | { readonly do: 'add'; readonly first: number; readonly length: number }
  | { readonly do: 'gap'; readonly first: number; readonly length: number }
  | { readonly do: 'compare'; readonly first: number; readonly length: number; readonly others: readonly number[] }
  | { readonly do: 'reload' };

const place = { first: fc.integer({ min: 1, max: SPAN }), length: fc.integer({ min: 1, max: 25 }) };
const anySequences = fc.array(fc.integer({ min: 1, max: SPAN + 25 }), { maxLength: 4 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('add' as const), ...place }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('gap' as const), ...place }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('compare' as const), ...place, others: anySequences }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reload' as const) }) },
);

test('whatever the order and the overlaps, it agrees with a plain set of ids', (t) => {
  const seed = seedOf(t);
  const property = fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
    let ledger = createLedger();
    const processed = new Set<number>();
    const given = new Set<number>();
    const recent: Range[] = [];
    for (const step of steps) {
      if (step.do === 'reload') {
        const bytes = encodeLedger(ledger);
        ledger = decodeLedger(bytes);
        assert.deepEqual(encodeLedger(ledger), bytes);
        continue;
      }
      const { first, last } = range(step.first, step.first + step.length - 1);
      const inside = [...sequencesOf([{ first, last }])];
      if (step.do === 'add') {
        const missing = ledger.missing(first, last);
        assert.deepEqual(missing, rangesOf(inside.filter((sequence) => !processed.has(sequence))));
        for (const part of missing) {
          ledger.add(segment(part.first, part.last));
          recent.push(part);
        }
        for (const sequence of inside) processed.add(sequence);
      } else if (step.do === 'gap') {
        const undeclared = rangesOf(inside.filter((sequence) => !given.has(sequence)));
        assert.deepEqual(ledger.undeclared(first, last), undeclared);
        ledger.addGap({ first, last });
        assert.deepEqual(ledger.undeclared(first, last), []);
        for (const sequence of inside) given.add(sequence);
      } else {
        assertComparison(ledger, { first, last }, processed, new Set(step.others));
      }
      assert.deepEqual(ledger.intervals(), rangesOf(processed));
      assert.deepEqual(ledger.gaps(), rangesOf(given));
      assert.equal(ledger.count, processed.size);
      assert.equal(ledger.gapCount, [...given].filter((sequence) => !processed.has(sequence)).length);
      for (const one of recent.slice(-RECENT)) {
        assert.deepEqual(ledger.compare(one.first, one.last, digestOver), { same: [one], different: [], unknown: [] });
      }
    }
  });
  fc.assert(property, { seed, numRuns: 400 });
});

function assertComparison(ledger: Ledger, asked: Range, processed: Set<number>, others: Set<number>): void {
  const { same, different, unknown } = ledger.compare(asked.first, asked.last, (first, last) => {
    assert.ok(first >= asked.first && last <= asked.last, 'only what came can be digested');
    return digestOver(first, last, others);
  });
  const all = [...sequencesOf([...same, ...different, ...unknown])].sort((a, b) => a - b);
  const expected = [...sequencesOf([asked])].filter((sequence) => processed.has(sequence));
  assert.deepEqual(all, expected, 'every processed id in the range is in exactly one list');
  for (const list of [same, different, unknown]) assert.deepEqual(list, rangesOf(sequencesOf(list)));
  for (const sequence of sequencesOf(same)) assert.ok(!others.has(sequence), 'nothing else is called the same');
  for (const { first, last } of different) {
    assert.ok(
      [...others].some((sequence) => sequence >= first && sequence <= last),
      'the same is not called different',
    );
  }
}
