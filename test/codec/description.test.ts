import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CodecError,
  columnFaultOffset,
  createTableBuilder,
  decodeBatch,
  describeColumns,
  encodeBatch,
  encodeColumns,
  type FieldValue,
  type TelemetryEvent,
} from '../../src/codec/index.ts';
import { anyEvents, isTaken, tableOf } from './events.ts';
import { changed, holds } from './property.ts';

const header = {
  stream: new Uint8Array(16),
  first: 1,
  sentAt: 0,
  queue: { recorded: 0, queued: 0, quarantined: 0, gaps: 0 },
  gaps: [],
};

/** A batch of events a second apart, sensors in turn, with the fields of each. */
function packed(sensors: number, fields: readonly Readonly<Record<string, FieldValue>>[]): Uint8Array {
  const builder = createTableBuilder();
  fields.forEach((values, i) => {
    builder.add({ ts: 1_000 * i, sensor: `s${i % sensors}`, fields: values });
  });
  return encodeBatch({ ...header, count: fields.length }, encodeColumns(builder.build()));
}

function described(bytes: Uint8Array) {
  return describeColumns(bytes, decodeBatch(bytes).table);
}

function formOf(values: readonly FieldValue[]) {
  const bytes = packed(
    1,
    values.map((x) => ({ x })),
  );
  return described(bytes).find(({ name }) => name === 'x')?.packed;
}

const integers = (differences: number, residuals: 'zero' | 'planes' | 'varints', planes = 0) => ({
  differences,
  residuals,
  planes,
});

test('each form of a column is told', () => {
  const forms: [values: FieldValue[], form: unknown][] = [
    [
      [1.5, 1.5, 1.5],
      { form: 'decimals', scale: 1, integers: integers(1, 'zero'), fractionPlaces: 0, nudged: false, odd: 0 },
    ],
    [
      [0, 5, 10, 15],
      { form: 'decimals', scale: 0, integers: integers(2, 'zero'), fractionPlaces: 0, nudged: false, odd: 0 },
    ],
    [
      [0, -0, 0, 0],
      { form: 'decimals', scale: 0, integers: integers(0, 'zero'), fractionPlaces: 0, nudged: false, odd: 1 },
    ],
    [
      [0.3, 0.1 + 0.2, 0.3, 0.3],
      { form: 'decimals', scale: 1, integers: integers(1, 'zero'), fractionPlaces: 0, nudged: true, odd: 0 },
    ],
    [
      Array.from({ length: 60 }, (_, i) => Number((7 + ((7 * i) % 11) / 13).toFixed(14))),
      { form: 'decimals', scale: 14, integers: integers(1, 'planes', 1), fractionPlaces: 12, nudged: false, odd: 0 },
    ],
    [[Math.PI, Math.E, Math.SQRT2, Math.LN2], { form: 'doubles' }],
    [[true, false, true], { form: 'bits' }],
    [['on', 'off', 'on'], { form: 'dictionary', texts: 2, integers: integers(0, 'planes', 1) }],
  ];
  for (const [values, form] of forms) assert.deepEqual(formOf(values), form, String(values));
  const steps = formOf([1_000, -40_000, 70_000, 300, 300, 300, 301]);
  assert(steps?.form === 'decimals' && steps.integers.residuals === 'varints');
});

test('the columns come in the order of the wire, order and time first', () => {
  const columns = described(packed(2, [{ a: 1, b: 'x' }, { a: 2 }, { a: 3, c: true }]));
  assert.deepEqual(
    columns.map(({ kind, name, values }) => [kind, name, values]),
    [
      ['order', '', 3],
      ['time', '', 3],
      ['measure', 'a', 3],
      ['text', 'b', 1],
      ['flag', 'c', 1],
    ],
  );
  const alone = described(packed(1, [{ a: 1 }]));
  assert.deepEqual(
    alone.map(({ kind }) => kind),
    ['time', 'measure'],
  );
});

test('the bytes of a column are those that it adds to the batch', () => {
  const without = packed(1, [{ a: 1 }, { a: 2 }]);
  const bytes = packed(1, [
    { a: 1, b: 'x' },
    { a: 2, b: 'y' },
  ]);
  const added = described(bytes).find(({ name }) => name === 'b')?.packedBytes;
  assert.equal(added, bytes.length - without.length);
});

test('the column at fault is found, whichever it is', () => {
  const bytes = packed(
    2,
    Array.from({ length: 40 }, (_, i) => ({
      volume: (i * 7919) % 100,
      state: i % 3 === 0 ? 'on' : 'off',
      far: Math.PI * 2 ** (i - 20),
    })),
  );
  const faults = Array.from(bytes.keys(), (at) => {
    const broken = bytes.slice();
    broken[at] = 0xff;
    return { at, offset: faultOffset(broken) };
  }).filter(({ offset }) => offset !== undefined);
  // Order, times, a decimal and a raw measure, and a text's indices.
  const columns = new Set(faults.map(({ offset }) => offset));
  assert.equal(columns.size, 5);
  // The first byte of packed integers tells their form, and 0xff is none; a raw measure breaks at its exponents.
  assert.equal(faults.filter(({ at, offset }) => at === offset).length, 4);
});

function faultOffset(bytes: Uint8Array): number | undefined {
  try {
    decodeBatch(bytes);
  } catch (error) {
    if (error instanceof CodecError && error.code === 'batch-column') return columnFaultOffset(bytes);
  }
  return undefined;
}

test('where no column is at fault none is named', () => {
  assert.equal(columnFaultOffset(packed(1, [{ a: 1 }])), undefined);
  assert.equal(columnFaultOffset(Uint8Array.of(0x80)), undefined);
  assert.equal(columnFaultOffset(Uint8Array.of(0x81, 0xa7, ...Buffer.from('columns'), 0x91, 0xc0)), undefined);
});

test('every table is described, column by column, and of changed bytes the fault lies within them', (t) => {
  holds(
    t,
    300,
    anyEvents.chain((events) => fc.tuple(fc.constant(events), changed(batchBytes(events)))),
    ([events, bytes]) => {
      const whole = batchBytes(events);
      const { table } = decodeBatch(whole);
      const columns = describeColumns(whole, table);
      assert.equal(columns.filter(({ kind }) => kind !== 'order' && kind !== 'time').length, table.columns.length);
      assert(columns.reduce((sum, { packedBytes }) => sum + packedBytes, 0) <= whole.length);
      if (isTaken(() => decodeBatch(bytes), 'batch-malformed', 'batch-version', 'batch-limit', 'batch-column')) return;
      const offset = offsetOf(bytes);
      if (offset !== undefined) assert(offset > 0 && offset <= bytes.length, `${offset}`);
    },
  );
});

function batchBytes(events: readonly TelemetryEvent[]): Uint8Array {
  return encodeBatch({ ...header, count: events.length }, encodeColumns(tableOf(events)));
}

/** Where a column is at fault; undefined where it is something else. */
function offsetOf(bytes: Uint8Array): number | undefined {
  try {
    decodeBatch(bytes);
  } catch (error) {
    if (error instanceof CodecError && error.code === 'batch-column') return columnFaultOffset(bytes);
  }
  return undefined;
}
