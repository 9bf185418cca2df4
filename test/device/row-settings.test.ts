import assert from 'node:assert/strict';
import { test } from 'node:test';
import { character, encoding, mapping, names, timeFormat, timeZone } from '../../src/device/row-settings.ts';

const map = (value: unknown) => Object.fromEntries(mapping().parse(value));
const list = (value: unknown) => [...names().parse(value)];

test('pairs: a name with a comma is in quotes, behind a backslash, or simply there', () => {
  const expected = { 'Date Time, GMT-07:00': 'ts', flow: 'volume' };
  for (const text of [
    'ts="Date Time, GMT-07:00",volume=flow',
    'ts=Date Time\\, GMT-07:00, volume = flow',
    'ts=Date Time, GMT-07:00,volume=flow',
    'volume=flow,ts=Date Time, GMT-07:00',
  ]) {
    assert.deepEqual(map(text), expected, text);
  }
  assert.deepEqual(map({ ts: 'Date Time, GMT-07:00', volume: 'flow' }), expected);
  assert.deepEqual(map('volume="a=b"'), { 'a=b': 'volume' });
  for (const bad of ['volume', 'volume=', '=x', '', 'a=x,b=x', ['a'], { a: 1 }, null]) {
    assert.equal(mapping().safeParse(bad).success, false, JSON.stringify(bad));
  }
});

test('lists: the same', () => {
  assert.deepEqual(list('a, b ,"c, d",e\\, f,g"h'), ['a', 'b', 'c, d', 'e, f', 'g"h']);
  assert.deepEqual(list(['a, b']), ['a, b']);
  for (const bad of ['', 'a,', [1], 5]) assert.equal(names().safeParse(bad).success, false, JSON.stringify(bad));
});

test('characters, encodings, zones and patterns are checked', () => {
  assert.deepEqual(
    [';', 'tab', '\\t', '|'].map((text) => character().parse(text)),
    [';', '\t', '\t', '|'],
  );
  for (const bad of ['', 'a', '1', '"', '\n', ';;', 'ä']) assert.equal(character().safeParse(bad).success, false, bad);
  assert.equal(encoding().parse('latin1'), 'windows-1252');
  for (const bad of ['shift_jis', 'utf-32', 'x']) assert.equal(encoding().safeParse(bad).success, false, bad);
  assert.equal(timeZone().parse('+02:00').toUtc(7_200_000), 0);
  assert.equal(timeZone().safeParse('Mars').success, false);
  assert.equal(timeFormat().parse('dd.MM.yyyy'), 'dd.MM.yyyy');
  assert.equal(timeFormat().safeParse('dd.MM').success, false);
});
