/**
 * TableBuilder: events in, table out.
 *
 * Owns the append side of a table: typed buffers that grow by doubling and are grouped by sensor once, at the end.
 * Promises that an event which is refused leaves no trace. Never keeps a reference to what it was given.
 */
import assert from 'node:assert';
import {
  checkFieldCount,
  checkFieldName,
  checkSensor,
  checkTime,
  type FieldKind,
  kindOf,
  type TelemetryEvent,
} from './event.ts';
import { BATCH_CELLS_MAX, BATCH_EVENTS_MAX, COLUMNS_MAX, SENSORS_MAX } from './limits.ts';
import { measuresOf } from './measures.ts';
import { type Column, type EventTable, eventsInRows, rowsInSequence, startsOf, valueCount } from './table.ts';

export interface TableBuilder {
  readonly count: number;
  /** Values held so far: with `count`, what bounds the size of the block. */
  readonly cells: number;
  /**
   * Appends one event, unless the table has no room for another sensor or column: then false, and the caller builds
   * this table and starts the next.
   * @throws CodecError with an `event-…` code
   */
  add(event: TelemetryEvent): boolean;
  /** Appends events `from` … `to - 1` of a table; false as above, and then nothing is appended. */
  addTable(table: EventTable, from?: number, to?: number): boolean;
  /** The table of what was added. The builder is empty afterwards and may be used again. */
  build(): EventTable;
}

export function createTableBuilder(): TableBuilder {
  return new Builder();
}

/** Events `from` … `to - 1` (0-based, in sequence order) as a table of their own. */
export function sliceTable(table: EventTable, from: number, to: number): EventTable {
  if (from === 0 && to === table.count) return table;
  const builder = new Builder();
  assert(builder.addTable(table, from, to), 'a part of a table fits a table');
  return builder.build();
}

/** A growing run of numbers, each beside the event that it belongs to. */
class Cells {
  events = new Uint32Array(64);
  numbers = new Float64Array(64);
  count = 0;

  push(event: number, number: number): void {
    if (this.count === this.numbers.length) {
      this.events = grown(this.events, new Uint32Array(2 * this.count));
      this.numbers = grown(this.numbers, new Float64Array(2 * this.count));
    }
    this.events[this.count] = event;
    this.numbers[this.count++] = number;
  }
}

function grown<T extends Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

class Dictionary {
  readonly texts: string[] = [];
  readonly #places = new Map<string, number>();

  place(text: string): number {
    let place = this.#places.get(text);
    if (place === undefined) {
      place = this.texts.push(text) - 1;
      this.#places.set(text, place);
    }
    return place;
  }

  has(text: string): boolean {
    return this.#places.has(text);
  }
}

interface ColumnCells {
  readonly kind: FieldKind;
  readonly name: string;
  readonly cells: Cells;
  readonly texts: Dictionary;
}

class Builder implements TableBuilder {
  #sensors = new Dictionary();
  #events = new Cells();
  #columns: ColumnCells[] = [];
  #places: Record<FieldKind, Map<string, ColumnCells>> = emptyPlaces();
  cells = 0;

  get count(): number {
    return this.#events.count;
  }

  add(event: TelemetryEvent): boolean {
    const { ts, sensor, fields } = event;
    checkTime(ts);
    const newSensor = !this.#sensors.has(sensor);
    if (newSensor) checkSensor(sensor);
    let present = 0;
    let newColumns = 0;
    for (const name in fields) {
      const value = fields[name];
      if (value === null || value === undefined) continue;
      present++;
      if (!this.#places[kindOf(name, value)].has(name)) {
        checkFieldName(name);
        newColumns++;
      }
    }
    checkFieldCount(present);
    if (!this.#hasRoom(newSensor ? 1 : 0, newColumns, 1, present)) return false;
    const at = this.count;
    this.#events.push(this.#sensors.place(sensor), ts);
    for (const name in fields) {
      const value = fields[name];
      if (value === null || value === undefined) continue;
      if (typeof value === 'number') this.#column('measure', name).cells.push(at, value);
      else if (typeof value === 'boolean') this.#column('flag', name).cells.push(at, value ? 1 : 0);
      else {
        const column = this.#column('text', name);
        column.cells.push(at, column.texts.place(value));
      }
    }
    this.cells += present;
    return true;
  }

  addTable(table: EventTable, from = 0, to = table.count): boolean {
    const newSensors = table.sensors.filter((sensor) => !this.#sensors.has(sensor)).length;
    const newColumns = table.columns.filter((column) => !this.#places[column.kind].has(column.name)).length;
    const cells = table.columns.reduce((sum, column) => sum + valueCount(column), 0);
    if (!this.#hasRoom(newSensors, newColumns, to - from, cells)) return false;
    const base = this.count - from;
    const rows = rowsInSequence(table);
    const events = eventsInRows(table);
    for (let event = from; event < to; event++) {
      this.#events.push(this.#sensors.place(table.sensors[table.order[event]!]!), table.times[rows[event]!]!);
    }
    for (const column of table.columns) {
      const count = valueCount(column);
      for (let position = 0; position < count; position++) {
        const event = events[column.rows === null ? position : column.rows[position]!]!;
        if (event < from || event >= to) continue;
        const target = this.#column(column.kind, column.name);
        target.cells.push(base + event, numberAt(column, position, target.texts));
        this.cells++;
      }
    }
    return true;
  }

  build(): EventTable {
    const count = this.count;
    const order = Float64Array.from(this.#events.events.subarray(0, count));
    const starts = startsOf(order, this.#sensors.texts.length);
    const rows = rowsInSequence({ order, starts });
    const times = new Float64Array(count);
    for (let event = 0; event < count; event++) times[rows[event]!] = this.#events.numbers[event]!;
    const columns = this.#columns.map((column) => columnOf(column, rows));
    const table = { count, sensors: this.#sensors.texts, order, starts, times, columns };
    this.#sensors = new Dictionary();
    this.#events = new Cells();
    this.#columns = [];
    this.#places = emptyPlaces();
    this.cells = 0;
    return table;
  }

  #column(kind: FieldKind, name: string): ColumnCells {
    let column = this.#places[kind].get(name);
    if (column === undefined) {
      column = { kind, name, cells: new Cells(), texts: new Dictionary() };
      this.#columns.push(column);
      this.#places[kind].set(name, column);
    }
    return column;
  }

  #hasRoom(sensors: number, columns: number, events: number, cells: number): boolean {
    return (
      this.#sensors.texts.length + sensors <= SENSORS_MAX &&
      this.#columns.length + columns <= COLUMNS_MAX &&
      this.count + events <= BATCH_EVENTS_MAX &&
      this.cells + cells <= BATCH_CELLS_MAX
    );
  }
}

function emptyPlaces(): Record<FieldKind, Map<string, ColumnCells>> {
  return { measure: new Map(), text: new Map(), flag: new Map() };
}

function numberAt(column: Column, position: number, texts: Dictionary): number {
  if (column.kind === 'measure') return column.measures.values[position]!;
  if (column.kind === 'flag') return column.flags[position]!;
  return texts.place(column.dictionary[column.indices[position]!]!);
}

/** Moves a column's cells from sequence order to row order. */
function columnOf(column: ColumnCells, rowOf: Uint32Array): Column {
  const { kind, name, cells, texts } = column;
  const total = rowOf.length;
  const byRow = new Float64Array(total);
  const present = new Uint8Array(total);
  for (let i = 0; i < cells.count; i++) {
    const row = rowOf[cells.events[i]!]!;
    byRow[row] = cells.numbers[i]!;
    present[row] = 1;
  }
  let rows: Uint32Array | null = null;
  let numbers = byRow;
  if (cells.count < total) {
    rows = new Uint32Array(cells.count);
    numbers = new Float64Array(cells.count);
    let position = 0;
    for (let row = 0; row < total; row++) {
      if (present[row] === 0) continue;
      rows[position] = row;
      numbers[position++] = byRow[row]!;
    }
  }
  if (kind === 'measure') return { kind, name, rows, measures: measuresOf(numbers) };
  if (kind === 'text') return { kind, name, rows, dictionary: texts.texts, indices: numbers };
  return { kind, name, rows, flags: Uint8Array.from(numbers) };
}
