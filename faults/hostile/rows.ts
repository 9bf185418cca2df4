/**
 * Rows: hostile NDJSON and CSV.
 *
 * Owns lines that are almost right, and lines of a pattern that goes on for very long. Promises that a row which is
 * taken can be recorded. Never writes a file: what reads files reads the same rows.
 */
import { Readable } from 'node:stream';
import { CodecError, createTableBuilder, type TelemetryEvent } from '../../src/codec/index.ts';
import { InputError, RowError } from '../../src/device/inputs/refusal.ts';
import type { InputFormat, RowOptions } from '../../src/device/inputs/row-reader.ts';
import { StreamInput } from '../../src/device/inputs/stream-input.ts';
import type { Corpus } from './corpus.ts';
import type { Dice } from './dice.ts';
import { type Gauge, threadMs } from './gauge.ts';
import { Breach, describe, type Kind, REFUSED, type Struck, TAKEN } from './kind.ts';
import { mutated } from './mutation.ts';
import { eventOf } from './one-row.ts';

export const ROWS = 'rows of NDJSON and CSV';
export const LONG_ROWS = 'very long rows of NDJSON and CSV';

const PLAIN: RowOptions = { names: new Map(), skip: new Set(), timeUnit: 'ms', sensor: 'default' };
const MAPPED: RowOptions = {
  names: new Map([
    ['time', 'ts'],
    ['flow', 'volume'],
  ]),
  skip: new Set(['x']),
  timeUnit: 'ns',
  sensor: '',
};

const NEVER = new AbortController().signal;

const VALUES = [
  ...['1', '-0', '1e400', '-1e-400', '0.1e1', '12345678901234567890', '0.30000000000000004', '1.', '"1"', '""'],
  ...['null', 'true', '[]', '{}', '[[1]]', '{"toString":1}', '{"a":{"b":[1]}}', '"\\ud800"', '"\\u0000"', '"\\ufeffx"'],
  ...['"2024-02-30T25:00Z"', '"2024-01-01"', '"banana 1"', '1e309', '9007199254740993', '"-271821-04-20T00:00:00Z"'],
];
const NAMES = [
  'ts',
  'time',
  'sensor',
  'volume',
  'flow',
  'fields',
  'x',
  '__proto__',
  'constructor',
  'toString',
  '',
  '\u0007',
];
const UNITS = [
  '1',
  '9',
  '0',
  '.',
  '-',
  '"',
  '""',
  '",',
  ',',
  '\n',
  '\r',
  '\\',
  '[',
  '{',
  ' ',
  'e5',
  'x',
  '1,',
  '0:00 ',
  '\t',
  'é',
];

export function rowKinds(corpus: Corpus, gauge: Gauge): Kind[] {
  return [
    { name: ROWS, share: 6_000, strike: (dice) => oneRow(corpus, dice, gauge) },
    { name: LONG_ROWS, share: 20, strike: (dice) => longRows(dice, gauge) },
  ];
}

function oneRow(corpus: Corpus, dice: Dice, gauge: Gauge): Struck {
  const options = dice.chance(0.5) ? PLAIN : MAPPED;
  if (dice.chance(0.3)) {
    const [heading = '', ...lines] = dice.pick(corpus.csv);
    const row = changed(dice.pick(lines), dice);
    const text = `${dice.chance(0.3) ? changed(heading, dice) : heading}\n${row}\n`;
    // The corpus names its columns as they are.
    return judge(gauge, text, () => eventOf('csv', text, PLAIN));
  }
  const line = dice.chance(0.5) ? changed(dice.pick(corpus.json), dice) : madeUp(dice);
  return judge(gauge, line, () => eventOf('ndjson', line, options));
}

function judge(gauge: Gauge, shown: unknown, read: () => TelemetryEvent): Struck {
  try {
    const event = gauge.time(ROWS, read);
    if (!createTableBuilder().add(event)) throw new Breach('an empty table has no room for it');
    return TAKEN;
  } catch (error) {
    if (isOfEvent(error)) return REFUSED;
    throw new Breach(`${describe(error)}; row ${JSON.stringify(shown).slice(0, 800)}`);
  }
}

function isOfEvent(error: unknown): boolean {
  if (error instanceof RowError || error instanceof InputError) return true;
  return error instanceof CodecError && error.code.startsWith('event-');
}

/** As text again, whatever became of its bytes. */
function changed(text: string, dice: Dice): string {
  return Buffer.from(mutated(Buffer.from(text), dice, [Buffer.from(text)])).toString();
}

function madeUp(dice: Dice): string {
  const members = Array.from({ length: dice.between(1, 6) }, () => {
    return `${JSON.stringify(dice.pick(NAMES))}:${dice.pick(VALUES)}`;
  });
  return `{${dice.chance(0.7) ? '"ts":1,' : ''}${members.join(',')}}`;
}

/** A pattern without end shows what takes the square of a row's length. */
async function longRows(dice: Dice, gauge: Gauge): Promise<Struck> {
  const units = Array.from({ length: dice.between(1, 3) }, () => dice.pick(UNITS));
  const pattern = units.join('');
  const filler = pattern.repeat(dice.chance(0.1) ? 100_000 : dice.pick([500, 5_000]));
  const format = dice.pick<InputFormat>(['ndjson', 'csv', 'tsv']);
  const text =
    format === 'ndjson'
      ? dice.pick([
          `{"ts":1,"volume":${filler}}`,
          `{"ts":1,"a":"${filler}"}`,
          `{"ts":"${filler}","a":1}`,
          `{"ts":1,${filler}}`,
        ])
      : dice.pick([`ts,a\n1,${filler}\n`, `ts,a\n1,"${filler}"\n`, `ts,${filler}\n1,2\n`, `${filler}\n1,2\n`]);
  const begun = threadMs();
  let struck = REFUSED;
  try {
    const stream = Readable.from([Buffer.from(`${text}\n{"ts":2,"volume":2}\n`)], { objectMode: false });
    const input = new StreamInput(stream, { ...PLAIN, format, encoding: undefined, lastLine: true });
    for await (const { events } of input.chunks(NEVER)) if (events.length > 0) struck = TAKEN;
  } catch (error) {
    if (!isOfEvent(error))
      throw new Breach(`${describe(error)}; ${format} of ${JSON.stringify(pattern)} and ${text.length} characters`);
  }
  gauge.assertShort(
    LONG_ROWS,
    threadMs() - begun,
    `${format} of ${JSON.stringify(pattern)}, ${text.length} characters`,
  );
  return struck;
}
