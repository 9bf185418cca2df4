/** Pages: one form, whatever the order; one sum, whatever the grouping. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addDecimals,
  allAtOnce,
  createTableBuilder,
  type Decimal,
  decimalOf,
  type EventTable,
  formatDecimal,
  type TelemetryEvent,
} from '../../src/codec/index.ts';
import { type Aggregate, combine } from '../../src/gateway/aggregate.ts';
import type { Bucket } from '../../src/gateway/bucket.ts';
import { bucketsOf, createBucketPage } from '../../src/gateway/bucket-page.ts';
import { type DeviceDelta, type DevicePage, emptyDevicePage } from '../../src/gateway/device-page.ts';
import { unpackTotals } from '../../src/gateway/device-totals.ts';
import { bucketPageOf, type Page, pageOperator } from '../../src/gateway/pages.ts';
import { type PageDelta, tally } from '../../src/gateway/tally.ts';
import type { PageKind } from '../../src/store/index.ts';
import { seedOf } from '../store/random.ts';

const RUNS = 150;

const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const measure = fc.oneof(
  double,
  fc.integer({ min: -5_000, max: 5_000 }).map((whole) => whole / 8),
  fc.constantFrom(0, 0.1, 1e21, 5e-324),
);
const name = fc.constantFrom('volume', 'temperature', 'größe', 'a');

const event: fc.Arbitrary<TelemetryEvent> = fc.record({
  ts: fc.oneof(fc.integer({ min: -200_000, max: 20_000_000 }), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
  sensor: fc.constantFrom('s', 't'),
  fields: fc.dictionary(name, fc.oneof(measure, fc.constant('text')), { minKeys: 1 }),
});

/** What one batch adds, from sequence 1 on. */
const deltas = fc.array(event, { minLength: 1, maxLength: 25 }).map((events) => {
  const builder = createTableBuilder();
  for (const one of events) assert(builder.add(one));
  return tallied(builder.build(), 1);
});

const devicePage: fc.Arbitrary<DevicePage> = fc.record({
  batches: fc.nat(5),
  events: fc.nat(),
  bodyBytes: fc.nat(),
  firstReceivedAt: fc.oneof(fc.integer(), fc.constant(Infinity)),
  lastReceivedAt: fc.oneof(fc.integer(), fc.constant(-Infinity)),
  tsMin: fc.integer(),
  tsMax: fc.integer(),
  tsPast: fc.integer(),
  gaps: fc.record({ quota: fc.maxSafeNat(), damage: fc.maxSafeNat() }),
  gapsUnsummed: fc.maxSafeNat(),
  gapSums: fc
    .dictionary(name, fc.bigInt())
    .map((sums) => new Map(Object.entries(sums).map(([key, digits]) => [key, { digits, scale: 3 }]))),
  report: fc.option(
    fc.record({
      stream: fc.constantFrom('a', 'b'),
      sentAt: fc.nat(3),
      receivedAt: fc.nat(3),
      clockOffsetMs: fc.integer(),
      queue: fc.record({ recorded: fc.nat(2), queued: fc.nat(2), quarantined: fc.nat(2), gaps: fc.nat(2) }),
    }),
    { nil: undefined },
  ),
  sensors: fc.nat(),
  names: fc.nat(),
  totals: fc.dictionary(name, measure).map(
    (totals) =>
      new Map(
        Object.entries(totals).map(([key, value], i): [string, Aggregate] => {
          const [min, max, last] = [value, value, value];
          return [key, { count: 1, sum: decimalOf(value), min, max, last, lastTs: i, lastSequence: 1 }];
        }),
      ),
  ),
});

function encode(kind: PageKind, page: Page): Uint8Array {
  return allAtOnce(pageOperator.encode(kind, page));
}

function merge(kind: PageKind, into: Page, delta: Page): void {
  allAtOnce(pageOperator.merge(kind, into, delta));
}

/** The bytes of pages merged from nothing in the order given; each result in between goes through its bytes or not. */
function merged(kind: PageKind, pages: readonly Page[], throughBytes: boolean): Buffer {
  let into = pageOperator.empty(kind);
  for (const page of pages) {
    merge(kind, into, page);
    if (throughBytes) into = pageOperator.decode(kind, encode(kind, into));
  }
  return Buffer.from(encode(kind, into));
}

function check(t: { diagnostic(message: string): void }, property: fc.IRawProperty<unknown, false>): void {
  fc.assert(property, { seed: seedOf(t), numRuns: RUNS });
}

test('of two values the last is that of the later time, then of the greater sequence, then the greater value', () => {
  const one = (value: number, lastTs: number, lastSequence: number): Aggregate => {
    const [min, max, last] = [value, value, value];
    return { count: 1, sum: decimalOf(value), min, max, last, lastTs, lastSequence };
  };
  for (const [earlier, later] of [
    [one(9, 1, 9), one(1, 2, 1)],
    [one(9, 1, 1), one(1, 1, 2)],
    [one(1, 1, 1), one(9, 1, 1)],
    [one(-9, 1, 1), one(-1, 1, 1)],
  ] as const) {
    for (const both of [combine(earlier, later)!, combine(later, earlier)!]) {
      assert.deepEqual([both.last, both.lastTs, both.lastSequence], [later.last, later.lastTs, later.lastSequence]);
      assert.deepEqual(
        [both.min, both.max, both.count],
        [Math.min(earlier.min, later.min), Math.max(earlier.max, later.max), 2],
      );
      assert.equal(formatDecimal(both.sum), formatDecimal(addDecimals(earlier.sum, later.sum)));
    }
  }
});

test('merging bucket pages is commutative and associative, in memory and through bytes', (t) => {
  check(
    t,
    fc.property(deltas, deltas, deltas, fc.boolean(), (a, b, c, throughBytes) => {
      for (const kind of ['total', 'minute', 'hour', 'day'] as const) {
        const sensor = a[0]!.key.sensor;
        const [left, middle, right] = [a, b, c].map((list) =>
          list.filter(({ key }) => key.kind === kind && key.sensor === sensor).map(({ delta }) => delta),
        );
        // Pages of any start are as good as of one: what lies in them is told apart by number.
        const all = [...left!, ...middle!, ...right!];
        const expected = merged(kind, all, false);
        assert.deepEqual(merged(kind, all.toReversed(), throughBytes), expected);
        assert.deepEqual(merged(kind, [...right!, ...left!, ...middle!], throughBytes), expected);
        const grouped = pageOperator.decode(kind, merged(kind, [...middle!, ...right!], throughBytes));
        assert.deepEqual(merged(kind, [...left!, grouped], throughBytes), expected);
      }
    }),
  );
});

test('merging device pages is commutative and associative but for the report, and reports are idempotent', (t) => {
  check(
    t,
    fc.property(devicePage, devicePage, devicePage, ({ report, ...a }, b, c) => {
      const [left, middle, right] = [a, b, c].map((page): DevicePage => ({ ...page, report: undefined }));
      const expected = merged('device', [left!, middle!, right!], false);
      assert.deepEqual(merged('device', [right!, middle!, left!], true), expected);
      const grouped = pageOperator.decode('device', merged('device', [middle!, left!], false));
      assert.deepEqual(merged('device', [grouped, right!], true), expected);
      const reported: DevicePage = { ...emptyDevicePage(), report };
      assert.deepEqual(merged('device', [c, reported, reported], true), merged('device', [c, reported], false));
    }),
  );
});

test('sums of other measures than a batch can have are let go of, the same ones in any order', () => {
  const pages = Array.from({ length: 600 }, (_, i) => ({
    ...emptyDevicePage(),
    gapSums: new Map([[`m${String(i).padStart(3, '0')}`, { digits: BigInt(i), scale: 0 }]]),
  }));
  const forwards = merged('device', pages, false);
  assert.deepEqual(merged('device', pages.toReversed(), false), forwards);
  const { gapSums } = pageOperator.decode('device', forwards) as DevicePage;
  assert.deepEqual([gapSums.size, [...gapSums.keys()].at(-1)], [512, 'm511']);
});

test('a page comes back from its bytes as it was', (t) => {
  check(
    t,
    fc.property(deltas, (list) => {
      for (const { key, delta } of list) {
        const page = bucketPageOf(delta);
        const before = structuredClone(bucketsOf(page));
        const decoded = bucketPageOf(pageOperator.decode(key.kind, encode(key.kind, page)));
        assert.deepEqual(decoded.names, page.names);
        assert.deepEqual(bucketsOf(decoded), before);
        // Encoding packs; what is in the page stays the same.
        assert.deepEqual(bucketsOf(page), before);
      }
    }),
  );
});

test('bytes that are no page are refused', (t) => {
  const [first] = tallied(tableOf([{ ts: 5, sensor: 's', fields: { volume: 1.5 } }]), 1);
  const bytes = encode('total', first!.delta);
  const device = encode('device', emptyDevicePage());
  for (const [kind, whole] of [
    ['total', bytes],
    ['device', device],
  ] as const) {
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => readAll(pageOperator.decode(kind, whole.subarray(0, length))), RangeError);
    }
    assert.throws(() => pageOperator.decode(kind, Buffer.concat([whole, Buffer.from([0])])), RangeError);
    assert.throws(() => pageOperator.decode(kind, Buffer.concat([Buffer.from([9]), whole.subarray(1)])), RangeError);
  }
  check(
    t,
    fc.property(fc.uint8Array(), fc.constantFrom<PageKind>('total', 'minute', 'device'), (noise, kind) => {
      try {
        readAll(pageOperator.decode(kind, noise));
      } catch (error) {
        assert(error instanceof RangeError);
      }
    }),
  );
});

test('a tally is what a loop over events comes to', (t) => {
  check(
    t,
    fc.property(
      fc.array(event, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 2 ** 50 }),
      (events, first) => {
        for (const [kind, bucketMs] of [
          ['total', Infinity],
          ['minute', 60_000],
          ['hour', 3_600_000],
          ['day', 86_400_000],
        ] as const) {
          const found = new Map<string, unknown>();
          for (const { key, delta } of tallied(tableOf(events), first)) {
            if (key.kind !== kind) continue;
            const { names } = bucketPageOf(delta);
            for (const bucket of bucketsOf(bucketPageOf(delta)))
              found.set(`${key.sensor} ${bucket.number}`, shown(names, bucket));
          }
          assert.deepEqual(new Map([...found].sort()), naive(events, first, bucketMs));
        }
      },
    ),
  );
});

test('a tally of some of the events is that of these events alone', (t) => {
  check(
    t,
    fc.property(fc.array(fc.tuple(event, fc.boolean()), { minLength: 1, maxLength: 60 }), (chosen) => {
      const missing = chosen.flatMap(([, isMissing], i) => (isMissing ? [{ first: i + 1, last: i + 1 }] : []));
      const some = allAtOnce(tally('d', tableOf(chosen.map(([one]) => one)), 1, missing));
      const alone = chosen.flatMap(([one, isMissing], i) => (isMissing ? tallied(tableOf([one]), i + 1) : []));
      const read = (deltas: readonly PageDelta[]) => {
        const pages = new Map<string, Page>();
        for (const { key, delta } of deltas) {
          const id = JSON.stringify(key);
          const page = pages.get(id) ?? pageOperator.empty(key.kind);
          merge(key.kind, page, delta);
          pages.set(id, page);
        }
        return Array.from(pages, ([id, page]) => {
          const { names } = bucketPageOf(page);
          return [id, bucketsOf(bucketPageOf(page)).map((bucket) => shown(names, bucket))] as const;
        }).sort(([a], [b]) => (a < b ? -1 : 1));
      };
      assert.deepEqual(read(some), read(alone));
    }),
  );
});

test('page of a delta begins where its buckets begin', () => {
  const ts = Date.UTC(2024, 1, 29, 13, 59, 59, 999);
  const starts = tallied(tableOf([{ ts, sensor: 's', fields: { volume: 1 } }]), 1).map(({ key }) => [
    key.kind,
    key.start,
  ]);
  assert.deepEqual(Object.fromEntries(starts), {
    total: 0,
    minute: Date.UTC(2024, 1, 29, 12),
    hour: Date.UTC(2024, 1, 29),
    day: Math.floor(ts / (32 * 86_400_000)) * 32 * 86_400_000,
  });
});

test('a page that only gets later buckets keeps the earlier ones packed', () => {
  const page = createBucketPage(60_000);
  for (let minute = 0; minute < 10; minute++) {
    const [, delta] = tallied(tableOf([{ ts: minute * 60_000, sensor: 's', fields: { volume: minute } }]), minute + 1);
    merge('minute', page, delta!.delta);
    encode('minute', page);
    assert.deepEqual([page.packed.count, page.open.length], [minute, 1]);
  }
  assert.deepEqual(
    bucketsOf(page).map(({ number }) => number),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
});

/** What all of a table's events add. */
function tallied(table: EventTable, first: number): PageDelta[] {
  return allAtOnce(tally('d', table, first, [{ first, last: first + table.count - 1 }]));
}

function tableOf(events: readonly TelemetryEvent[]) {
  const builder = createTableBuilder();
  for (const one of events) assert(builder.add(one));
  return builder.build();
}

function readAll(page: Page): void {
  if ('packed' in page) bucketsOf(page);
}

function shown(names: readonly string[], { events, aggregates }: Bucket) {
  const measures = names.flatMap((measureName, place) => {
    const aggregate = aggregates[place];
    return aggregate === undefined ? [] : [[measureName, { ...aggregate, sum: formatDecimal(aggregate.sum) }]];
  });
  return { events, measures: Object.fromEntries(measures) };
}

function naive(events: readonly TelemetryEvent[], first: number, bucketMs: number): Map<string, unknown> {
  type Naive = { events: number; measures: Record<string, Omit<Aggregate, 'sum'> & { sum: Decimal }> };
  const buckets = new Map<string, Naive>();
  events.forEach(({ ts, sensor, fields }, i) => {
    const key = `${sensor} ${bucketMs === Infinity ? 0 : Math.floor(ts / bucketMs)}`;
    const bucket = buckets.get(key) ?? { events: 0, measures: {} };
    buckets.set(key, bucket);
    bucket.events += 1;
    for (const [field, value] of Object.entries(fields)) {
      if (typeof value !== 'number') continue;
      const before = bucket.measures[field];
      const later = before === undefined || ts >= before.lastTs;
      bucket.measures[field] = {
        count: (before?.count ?? 0) + 1,
        sum: addDecimals(before?.sum ?? { digits: 0n, scale: 0 }, decimalOf(value)),
        min: Math.min(before?.min ?? Infinity, value),
        max: Math.max(before?.max ?? -Infinity, value),
        last: later ? value : before.last,
        lastTs: later ? ts : before.lastTs,
        lastSequence: later ? first + i : before.lastSequence,
      };
    }
  });
  const entries = [...buckets].map(([key, { events: count, measures }]) => {
    const texts = Object.entries(measures).map(([field, { sum, ...rest }]) => [
      field,
      { ...rest, sum: formatDecimal(sum) },
    ]);
    return [key, { events: count, measures: Object.fromEntries(texts) }] as const;
  });
  return new Map(entries.sort());
}

test('a device page of an earlier version is read, and does not know the sums over its sensors', () => {
  const bytes =
    'AwMoiQYAAACilBptQgCgAKKUGm1CAAAAAAAAEMAAAAAAAAAiQAAAAAAAACBAAgEBAQZ2b2x1bWUC4oEDASBhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYgAAAAAAABRAAAAAAAAAGEAAAAAAAAAcwDIHAAM=';
  const page = pageOperator.decode('device', Buffer.from(bytes, 'base64')) as DevicePage;
  const { batches, events, tsPast, gapSums, report, totals, sensors } = page;
  assert.deepEqual([batches, events, tsPast, totals, sensors], [3, 40, 8, undefined, 0]);
  assert.deepEqual(gapSums, new Map([['volume', { digits: -12_345n, scale: 2 }]]));
  assert.equal(report?.queue.recorded, 50);
  const one = (value: number): Aggregate => {
    const [min, max, last] = [value, value, value];
    return { count: 1, sum: decimalOf(value), min, max, last, lastTs: 0, lastSequence: 1 };
  };
  const added = new Map([['a', one(1)]]);
  merge('device', page, { ...emptyDevicePage(), totals: added });
  assert.equal(page.totals, undefined, 'a part does not pass for the whole');
  const before = new Map([['a', one(5)]]);
  // Of two batches that know what was before, it counts once.
  for (let batch = 0; batch < 2; batch += 1) {
    const delta: DeviceDelta = { ...emptyDevicePage(), totals: added, before, sensors: 1, names: 2 };
    merge('device', page, delta);
  }
  const again = pageOperator.decode('device', encode('device', page)) as DevicePage;
  const sums = allAtOnce(unpackTotals(again.totals as Uint8Array));
  assert.deepEqual([again.sensors, again.names, sums.get('a')?.count], [1, 2, 3]);
  assert.equal(formatDecimal(sums.get('a')!.sum), '7');
});
