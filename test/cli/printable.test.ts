/** Names from elsewhere, on their way to a terminal or a log. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import {
  CommandError,
  createLogger,
  failureText,
  printable,
  printableJson,
  tableLines,
  widthOf,
} from '../../src/cli/index.ts';

/** Every code unit that a terminal obeys, hides, or turns around, with some beyond the basic plane. */
const HOSTILE = [
  ...range(0x00, 0x1f),
  ...range(0x7f, 0x9f),
  ...[0xad, 0x34f, 0x61c, 0x115f, 0x180e],
  ...range(0x200b, 0x200f),
  ...range(0x2028, 0x202e),
  ...range(0x2060, 0x206f),
  ...[0x3164, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xfe0f, 0xfeff, 0xffa0, 0xfff9, 0xffff, 0xe0041, 0xf0000],
].map((code) => String.fromCodePoint(code));

const HONEST = 'inlet 7 – Zufluß, приток, 流量, まだ, é, e\u0301, ½ m³/h, 🌊, \\n, "quoted"';

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

test('what a terminal would obey, hide or turn around is shown as an escape, and nothing else is', () => {
  for (const char of HOSTILE) {
    assert.match(printable(`a${char}b`), /^a\\u([\da-f]{4}|\{[\da-f]{5,6}\})b$/, JSON.stringify(char));
  }
  assert.equal(printable(HONEST), HONEST);
  assert.equal(printable('\u202egnp.exe\u009b31m'), '\\u202egnp.exe\\u009b31m');
});

test('as JSON it reads back as it was', () => {
  for (const char of HOSTILE) {
    const name = `a${char}b`;
    const json = printableJson(JSON.stringify({ [name]: HONEST }));
    assert.deepEqual(JSON.parse(json), { [name]: HONEST });
    assert.equal(printable(json), json);
  }
});

test('a log line has no such character, for a person or for a machine, and ends once', () => {
  for (const isTTY of [false, true]) {
    for (const char of HOSTILE) {
      const stream = Object.assign(new PassThrough(), { isTTY });
      const err = Object.assign(new Error(`odd ${char}`), { code: `E${char}`, [`x${char}`]: [`y${char}`] });
      createLogger('a', { logLevel: undefined, verbose: false }, stream).warn(
        { sensor: char, [char]: 1, err },
        `it is ${char}`,
      );
      const text = isTTY ? stripVTControlCharacters(String(stream.read())) : String(stream.read());
      for (const line of text.trimEnd().split('\n')) assert.equal(printable(line), line, JSON.stringify(char));
      if (!isTTY) assert.equal(text.trimEnd().split('\n').length, 1);
    }
  }
});

test('a message with lines of its own cannot pass for another line of the log', () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true });
  createLogger('a', { logLevel: undefined, verbose: false }, stream).warn(
    { reason: 'x\n[12:00] ERROR: b' },
    'c\n[12:00] ERROR: d',
  );
  assert.doesNotMatch(stripVTControlCharacters(String(stream.read())), /^\[12:00\]/m);
});

test('the line of a failure has none either, nor has its stack', () => {
  for (const char of HOSTILE) {
    const error = new CommandError('bad-value', `no file ${char}`, { cause: new Error(`and ${char}`) });
    for (const line of failureText(error, true).split('\n')) assert.equal(printable(line), line);
    assert.equal(failureText(error, false).includes('\n'), false);
  }
});

test('columns stand under one another, whatever is in the cells', () => {
  const names = ['flow', '流量計', 'приток', 'e\u0301tage', '🌊', 'ก็', 'a\u202eb', 'ﾊﾝｶｸ'];
  const lines = tableLines([['name', 'count'], ...names.map((name) => [name, '12'])], ['left', 'right']);
  assert.deepEqual(new Set(lines.map(widthOf)), new Set([widthOf(lines[0]!)]));
  assert.deepEqual(names.slice(0, 6).map(widthOf), [4, 6, 6, 5, 2, 1]);
  assert.deepEqual(tableLines([]), []);
  assert.deepEqual(tableLines([['a', ''], ['bcd']]), ['a', 'bcd']);
});
