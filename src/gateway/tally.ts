/**
 * Tally: a table's events as additions to pages. This is the gateway's hot path.
 *
 * Owns the way from columns to aggregates. Promises work by the run: rows of one sensor within one minute become one
 * bucket with a few loops over columns, and hours, days and totals are made from minutes. Never makes an object for an
 * event, unless that event has a minute to itself.
 */
import { type EventTable, type Measures, type Rows, sumMeasures } from '../codec/index.ts';
import type { PageKey } from '../store/index.ts';
import type { Aggregate } from './aggregate.ts';
import { type Bucket, coarser, GRANULARITIES, type Granularity, TOTAL_BUCKET_MS } from './bucket.ts';
import { createBucketPage } from './bucket-page.ts';
import { type Page, pageStart } from './pages.ts';

export interface PageDelta {
  readonly key: PageKey;
  readonly delta: Page;
}

/** What the table's events, of which the first has sequence `first`, add to the total and time pages of a device. */
export function tally(deviceId: string, table: EventTable, first: number): PageDelta[] {
  const deltas: PageDelta[] = [];
  const runs = { times: table.times, sequences: sequencesOf(table, first), cursors: cursorsOf(table) };
  table.sensors.forEach((sensor, s) => {
    const from = table.starts[s]!;
    const to = table.starts[s + 1]!;
    if (from === to) return;
    const cursors = runs.cursors.filter((cursor) => moveTo(cursor, from) < to);
    const names = cursors.map(({ name }) => name);
    const minutes = minutesOf({ ...runs, cursors }, from, to);
    const hours = coarser(minutes, 60);
    const days = coarser(hours, 24);
    const total = createBucketPage(TOTAL_BUCKET_MS, names, coarser(days, Infinity));
    deltas.push({ key: { deviceId, kind: 'total', sensor, start: 0 }, delta: total });
    for (const [kind, buckets] of [
      ['minute', minutes],
      ['hour', hours],
      ['day', days],
    ] as const) {
      for (const [start, ofPage] of cutIntoPages(kind, buckets)) {
        const delta = createBucketPage(GRANULARITIES[kind].bucketMs, names, ofPage);
        deltas.push({ key: { deviceId, kind, sensor, start }, delta });
      }
    }
  });
  return deltas;
}

/** A measure column and the position of the next value in it. */
interface Cursor {
  readonly name: string;
  readonly rows: Rows;
  readonly measures: Measures;
  position: number;
}

interface Runs {
  readonly times: Float64Array;
  /** Of each row. */
  readonly sequences: Float64Array;
  /** By name. */
  readonly cursors: readonly Cursor[];
}

function sequencesOf({ order, starts }: EventTable, first: number): Float64Array {
  const next = starts.slice();
  const sequences = new Float64Array(order.length);
  for (let event = 0; event < order.length; event++) sequences[next[order[event]!]!++] = first + event;
  return sequences;
}

function cursorsOf({ columns }: EventTable): Cursor[] {
  return columns
    .filter((column) => column.kind === 'measure')
    .map(({ name, rows, measures }) => ({ name, rows, measures, position: 0 }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Moves a cursor on to the first value at or behind a row; gives the row of that value. */
function moveTo(cursor: Cursor, row: number): number {
  const { rows } = cursor;
  if (rows === null) {
    cursor.position = row;
    return row;
  }
  while (cursor.position < rows.length && rows[cursor.position]! < row) cursor.position++;
  return rows[cursor.position] ?? Infinity;
}

/** One sensor's rows as buckets of a minute. */
function minutesOf({ times, sequences, cursors }: Runs, from: number, to: number): Bucket[] {
  const { bucketMs } = GRANULARITIES.minute;
  const buckets: Bucket[] = [];
  let ascending = true;
  for (let at = from; at < to; ) {
    const number = Math.floor(times[at]! / bucketMs);
    const earliest = number * bucketMs;
    const latest = earliest + bucketMs;
    let end = at + 1;
    while (end < to && times[end]! >= earliest && times[end]! < latest) end++;
    const aggregates = cursors.map((cursor) => aggregateOf(cursor, times, sequences, end));
    ascending &&= buckets.length === 0 || buckets[buckets.length - 1]!.number < number;
    buckets.push({ number, events: end - at, aggregates });
    at = end;
  }
  return ascending
    ? buckets
    : coarser(
        buckets.sort((a, b) => a.number - b.number),
        1,
      );
}

/** The values from the cursor up to a row; the cursor moves on to that row. */
function aggregateOf(
  cursor: Cursor,
  times: Float64Array,
  sequences: Float64Array,
  endRow: number,
): Aggregate | undefined {
  const { rows, measures, position } = cursor;
  moveTo(cursor, endRow);
  if (cursor.position === position) return undefined;
  const { values } = measures;
  let min = values[position]!;
  let max = min;
  let lastAt = position;
  let lastTs = -Infinity;
  for (let at = position; at < cursor.position; at++) {
    const value = values[at]!;
    if (value < min) min = value;
    if (value > max) max = value;
    // Rows of a sensor ascend by sequence, so of equal times the later row wins.
    const ts = times[rows === null ? at : rows[at]!]!;
    if (ts >= lastTs) {
      lastTs = ts;
      lastAt = at;
    }
  }
  return {
    count: cursor.position - position,
    sum: sumMeasures(measures, position, cursor.position),
    // Adding zero makes minus zero plain zero, as in sums: the two compare equal, and a page has one form only.
    min: min + 0,
    max: max + 0,
    last: values[lastAt]! + 0,
    lastTs,
    lastSequence: sequences[rows === null ? lastAt : rows[lastAt]!]!,
  };
}

function* cutIntoPages(
  granularity: Granularity,
  buckets: readonly Bucket[],
): Generator<readonly [start: number, buckets: Bucket[]], void, void> {
  for (let at = 0; at < buckets.length; ) {
    const start = pageStart(granularity, buckets[at]!.number);
    let end = at + 1;
    while (end < buckets.length && pageStart(granularity, buckets[end]!.number) === start) end++;
    yield [start, buckets.slice(at, end)];
    at = end;
  }
}
