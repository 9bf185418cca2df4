/**
 * Table: the events of one block or batch, column by column, in memory.
 *
 * Owns the arrangement that both the packing and the counting rely on: rows stand *grouped by sensor* (in the order in
 * which sensors first appear; within a sensor in sequence order), so that like values lie together and a sensor's sums
 * are one loop. `order` leads back to the sequence. Promises that a table never changes once made, until the
 * memory it lies in is released (`arena.ts`). Never holds an object per event.
 */
import { HEAP } from './arena.ts';
import type { FieldValue, TelemetryEvent } from './event.ts';
import type { Measures } from './measures.ts';

/** Rows (ascending) that have a value, or null where every row has one. */
export type Rows = Uint32Array | null;

export interface MeasureColumn {
  readonly kind: 'measure';
  readonly name: string;
  readonly rows: Rows;
  readonly measures: Measures;
}

export interface TextColumn {
  readonly kind: 'text';
  readonly name: string;
  readonly rows: Rows;
  /** Distinct texts, and for each value the place of its text among them. */
  readonly dictionary: readonly string[];
  readonly indices: Float64Array;
}

export interface FlagColumn {
  readonly kind: 'flag';
  readonly name: string;
  readonly rows: Rows;
  /** 0 or 1. */
  readonly flags: Uint8Array;
}

/** One field of one kind. A field that is a number here and a text there has two columns. */
export type Column = MeasureColumn | TextColumn | FlagColumn;

export interface EventTable {
  readonly count: number;
  readonly sensors: readonly string[];
  /** Sensor index of each event in sequence order. */
  readonly order: Float64Array;
  /** Rows `starts[s]` … `starts[s + 1] - 1` are sensor `s`'s. */
  readonly starts: Uint32Array;
  /** Epoch milliseconds of each row. */
  readonly times: Float64Array;
  readonly columns: readonly Column[];
}

/** How many values the column holds. */
export function valueCount(column: Column): number {
  if (column.kind === 'measure') return column.measures.values.length;
  return column.kind === 'text' ? column.indices.length : column.flags.length;
}

/** The value at a position within the column (not a row). */
export function valueAt(column: Column, position: number): FieldValue {
  if (column.kind === 'measure') return column.measures.values[position]!;
  if (column.kind === 'text') return column.dictionary[column.indices[position]!]!;
  return column.flags[position] === 1;
}

/** Where each sensor's rows start, from the sensor index of each event. */
export function startsOf(order: Float64Array, sensorCount: number): Uint32Array {
  const starts = new Uint32Array(sensorCount + 1);
  for (let i = 0; i < order.length; i++) starts[order[i]! + 1]!++;
  for (let sensor = 0; sensor < sensorCount; sensor++) starts[sensor + 1]! += starts[sensor]!;
  return starts;
}

/** The row of each event, in sequence order. */
export function rowsInSequence(table: Pick<EventTable, 'order' | 'starts'>, memory = HEAP): Uint32Array {
  const next = table.starts.slice();
  const rows = memory.words(table.order.length);
  for (let event = 0; event < rows.length; event++) rows[event] = next[table.order[event]!]!++;
  return rows;
}

/** The event (0-based, in sequence order) of each row. */
export function eventsInRows(table: Pick<EventTable, 'order' | 'starts'>): Uint32Array {
  const rows = rowsInSequence(table);
  const events = new Uint32Array(rows.length);
  for (let event = 0; event < rows.length; event++) events[rows[event]!] = event;
  return events;
}

/** The events `from` … `to - 1` (0-based, in sequence order) as objects, for people and exports. */
export function* eventsOf(table: EventTable, from = 0, to = table.count): Generator<TelemetryEvent, void, void> {
  const events = createEventReader(table);
  for (let event = from; event < to; event++) yield events.at(event);
}

/** Looks at events (0-based, in sequence order), and makes objects of those that are asked for alone. */
export interface EventReader {
  timeOf(event: number): number;
  sensorOf(event: number): string;
  /** Takes a look-up in each column; quickest where events are asked for in sequence order. */
  at(event: number): TelemetryEvent;
}

export function createEventReader(table: EventTable): EventReader {
  const { times, sensors, order, columns } = table;
  const rows = rowsInSequence(table);
  const positions = columns.map(positionsByRow);
  const timeOf = (event: number) => times[rows[event]!]!;
  const sensorOf = (event: number) => sensors[order[event]!]!;
  return {
    timeOf,
    sensorOf,
    at(event) {
      const row = rows[event]!;
      const fields: Record<string, FieldValue> = {};
      columns.forEach((column, c) => {
        const position = positions[c]!(row);
        if (position >= 0) fields[column.name] = valueAt(column, position);
      });
      return { ts: timeOf(event), sensor: sensorOf(event), fields };
    },
  };
}

/**
 * Gives the position of a row's value in its column, or -1. No array of as many places as there are rows: 512 columns,
 * each of one value in 65,536 rows, would take 134 MB. Rows mostly come one after another, so the next position is
 * tried first.
 */
function positionsByRow({ rows }: Column): (row: number) => number {
  if (rows === null) return (row) => row;
  /** Of the first value at or behind the row that was asked for last. */
  let at = 0;
  return (row) => {
    if (at < rows.length && rows[at]! < row) at++;
    const isRight = (at === rows.length || rows[at]! >= row) && (at === 0 || rows[at - 1]! < row);
    if (!isRight) at = firstAtOrBehind(rows, row);
    return rows[at] === row ? at : -1;
  };
}

function firstAtOrBehind(rows: Uint32Array, row: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[middle]! < row) low = middle + 1;
    else high = middle;
  }
  return low;
}
