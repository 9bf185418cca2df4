/**
 * TableBuilder: events in, table out.
 *
 * Owns the append side of a table, up to the limits of a batch: what it builds, every decoder takes.
 * Promises that an event which is refused leaves no trace. Never keeps a reference to what it was given.
 */
import assert from 'node:assert';
import { type ColumnCells, columnOf, createCells, createDictionary } from './cells.ts';
import {
  checkFieldCount,
  checkFieldName,
  checkForm,
  checkSensor,
  checkTime,
  type FieldKind,
  kindOf,
  type TelemetryEvent,
} from './event.ts';
import {
  BATCH_CELLS_MAX,
  BATCH_EVENTS_MAX,
  BATCH_TEXT_BYTES_MAX,
  BATCH_TEXTS_MAX,
  COLUMNS_MAX,
  SENSORS_MAX,
} from './limits.ts';
import { type EventTable, eventsInRows, rowsInSequence, startsOf, valueAt, valueCount } from './table.ts';

export interface TableBuilder {
  readonly count: number;
  /** Values held so far: with `count`, what bounds the size of the block. */
  readonly cells: number;
  /**
   * Appends one event, unless it would take the table past a limit of the batch: then false, and the caller builds this
   * table and starts the next. An empty builder takes any event.
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

/** What counts against the limits of a batch. */
interface Size {
  events: number;
  cells: number;
  sensors: number;
  columns: number;
  texts: number;
  textBytes: number;
}

class Builder implements TableBuilder {
  #sensors = createDictionary();
  #events = createCells();
  #columns: ColumnCells[] = [];
  #places: Record<FieldKind, Map<string, ColumnCells>> = emptyPlaces();
  #texts = 0;
  #textBytes = 0;
  cells = 0;

  get count(): number {
    return this.#events.count;
  }

  add(event: TelemetryEvent): boolean {
    checkForm(event);
    const { ts, sensor, fields } = event;
    checkTime(ts);
    const newSensor = !this.#sensors.has(sensor);
    if (newSensor) checkSensor(sensor);
    const more: Size = { events: 1, cells: 0, sensors: newSensor ? 1 : 0, columns: 0, texts: 0, textBytes: 0 };
    for (const name in fields) {
      const value = fields[name];
      if (value === null || value === undefined) continue;
      more.cells++;
      const column = this.#places[kindOf(name, value)].get(name);
      if (column === undefined) {
        checkFieldName(name);
        more.columns++;
      }
      if (typeof value === 'string' && !column?.texts.has(value)) measureText(value, more);
    }
    checkFieldCount(more.cells);
    if (!this.#hasRoom(more)) return false;
    const at = this.count;
    // Minus zero is a time like zero, and no integer on the wire.
    this.#events.push(this.#sensors.place(sensor), ts + 0);
    for (const name in fields) {
      const value = fields[name];
      if (value === null || value === undefined) continue;
      if (typeof value === 'number') this.#column('measure', name).cells.push(at, value);
      else if (typeof value === 'boolean') this.#column('flag', name).cells.push(at, value ? 1 : 0);
      else {
        const column = this.#column('text', name);
        column.cells.push(at, this.#text(column, value));
      }
    }
    this.cells += more.cells;
    return true;
  }

  addTable(table: EventTable, from = 0, to = table.count): boolean {
    if (!this.#hasRoom(this.#sizeOf(table, to - from))) return false;
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
        const value = valueAt(column, position);
        target.cells.push(base + event, typeof value === 'string' ? this.#text(target, value) : Number(value));
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
    this.#sensors = createDictionary();
    this.#events = createCells();
    this.#columns = [];
    this.#places = emptyPlaces();
    this.cells = 0;
    this.#texts = 0;
    this.#textBytes = 0;
    return table;
  }

  #column(kind: FieldKind, name: string): ColumnCells {
    let column = this.#places[kind].get(name);
    if (column === undefined) {
      column = { kind, name, cells: createCells(), texts: createDictionary() };
      this.#columns.push(column);
      this.#places[kind].set(name, column);
    }
    return column;
  }

  #text(column: ColumnCells, text: string): number {
    if (!column.texts.has(text)) {
      this.#texts++;
      this.#textBytes += Buffer.byteLength(text);
    }
    return column.texts.place(text);
  }

  /** What so many of a table's events would add at most. */
  #sizeOf(table: EventTable, events: number): Size {
    const size: Size = { events, cells: 0, sensors: 0, columns: 0, texts: 0, textBytes: 0 };
    for (const sensor of table.sensors) if (!this.#sensors.has(sensor)) size.sensors++;
    for (const column of table.columns) {
      const known = this.#places[column.kind].get(column.name);
      if (known === undefined) size.columns++;
      size.cells += valueCount(column);
      if (column.kind !== 'text') continue;
      for (const text of column.dictionary) if (!known?.texts.has(text)) measureText(text, size);
    }
    return size;
  }

  #hasRoom(more: Size): boolean {
    return (
      this.count + more.events <= BATCH_EVENTS_MAX &&
      this.cells + more.cells <= BATCH_CELLS_MAX &&
      this.#sensors.texts.length + more.sensors <= SENSORS_MAX &&
      this.#columns.length + more.columns <= COLUMNS_MAX &&
      this.#texts + more.texts <= BATCH_TEXTS_MAX &&
      this.#textBytes + more.textBytes <= BATCH_TEXT_BYTES_MAX
    );
  }
}

function measureText(text: string, size: Size): void {
  size.texts++;
  size.textBytes += Buffer.byteLength(text);
}

function emptyPlaces(): Record<FieldKind, Map<string, ColumnCells>> {
  return { measure: new Map(), text: new Map(), flag: new Map() };
}
