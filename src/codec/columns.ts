/**
 * Columns: a table as bytes and back (proto-spec/batch.md, "Columns").
 *
 * Owns the msgpack shape of the columns element, which is a device's block on disk and, unchanged, the greater part of a
 * batch. Promises that decoding refuses what does not describe exactly one table, and checks every count against its
 * limit before allocating for it. Never knows sequence numbers, streams or devices.
 */
import { Decoder, Encoder } from '@msgpack/msgpack';
import { CodecError, type CodecErrorCode } from './errors.ts';
import { isName, isText } from './event.ts';
import { decodeIntegers, encodeIntegers } from './integers.ts';
import {
  BATCH_BYTES_MAX,
  BATCH_CELLS_MAX,
  BATCH_EVENTS_MAX,
  COLUMNS_MAX,
  NAME_BYTES_MAX,
  NODES_MAX,
  SENSORS_MAX,
  TEXT_BYTES_MAX,
} from './limits.ts';
import { packMeasures, unpackMeasures } from './measures.ts';
import { checkOutline } from './outline.ts';
import { type Column, type EventTable, type Rows, startsOf, valueCount } from './table.ts';

const MEASURE = 0;
const TEXT = 1;
const FLAG = 2;

const encoder = new Encoder({ ignoreUndefined: true });

/** The library's own bounds, all set; what it has no bound for, `checkOutline` has. */
const decoder = new Decoder({
  maxStrLength: Math.max(NAME_BYTES_MAX, TEXT_BYTES_MAX),
  maxBinLength: BATCH_BYTES_MAX,
  maxArrayLength: NODES_MAX,
  maxMapLength: COLUMNS_MAX,
  maxExtLength: 0,
});

/** `[count, sensors, order | nil, times, fields]` as msgpack. */
export function encodeColumns(table: EventTable): Uint8Array {
  return encoder.encode([
    table.count,
    table.sensors,
    table.sensors.length > 1 ? encodeIntegers(table.order) : null,
    encodeIntegers(table.times),
    table.columns.map((column) => fieldOf(column, table.count)),
  ]);
}

/**
 * @throws CodecError `batch-malformed`, `batch-limit` or `batch-column`
 */
export function decodeColumns(bytes: Uint8Array): EventTable {
  return columnsFrom(decodeMsgpack(bytes));
}

/** Bounded msgpack: the outline first, then the library. */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  if (bytes.length > BATCH_BYTES_MAX) throw fault('batch-limit', `more than ${BATCH_BYTES_MAX} bytes`);
  checkOutline(bytes);
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new CodecError('batch-malformed', `not msgpack: ${(cause as Error).message}`, { cause });
  }
}

/** The table that a decoded columns element describes. */
export function columnsFrom(element: unknown): EventTable {
  const [count, sensors, order, times, fields] = tuple(element, 5, 'columns');
  if (!isCount(count)) throw fault('batch-malformed', 'count');
  if (count > BATCH_EVENTS_MAX) throw fault('batch-limit', `${count} events; ${BATCH_EVENTS_MAX} are the most`);
  const names = sensorsFrom(sensors, count);
  const places = orderFrom(order, count, names.length);
  const list = array(fields, 'fields');
  if (list.length > COLUMNS_MAX) throw fault('batch-limit', `${list.length} columns; ${COLUMNS_MAX} are the most`);
  let cells = 0;
  const seen = new Set<string>();
  const columns = list.map((field) => {
    const column = columnFrom(field, count, BATCH_CELLS_MAX - cells);
    cells += valueCount(column);
    const identity = `${column.kind} ${column.name}`;
    if (seen.has(identity)) throw fault('batch-malformed', `two ${column.kind} columns named ${column.name}`);
    seen.add(identity);
    return column;
  });
  return {
    count,
    sensors: names,
    order: places,
    starts: startsOf(places, names.length),
    times: decodeIntegers(binary(times, 'times'), count).values,
    columns,
  };
}

function fieldOf(column: Column, count: number): unknown[] {
  const present = column.rows === null ? null : bitmapOf(column.rows, count);
  switch (column.kind) {
    case 'measure':
      return [column.name, MEASURE, present, ...packMeasures(column.measures)];
    case 'text':
      return [column.name, TEXT, present, column.dictionary, encodeIntegers(column.indices)];
    case 'flag':
      return [column.name, FLAG, present, bitsOf(column.flags)];
  }
}

function columnFrom(field: unknown, count: number, cellsLeft: number): Column {
  const [name, kind, present, ...parts] = array(field, 'field');
  if (!isName(name) || name === '__proto__') throw fault('batch-malformed', 'field name');
  const rows = rowsFrom(present, count);
  const values = rows === null ? count : rows.length;
  if (values > cellsLeft) throw fault('batch-limit', `more than ${BATCH_CELLS_MAX} values`);
  switch (kind) {
    case MEASURE:
      return { kind: 'measure', name, rows, measures: unpackMeasures(parts, values) };
    case TEXT: {
      const [dictionary, indices] = tuple(parts, 2, 'text column');
      return { kind: 'text', name, rows, ...textsFrom(dictionary, indices, values) };
    }
    case FLAG: {
      const [bits] = tuple(parts, 1, 'flag column');
      return { kind: 'flag', name, rows, flags: flagsFrom(binary(bits, 'flags'), values) };
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

function orderFrom(element: unknown, count: number, sensorCount: number): Float64Array {
  if (element === null) {
    if (sensorCount > 1) throw fault('batch-malformed', 'several sensors without an order');
    return new Float64Array(count);
  }
  const order = decodeIntegers(binary(element, 'order'), count).values;
  if (!order.every((place) => place >= 0 && place < sensorCount)) throw fault('batch-column', 'order out of range');
  return order;
}

function textsFrom(dictionary: unknown, indices: unknown, values: number) {
  const texts = array(dictionary, 'dictionary');
  if (!texts.every((text): text is string => typeof text === 'string' && isText(text, TEXT_BYTES_MAX))) {
    throw fault('batch-malformed', 'dictionary');
  }
  const places = decodeIntegers(binary(indices, 'text indices'), values).values;
  if (!places.every((place) => place >= 0 && place < texts.length)) throw fault('batch-column', 'text out of range');
  return { dictionary: texts, indices: places };
}

/** Bit `row % 8` of byte `row / 8`, least significant first, says that the row has a value. */
function bitmapOf(rows: Uint32Array, count: number): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(count / 8));
  for (const row of rows) bitmap[row >> 3]! |= 1 << (row & 7);
  return bitmap;
}

function rowsFrom(element: unknown, count: number): Rows {
  if (element === null) return null;
  const bitmap = binary(element, 'presence');
  const flags = flagsFrom(bitmap, count);
  const rows = new Uint32Array(flags.reduce((sum, flag) => sum + flag, 0));
  let position = 0;
  for (let row = 0; row < count; row++) if (flags[row] === 1) rows[position++] = row;
  return rows;
}

function bitsOf(flags: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(flags.length / 8));
  for (let i = 0; i < flags.length; i++) bits[i >> 3]! |= flags[i]! << (i & 7);
  return bits;
}

function flagsFrom(bits: Uint8Array, count: number): Uint8Array {
  if (bits.length !== Math.ceil(count / 8)) throw fault('batch-column', 'bits cut short or overlong');
  const flags = new Uint8Array(count);
  for (let i = 0; i < count; i++) flags[i] = (bits[i >> 3]! >> (i & 7)) & 1;
  if (count % 8 !== 0 && bits[bits.length - 1]! >> (count % 8) !== 0) throw fault('batch-column', 'bits past the end');
  return flags;
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
