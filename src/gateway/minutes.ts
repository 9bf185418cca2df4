/**
 * Minutes: a table's rows as buckets of a minute.
 *
 * Owns the way from columns to aggregates, and how many of these one batch may come to. Promises work by the run: rows
 * of one sensor within one minute become one bucket with a few loops over columns. Never makes an object for an event,
 * unless that event has a minute to itself.
 */
import { type EventTable, type Measures, type Memory, type Rows, type Steps, sumMeasures } from '../codec/index.ts';
import type { Range } from '../store/index.ts';
import type { Aggregate } from './aggregate.ts';
import { type Bucket, coarser, GRANULARITIES } from './bucket.ts';
import { GatewayError } from './errors.ts';
import { BATCH_AGGREGATES_MAX } from './limits.ts';

/** Ascending buckets, and what stands at each place of their aggregates. */
export interface Minutes {
  readonly names: readonly string[];
  readonly buckets: Bucket[];
}

/**
 * Gives the minutes of one sensor after the other, each once and in order: of the events in `missing`, which is
 * ascending. The table's first has sequence `first`.
 * @throws GatewayError `batch-limit`
 */
export function createMinutes(
  table: EventTable,
  first: number,
  missing: readonly Range[],
  memory: Memory,
): (sensor: number) => Steps<Minutes> {
  const { times, starts } = table;
  const all = cursorsOf(table);
  const rows = { times, aggregatesLeft: BATCH_AGGREGATES_MAX, ...rowsOf(table, first, missing, memory) };
  return function* (sensor) {
    const from = starts[sensor]!;
    const to = starts[sensor + 1]!;
    const cursors = all.filter((cursor) => hasCounted(cursor, rows.isCounted, from, to));
    yield all.length;
    return { names: cursors.map(({ name }) => name), buckets: yield* minutesOf(rows, cursors, from, to) };
  };
}

/** A measure column and the position of the next value in it. */
interface Cursor {
  readonly name: string;
  readonly rows: Rows;
  readonly measures: Measures;
  /** What each value weighs, on average. */
  readonly valueWeight: number;
  position: number;
}

interface CountedRows {
  readonly times: Float64Array;
  /** Of each row. */
  readonly sequences: Float64Array;
  /** 1 for each row that counts; null where all do. */
  readonly isCounted: Uint8Array | null;
  aggregatesLeft: number;
}

/** What an aggregate weighs, and an odd value, where any other value weighs 1 (see `Steps`). */
const AGGREGATE_WEIGHT = 32;
const ODD_WEIGHT = 16;

/** Rows that become one bucket at a time; a longer run is several, combined. */
const ROWS_MAX = 4_096;

/** Between two steps, so that a usual batch has few. */
const STEP_WEIGHT = 8_192;

function rowsOf(
  { order, starts }: EventTable,
  first: number,
  missing: readonly Range[],
  memory: Memory,
): Pick<CountedRows, 'sequences' | 'isCounted'> {
  const next = starts.slice();
  const sequences = memory.doubles(order.length);
  const [whole] = missing;
  const all = whole !== undefined && whole.first <= first && whole.last >= first + order.length - 1;
  const isCounted = all ? null : new Uint8Array(order.length);
  let at = 0;
  for (let event = 0; event < order.length; event++) {
    const row = next[order[event]!]!++;
    const sequence = first + event;
    sequences[row] = sequence;
    if (isCounted === null) continue;
    while (at < missing.length && missing[at]!.last < sequence) at++;
    if (at < missing.length && missing[at]!.first <= sequence) isCounted[row] = 1;
  }
  return { sequences, isCounted };
}

function cursorsOf({ columns }: EventTable): Cursor[] {
  return columns
    .filter((column) => column.kind === 'measure')
    .map(({ name, rows, measures }) => {
      const valueWeight = 1 + (ODD_WEIGHT * measures.odd.length) / measures.values.length;
      return { name, rows, measures, valueWeight, position: 0 };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Moves a cursor to a sensor's rows; false where none of them that counts has a value. */
function hasCounted(cursor: Cursor, isCounted: CountedRows['isCounted'], from: number, to: number): boolean {
  const row = moveTo(cursor, from);
  if (isCounted === null) return row < to;
  const { rows } = cursor;
  if (rows === null) return isCounted.subarray(from, to).includes(1);
  for (let at = cursor.position; at < rows.length && rows[at]! < to; at++) if (isCounted[rows[at]!] === 1) return true;
  return false;
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

/** One sensor's rows that count, as buckets of a minute. */
function* minutesOf(counted: CountedRows, cursors: readonly Cursor[], from: number, to: number): Steps<Bucket[]> {
  const { bucketMs } = GRANULARITIES.minute;
  const { times, sequences, isCounted } = counted;
  const buckets: Bucket[] = [];
  let ascending = true;
  let weight = 0;
  for (let at = from; at < to; ) {
    if (isCounted !== null && isCounted[at] === 0) {
      at++;
      continue;
    }
    const number = Math.floor(times[at]! / bucketMs);
    const end = runEnd(counted, number * bucketMs, at, Math.min(to, at + ROWS_MAX));
    counted.aggregatesLeft -= cursors.length;
    if (counted.aggregatesLeft < 0) {
      throw new GatewayError('batch-limit', `comes to more than ${BATCH_AGGREGATES_MAX} sums`);
    }
    const aggregates: (Aggregate | undefined)[] = [];
    const latest = latestOf(null, times, at, end);
    for (const cursor of cursors) {
      moveTo(cursor, at);
      const aggregate = aggregateOf(cursor, times, sequences, end, latest);
      aggregates.push(aggregate);
      weight += AGGREGATE_WEIGHT + (aggregate === undefined ? 0 : aggregate.count * cursor.valueWeight);
      if (weight < STEP_WEIGHT) continue;
      yield weight;
      weight = 0;
    }
    ascending &&= buckets.length === 0 || buckets[buckets.length - 1]!.number < number;
    buckets.push({ number, events: end - at, aggregates });
    at = end;
  }
  yield weight;
  if (ascending) return buckets;
  buckets.sort((a, b) => a.number - b.number);
  return yield* coarser(buckets, 1);
}

/** Behind the last row of a run within one minute, in which every row counts. */
function runEnd({ times, isCounted }: CountedRows, minuteMs: number, from: number, to: number): number {
  const next = minuteMs + GRANULARITIES.minute.bucketMs;
  let end = from + 1;
  while (end < to && times[end]! >= minuteMs && times[end]! < next) end++;
  const hole = isCounted === null ? -1 : isCounted.subarray(from, end).indexOf(0);
  return hole < 0 ? end : from + hole;
}

/** The values from the cursor up to a row; the cursor moves on to that row. `latest` is the latest of these rows. */
function aggregateOf(
  cursor: Cursor,
  times: Float64Array,
  sequences: Float64Array,
  endRow: number,
  latest: number,
): Aggregate | undefined {
  const { rows, measures, position } = cursor;
  moveTo(cursor, endRow);
  const end = cursor.position;
  if (end === position) return undefined;
  const { values } = measures;
  let min = values[position]!;
  let max = min;
  for (let at = position + 1; at < end; at++) {
    const value = values[at]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const lastAt = rows === null ? latest : latestOf(rows, times, position, end);
  const lastRow = rows === null ? latest : rows[lastAt]!;
  return {
    count: end - position,
    sum: sumMeasures(measures, position, end),
    // Adding zero makes minus zero plain zero, as in sums: the two compare equal, and a page has one form only.
    min: min + 0,
    max: max + 0,
    last: values[lastAt]! + 0,
    lastTs: times[lastRow]!,
    lastSequence: sequences[lastRow]!,
  };
}

/**
 * Of values of these rows, or of rows themselves where `rows` is null, the one with the greatest time. Rows of a sensor
 * ascend by sequence, so of equal times the later row wins.
 */
function latestOf(rows: Rows, times: Float64Array, from: number, end: number): number {
  let latest = from;
  let latestTs = -Infinity;
  for (let at = from; at < end; at++) {
    const ts = times[rows === null ? at : rows[at]!]!;
    if (ts < latestTs) continue;
    latest = at;
    latestTs = ts;
  }
  return latest;
}
