import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columnOf, createCells, createDictionary } from '../../src/codec/cells.ts';
import { type Column, valueAt } from '../../src/codec/index.ts';
import { anyMeasure, anyText } from './events.ts';
import { holds } from './property.ts';

/** A value for some of so many events, and a row for each of them. */
function anyPlacing<T>(value: fc.Arbitrary<T>) {
  return fc.array(fc.option(value), { minLength: 1, maxLength: 300 }).chain((values) => {
    const rows = Array.from(values, (_, i) => i);
    return fc.tuple(fc.constant(values), fc.shuffledSubarray(rows, { minLength: rows.length, maxLength: rows.length }));
  });
}

/** What each row holds. */
function byRow(column: Column, rows: number): unknown[] {
  const values: unknown[] = Array.from({ length: rows }, () => null);
  const at = column.rows ?? Uint32Array.from(values, (_, row) => row);
  at.forEach((row, position) => {
    values[row] = valueAt(column, position);
  });
  return values;
}

test('cells grow, and go from the order of events to that of rows', (t) => {
  holds(t, 500, anyPlacing(anyMeasure), ([values, rowOf]) => {
    const cells = createCells();
    values.forEach((value, event) => {
      if (value !== null) cells.push(event, value);
    });
    assert.equal(cells.count, values.filter((value) => value !== null).length);
    const column = columnOf({ kind: 'measure', name: 'm', cells, texts: createDictionary() }, Uint32Array.from(rowOf));
    const expected: unknown[] = [];
    values.forEach((value, event) => {
      expected[rowOf[event]!] = value;
    });
    assert.deepEqual(byRow(column, values.length), expected);
    assert.equal(column.rows === null, !values.includes(null));
  });
});

test('a dictionary holds each text once, at the place where it came first', (t) => {
  holds(t, 500, fc.array(fc.oneof(anyText, fc.constantFrom('__proto__', 'constructor', ''))), (texts) => {
    const dictionary = createDictionary();
    const places = texts.map((text) => dictionary.place(text));
    assert.deepEqual(dictionary.texts, [...new Set(texts)]);
    assert.deepEqual(
      places.map((place) => dictionary.texts[place]),
      texts,
    );
    for (const text of texts) assert(dictionary.has(text));
    assert(!dictionary.has('nowhere'));
  });
});
