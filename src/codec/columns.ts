/**
 * Columns: a table as bytes and back (proto-spec/batch.md, "Columns").
 *
 * Owns the msgpack shape of the columns element, which is a device's block on disk and, unchanged, the greater part of
 * a batch. Promises that decoding refuses what does not describe exactly one table, and checks every count against its
 * limit before allocating for it. Never knows sequence numbers, streams or devices.
 */
import { Encoder } from '@msgpack/msgpack';
import { HEAP, type Memory } from './arena.ts';
import { flagsAt, packBits, placesOf, unpackBits } from './bits.ts';
import { CodecError, type CodecErrorCode } from './errors.ts';
import { isName, isText } from './event.ts';
import type { Kinship } from './fractions.ts';
import { decodeIntegers, encodeIntegers } from './integers.ts';
import {
  BATCH_CELLS_MAX,
  BATCH_EVENTS_MAX,
  BATCH_TEXT_BYTES_MAX,
  BATCH_TEXTS_MAX,
  COLUMNS_MAX,
  FIELDS_MAX,
  SENSORS_MAX,
  TEXT_BYTES_MAX,
} from './limits.ts';
import { packMeasures, unpackMeasures } from './measures.ts';
import { msgpackInSteps } from './msgpack.ts';
import { allAtOnce, type Steps } from './steps.ts';
import { type Column, type EventTable, type Rows, startsOf, type TextColumn, valueCount } from './table.ts';

const MEASURE = 0;
const TEXT = 1;
const FLAG = 2;

const encoder = new Encoder({ ignoreUndefined: true });

/** `[count, sensors, order | nil, times, fields]` as msgpack. */
export function encodeColumns(table: EventTable): Uint8Array {
  return allAtOnce(encodeColumnsInSteps(table));
}

/** What packing a value weighs (see `Steps`), and looking at a text. */
const PACK_WEIGHT = 3;
const TEXT_WEIGHT = 4;

/** As `encodeColumns`, with a step for each column. */
export function* encodeColumnsInSteps(table: EventTable): Steps<Uint8Array> {
  const order = table.sensors.length > 1 ? encodeIntegers(table.order) : null;
  const times = encodeIntegers(table.times);
  yield PACK_WEIGHT * table.count;
  const fields: unknown[] = [];
  const kin: Kinship = {};
  for (const column of table.columns) {
    fields.push(fieldOf(column, table.count, kin));
    yield PACK_WEIGHT * valueCount(column);
  }
  return encoder.encode([table.count, table.sensors, order, times, fields]);
}

/**
 * @throws CodecError `batch-malformed`, `batch-limit` or `batch-column`
 */
export function decodeColumns(bytes: Uint8Array): EventTable {
  return allAtOnce(decodeColumnsInSteps(bytes));
}

/** As `decodeColumns`, with a step for each column. The table lies in `memory`. */
export function* decodeColumnsInSteps(bytes: Uint8Array, memory = HEAP): Steps<EventTable> {
  return yield* columnsInSteps(yield* msgpackInSteps(bytes), memory);
}

/** The table that a decoded columns element describes. */
export function columnsFrom(element: unknown): EventTable {
  return allAtOnce(columnsInSteps(element));
}

/** As `columnsFrom`, with a step for each column. */
export function* columnsInSteps(element: unknown, memory = HEAP): Steps<EventTable> {
  const [count, sensors, order, times, fields] = tuple(element, 5, 'columns');
  if (!isCount(count)) throw fault('batch-malformed', 'count');
  if (count > BATCH_EVENTS_MAX) throw fault('batch-limit', `${count} events; ${BATCH_EVENTS_MAX} are the most`);
  const names = sensorsFrom(sensors, count);
  const places = orderFrom(order, count, names.length, memory);
  const instants = decodeIntegers(binary(times, 'times'), count, memory).values;
  const list = array(fields, 'fields');
  if (list.length > COLUMNS_MAX) throw fault('batch-limit', `${list.length} columns; ${COLUMNS_MAX} are the most`);
  const left = { cells: BATCH_CELLS_MAX, texts: BATCH_TEXTS_MAX, textBytes: BATCH_TEXT_BYTES_MAX };
  const columns: Column[] = [];
  for (const field of list) {
    columns.push(yield* columnFrom(field, count, left, memory));
    yield count;
  }
  if (new Set(columns.map((column) => `${column.kind} ${column.name}`)).size !== columns.length) {
    throw fault('batch-malformed', 'two columns of one name and kind');
  }
  yield* checkFields(columns, count);
  const starts = startsOf(places, names.length);
  for (let sensor = 0; sensor < names.length; sensor++) {
    if (starts[sensor] === starts[sensor + 1]) throw fault('batch-malformed', 'a sensor without an event');
  }
  return { count, sensors: names, order: places, starts, times: instants, columns };
}

function fieldOf(column: Column, count: number, kin: Kinship): unknown[] {
  const present = column.rows === null ? null : packBits(flagsAt(column.rows, count));
  switch (column.kind) {
    case 'measure':
      return [column.name, MEASURE, present, ...packMeasures(column.measures, kin)];
    case 'text':
      return [column.name, TEXT, present, column.dictionary, encodeIntegers(column.indices)];
    case 'flag':
      return [column.name, FLAG, present, packBits(column.flags)];
  }
}

/** What of the batch's limits the columns so far have left. */
interface Left {
  cells: number;
  texts: number;
  textBytes: number;
}

function* columnFrom(field: unknown, count: number, left: Left, memory: Memory): Steps<Column> {
  const [name, kind, present, ...parts] = array(field, 'field');
  if (!isName(name) || name === '__proto__') throw fault('batch-malformed', 'field name');
  const rows = rowsFrom(present, count);
  const values = rows === null ? count : rows.length;
  if (values === 0) throw fault('batch-malformed', 'a column without a value');
  left.cells -= values;
  if (left.cells < 0) throw fault('batch-limit', `more than ${BATCH_CELLS_MAX} values`);
  switch (kind) {
    case MEASURE:
      return { kind: 'measure', name, rows, measures: unpackMeasures(parts, values, memory) };
    case TEXT: {
      const [dictionary, indices] = tuple(parts, 2, 'text column');
      return { kind: 'text', name, rows, ...(yield* textsFrom(dictionary, indices, values, left, memory)) };
    }
    case FLAG: {
      const [bits] = tuple(parts, 1, 'flag column');
      return { kind: 'flag', name, rows, flags: unpackBits(binary(bits, 'flags'), values) };
    }
    default:
      throw fault('batch-malformed', 'kind of column');
  }
}

function sensorsFrom(element: unknown, count: number): string[] {
  const sensors = array(element, 'sensors');
  if (sensors.length > SENSORS_MAX) throw fault('batch-limit', `more than ${SENSORS_MAX} sensors`);
  if (count > 0 && sensors.length === 0) throw fault('batch-malformed', 'events without a sensor');
  if (!sensors.every(isName)) throw fault('batch-malformed', 'sensor name');
  if (new Set(sensors).size !== sensors.length) throw fault('batch-malformed', 'a sensor stands twice');
  return sensors;
}

function orderFrom(element: unknown, count: number, sensorCount: number, memory: Memory): Float64Array {
  if (element === null) {
    if (sensorCount > 1) throw fault('batch-malformed', 'several sensors without an order');
    return memory.doubles(count);
  }
  return placesFrom(element, count, sensorCount, 'order', memory);
}

function* textsFrom(
  dictionary: unknown,
  indices: unknown,
  values: number,
  left: Left,
  memory: Memory,
): Steps<Pick<TextColumn, 'dictionary' | 'indices'>> {
  const texts = array(dictionary, 'dictionary');
  left.texts -= texts.length;
  if (left.texts < 0) throw fault('batch-limit', 'too many texts');
  for (const text of texts) {
    if (typeof text !== 'string' || !isText(text, TEXT_BYTES_MAX)) throw fault('batch-malformed', 'dictionary');
    left.textBytes -= Buffer.byteLength(text);
    if (left.textBytes < 0) throw fault('batch-limit', 'texts of too many bytes');
    yield TEXT_WEIGHT;
  }
  const places = placesFrom(indices, values, texts.length, 'text indices', memory);
  return { dictionary: texts as string[], indices: places };
}

/** Integers that each point at one of so many things. */
function placesFrom(element: unknown, count: number, things: number, what: string, memory: Memory): Float64Array {
  const { values, low, high } = decodeIntegers(binary(element, what), count, memory);
  if (count > 0 && (low < 0 || high >= things)) throw fault('batch-column', `${what} out of range`);
  return values;
}

/** The rows that have a value, from their bits; nil stands for every row. */
function rowsFrom(element: unknown, count: number): Rows {
  return element === null ? null : placesOf(unpackBits(binary(element, 'presence'), count));
}

/** Every event has at least one field, not too many, and none twice: columns may share a name, but not a row. */
function* checkFields(columns: readonly Column[], count: number): Steps<void> {
  const names = new Set(columns.map((column) => column.name));
  const everywhere = columns.some((column) => column.rows === null);
  if (names.size === columns.length && columns.length <= FIELDS_MAX && (everywhere || count === 0)) return;
  const fields = new Uint16Array(count);
  for (const name of names) {
    const taken = new Uint8Array(count);
    for (const { rows } of columns.filter((column) => column.name === name)) {
      const values = rows === null ? count : rows.length;
      for (let position = 0; position < values; position++) {
        const row = rows === null ? position : rows[position]!;
        if (taken[row]!++ > 0) throw fault('batch-malformed', `an event has ${name} twice`);
        fields[row]!++;
      }
    }
    yield count;
  }
  if (fields.includes(0)) throw fault('batch-malformed', 'an event without a field');
  if (fields.some((many) => many > FIELDS_MAX))
    throw fault('batch-malformed', `an event of more than ${FIELDS_MAX} fields`);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function array(element: unknown, what: string): unknown[] {
  if (Array.isArray(element)) return element;
  throw fault('batch-malformed', `${what} must be an array`);
}

function tuple(element: unknown, length: number, what: string): unknown[] {
  const list = array(element, what);
  if (list.length !== length) throw fault('batch-malformed', `${what} must have ${length} parts`);
  return list;
}

function binary(element: unknown, what: string): Uint8Array {
  if (element instanceof Uint8Array) return element;
  throw fault('batch-malformed', `${what} must be binary`);
}

function fault(code: CodecErrorCode, message: string): CodecError {
  return new CodecError(code, message);
}
