/** Events of every kind, and the ways from events to tables and bytes and back. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type BatchHeader,
  CodecError,
  type CodecErrorCode,
  createTableBuilder,
  decodeColumns,
  type EventTable,
  encodeColumns,
  eventsOf,
  type FieldValue,
  type TelemetryEvent,
} from '../../src/codec/index.ts';

export function tableOf(events: Iterable<TelemetryEvent>): EventTable {
  const builder = createTableBuilder();
  for (const event of events) assert(builder.add(event), 'the table has room');
  return builder.build();
}

/** A table with one sensor and one measure. */
export function measureTable(values: readonly number[]): EventTable {
  return tableOf(values.map((volume, i) => ({ ts: 1_000 * i, sensor: 'a', fields: { volume } })));
}

/** Through the bytes and back. */
export function recoded(table: EventTable): EventTable {
  return decodeColumns(encodeColumns(table));
}

export function eventsIn(table: EventTable): TelemetryEvent[] {
  return [...eventsOf(table)];
}

export function headerOf(count: number, header: Partial<BatchHeader> = {}): BatchHeader {
  return {
    stream: new Uint8Array(16).fill(7),
    first: 1,
    count,
    sentAt: 1_700_000_000_000,
    queue: { recorded: count, queued: count, quarantined: 0, gaps: 0 },
    gaps: [],
    ...header,
  };
}

/** Runs `work`; false where it was refused with one of the codes. Anything else that is thrown is a failure. */
export function isTaken(work: () => unknown, ...codes: readonly CodecErrorCode[]): boolean {
  try {
    work();
    return true;
  } catch (error) {
    assert(error instanceof CodecError, `not a CodecError: ${String(error)}`);
    assert(codes.includes(error.code), error.code);
    return false;
  }
}

/** What `assert.throws` takes to mean a CodecError with this code. */
export function coded(code: CodecErrorCode, offset?: number): (error: unknown) => true {
  return (error) => {
    assert(error instanceof CodecError, `not a CodecError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    if (offset !== undefined) assert.equal(error.offset, offset, error.message);
    return true;
  };
}

/** Any finite double, with a liking for what meters print and for where doubles are odd. */
export const anyMeasure: fc.Arbitrary<number> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.nat(9)).map(([m, s]) => Number(`${m}e-${s}`)),
  },
  { weight: 2, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  { weight: 1, arbitrary: fc.maxSafeInteger() },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.integer({ min: -1e6, max: 1e6 }), fc.integer()).map(([a, b]) => a / 10 + b / 1000),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      0,
      -0,
      5e-324,
      -5e-324,
      Number.MAX_VALUE,
      -Number.MAX_VALUE,
      2.2250738585072014e-308,
      0.1,
    ),
  },
);

export const anyName: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('volume', 'temperature', 'état', 'constructor', 'toString', '0', '流量', '🌊'),
  },
  {
    weight: 1,
    arbitrary: fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter((name) => name !== '__proto__' && !/^\ufeff/.test(name) && !hasControl(name)),
  },
);

export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('', 'open', 'closed', 'x\ufeff', '\u0000', '💧'),
  fc.string({ unit: 'binary', maxLength: 300 }).filter((text) => text.isWellFormed() && !text.startsWith('\ufeff')),
);

const anyValue: fc.Arbitrary<FieldValue> = fc.oneof(
  { weight: 6, arbitrary: anyMeasure },
  { weight: 1, arbitrary: anyText },
  { weight: 1, arbitrary: fc.boolean() },
);

const anyTime = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1_600_000_000_000, max: 1_600_000_100_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: -(2 ** 52 - 1), max: 2 ** 52 - 1 }) },
);

const anyFields = fc
  .array(fc.tuple(anyName, anyValue), { minLength: 1, maxLength: 6 })
  .map((entries) => Object.fromEntries(entries) as Record<string, FieldValue>);

export const anyEvent: fc.Arbitrary<TelemetryEvent> = fc
  .tuple(anyTime, anyName, anyFields)
  .map(([ts, sensor, fields]) => ({ ts: ts + 0, sensor, fields }));

/** Runs of events such as devices make, and some such as none makes. */
export const anyEvents: fc.Arbitrary<TelemetryEvent[]> = fc.array(anyEvent, { maxLength: 40 });

function hasControl(name: string): boolean {
  return [...name].some((character) => character < ' ' || character === '\x7f');
}
