/**
 * Hostile bytes: whatever comes, only a CodecError comes out, in bounded time and memory, and the decoder works on.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode } from '@msgpack/msgpack';
import {
  BATCH_BYTES_MAX,
  BATCH_CELLS_MAX,
  BATCH_EVENTS_MAX,
  COLUMNS_MAX,
  CodecError,
  decodeBatch,
  digestOf,
  encodeBatch,
  encodeColumns,
  eventsOf,
  NODES_MAX,
  SENSORS_MAX,
  sliceTable,
  sumMeasures,
  type TelemetryEvent,
} from '../../src/codec/index.ts';
import { cpuMs, yardstickMs } from '../processor-time.ts';
import { coded, eventsIn, headerOf, recoded, tableOf } from './events.ts';
import { createRandom, seedOf } from './property.ts';

const INPUTS = 8_000;

/** No input of the wire may cost more, in yardsticks: half a second of a usual machine, where each takes a tenth. */
const YARDS_MAX = 20;

function batchOf(events: readonly TelemetryEvent[]): Uint8Array {
  const gaps = [{ first: 3, last: 9, reason: 'quota' as const, sums: { volume: '1.5' } }];
  return encodeBatch(headerOf(events.length, { gaps }), encodeColumns(tableOf(events)));
}

/** Batches with every kind of column, short enough for a mutation to matter. */
const CORPUS: readonly Uint8Array[] = [
  batchOf([]),
  batchOf([{ ts: 1_700_000_000_000, sensor: 'a', fields: { volume: 1.25 } }]),
  batchOf(
    Array.from({ length: 12 }, (_, i) => ({
      ts: 1_700_000_000_000 + 250 * i + (i % 3),
      sensor: ['inlet', 'outlet', 'weir'][i % 3]!,
      fields: {
        volume: i / 8,
        ...(i % 2 === 0 && { temperature: i === 4 ? 21.399999999999995 : 21.4 + i / 10 }),
        ...(i % 4 === 1 && { state: i < 6 ? 'open' : 'shut', alarm: i > 6 }),
        raw: Math.sin(i),
      },
    })),
  ),
  batchOf(
    Array.from({ length: 9 }, (_, i) => ({
      ts: i ** 3,
      sensor: 'x',
      fields: { far: i === 5 ? 1e300 : i, big: i * 2 ** 45 },
    })),
  ),
];

/** Everything that a gateway does with a batch. */
function consume(bytes: Uint8Array): void {
  const { table, first } = decodeBatch(bytes);
  digestOf(table, first)(0, table.count);
  for (const column of table.columns) if (column.kind === 'measure') sumMeasures(column.measures);
  for (const event of eventsOf(table)) assert(Object.keys(event.fields).length > 0);
  assert.equal(sliceTable(table, 0, table.count >> 1).count, table.count >> 1);
  assert.deepEqual(eventsIn(recoded(table)), eventsIn(table));
}

/** True where the bytes were a batch after all. */
function survives(bytes: Uint8Array): boolean {
  try {
    consume(bytes);
    return true;
  } catch (error) {
    if (!(error instanceof CodecError)) {
      throw new Error(`${Buffer.from(bytes).toString('hex')}: ${String(error)}`, { cause: error });
    }
    return false;
  }
}

test('mutated batches give a CodecError or a batch, and nothing else', (t) => {
  const random = createRandom(seedOf(t));
  const below = (bound: number): number => Math.floor(random() * bound);
  const mutate = (bytes: Uint8Array): Uint8Array => {
    const copy = Buffer.from(bytes);
    const at = below(copy.length);
    switch (below(6)) {
      case 0:
        copy[at] = below(256);
        return copy;
      case 1:
        copy[at]! ^= 1 << below(8);
        return copy;
      case 2:
        return copy.subarray(0, at);
      case 3:
        return Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1 + below(4))]);
      case 4:
        return Buffer.concat([copy.subarray(0, at), Buffer.from([below(256)]), copy.subarray(at)]);
      default:
        // The extremes of lengths, counts and varints.
        copy.fill(below(2) === 0 ? 0xff : 0x00, at, Math.min(copy.length, at + 1 + below(8)));
        return copy;
    }
  };
  let accepted = 0;
  for (let i = 0; i < INPUTS; i++) {
    let bytes = CORPUS[below(CORPUS.length)]!;
    for (let rounds = 1 + below(3); rounds > 0 && bytes.length > 0; rounds--) bytes = mutate(bytes);
    if (survives(bytes)) accepted++;
  }
  t.diagnostic(`${accepted} of ${INPUTS} were batches after all`);
  assert(accepted > 0 && accepted < INPUTS / 2);
  for (const bytes of CORPUS) consume(bytes);
});

test('bytes without any sense are refused', (t) => {
  const random = createRandom(seedOf(t));
  for (let i = 0; i < 2_000; i++) {
    const bytes = Uint8Array.from({ length: Math.floor(random() * 60) }, () => random() * 256);
    assert(!survives(bytes));
  }
});

const constant = Uint8Array.of(0x10, 2);

function fieldsBomb(columns: number, field: (name: string) => unknown[]): Uint8Array {
  const fields = Array.from({ length: columns }, (_, i) => field(`f${i}`));
  const element = [BATCH_EVENTS_MAX, ['a'], null, constant, fields];
  return encode({
    v: 1,
    stream: new Uint8Array(16),
    first: 1,
    count: BATCH_EVENTS_MAX,
    sent: 0,
    queue: [0, 0, 0, 0],
    gaps: [],
    columns: element,
  });
}

test('constant columns do not blow up: the cells are counted before they are made', () => {
  const measure = (name: string): unknown[] => [name, 0, null, 0, constant, null, null, null];
  const most = fieldsBomb(BATCH_CELLS_MAX / BATCH_EVENTS_MAX, measure);
  assert(most.length < 1_000);
  assert.equal(decodeBatch(most).table.columns.length, 32);
  const before = process.memoryUsage().arrayBuffers;
  assert.throws(() => decodeBatch(fieldsBomb(COLUMNS_MAX, measure)), coded('batch-limit'));
  const held = process.memoryUsage().arrayBuffers - before;
  assert(held < 24 * BATCH_CELLS_MAX, `${held} bytes`);
});

test('the costliest columns are decoded and counted in bounded time', () => {
  // All cells odd, of the longest decimals there are, in both directions.
  const doubles = Buffer.alloc(8 * BATCH_EVENTS_MAX);
  for (let i = 0; i < BATCH_EVENTS_MAX; i++) doubles[7 * BATCH_EVENTS_MAX + i] = i % 2 === 0 ? 0x7f : 0x00;
  doubles.fill(0x5b, 0, 6 * BATCH_EVENTS_MAX);
  const bytes = fieldsBomb(BATCH_CELLS_MAX / BATCH_EVENTS_MAX - 1, (name) => [name, 0, null, doubles]);
  const decoding = cpuMs(() => decodeBatch(bytes));
  const { table } = decodeBatch(bytes);
  const counting = cpuMs(() => {
    for (const column of table.columns) if (column.kind === 'measure') sumMeasures(column.measures);
    digestOf(table, 1)(0, table.count);
  });
  const yardMs = yardstickMs();
  assert(decoding < YARDS_MAX * yardMs, `decoded in ${decoding} ms, of ${yardMs} a yard`);
  assert(counting < 10 * YARDS_MAX * yardMs, `counted in ${counting} ms, of ${yardMs} a yard`);
});

test('a great many small things are refused or taken in bounded time', () => {
  const list = (count: number, filler: number): Buffer => {
    const bytes = Buffer.alloc(5 + count, filler);
    bytes[0] = 0xdd;
    bytes.writeUInt32BE(count, 1);
    return bytes;
  };
  const yardMs = yardstickMs();
  const presence = Buffer.alloc(BATCH_EVENTS_MAX / 8, 0x55);
  const sensors = Array.from({ length: SENSORS_MAX }, (_, i) => `s${i}`);
  const order = Buffer.concat([Buffer.from([2]), Buffer.alloc(2 * BATCH_EVENTS_MAX, 1)]);
  for (const [name, bytes] of Object.entries({
    'nil by the million': list(BATCH_BYTES_MAX - 5, 0xc0),
    'empty maps': list(NODES_MAX - 1, 0x80),
    'empty texts': list(NODES_MAX - 1, 0xa0),
    'nesting without end': Buffer.alloc(1_000_000, 0x91),
    'half presence in every column': fieldsBomb(COLUMNS_MAX, (field) => [
      field,
      2,
      presence,
      Buffer.alloc(BATCH_EVENTS_MAX / 16),
    ]),
    'sensors without events': encode([BATCH_EVENTS_MAX, sensors, order, constant, []]),
  })) {
    const took = cpuMs(() => survives(bytes));
    assert(took < YARDS_MAX * yardMs, `${name}: ${took} ms, of ${yardMs} a yard`);
  }
});

test('names of prototypes are names', () => {
  const names = ['constructor', 'toString', 'hasOwnProperty', 'valueOf', 'prototype', '__defineGetter__'];
  const fields = Object.fromEntries(names.map((name) => [name, 1.5]));
  const events = names.map((sensor) => ({ ts: 0, sensor, fields }));
  const sums = Object.fromEntries(names.map((name) => [name, '1.5']));
  const gaps = [{ first: 1, last: 2, reason: 'quota' as const, sums }];
  const batch = decodeBatch(encodeBatch(headerOf(events.length, { gaps }), encodeColumns(tableOf(events))));
  assert.deepEqual(eventsIn(batch.table), events);
  assert.deepEqual(batch.gaps, gaps);
  assert.equal(({} as Record<string, unknown>)['volume'], undefined);
});

test('sequences up to 2^53 - 1 are sequences, and no more', () => {
  const columns = encodeColumns(tableOf([{ ts: 0, sensor: 'a', fields: { volume: 1 } }]));
  const batchFrom = (first: string): Uint8Array => {
    const bytes = Buffer.from(encodeBatch(headerOf(1, { first: 2 ** 40 }), columns));
    const at = bytes.indexOf(Buffer.from(encode(2 ** 40)));
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(first, 'hex'), bytes.subarray(at + 9)]);
  };
  assert.equal(decodeBatch(batchFrom('cf001fffffffffffff')).first, Number.MAX_SAFE_INTEGER);
  for (const first of [
    'cf0020000000000000',
    'cf0020000000000001',
    'cfffffffffffffffff',
    'd38000000000000000',
    'd3ffffffffffffffff',
    'cb7ff0000000000000',
    'cb7ff8000000000000',
  ]) {
    assert.throws(() => decodeBatch(batchFrom(first)), coded('batch-malformed'), first);
  }
});
