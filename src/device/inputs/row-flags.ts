/**
 * RowFlags: what has been said about rows and cannot all be meant.
 */
import { InputError, shown } from './refusal.ts';
import type { InputFormat, RowOptions } from './row-reader.ts';

/** What cells have and objects of JSON have not. */
const OF_CELLS = {
  delimiter: '--delimiter',
  headingLine: '--heading-line',
  rowsLine: '--rows-line',
  shortRows: '--short-rows',
  quotedLines: '--quoted-lines',
} as const;

interface Said extends RowOptions {
  readonly fromStart: boolean;
  readonly goOn: boolean;
}

/** @throws InputError `input-flags` */
export function assertFlags(options: Said, format: InputFormat): void {
  if (options.fromStart && options.goOn) throw both('--from-start', '--continue');
  assertNames(options);
  const { headingLine, rowsLine } = options;
  if (headingLine !== undefined && rowsLine !== undefined && rowsLine <= headingLine) {
    throw new InputError(
      'input-flags',
      `--rows-line ${rowsLine} is not behind --heading-line ${headingLine}: rows stand below their heading`,
    );
  }
  const keys = Object.keys(OF_CELLS) as (keyof typeof OF_CELLS)[];
  const given = keys.filter((key) => options[key] !== undefined && options[key] !== false);
  const idle = format === 'ndjson' ? given : [];
  if (idle.length === 0) return;
  throw new InputError(
    'input-flags',
    `${OF_CELLS[idle[0]!]} means nothing in ${format.toUpperCase()}: leave it out, or --format says what the rows are`,
  );
}

/** One name, as it is in the input or as it is called here, may be said to be one thing. */
function assertNames({ names, timeColumns, skip, texts, numbers, mixed }: RowOptions): void {
  const said = new Map<string, string>();
  for (const [flag, list] of [
    ['--time-columns', timeColumns],
    ['--skip', skip],
    ['--text', texts],
    ['--number', numbers],
    ['--mixed', mixed],
  ] as const) {
    for (const name of list ?? []) {
      const ours = names.get(name) ?? name;
      const before = said.get(ours);
      if (before !== undefined && before !== flag) throw both(before, flag, name);
      said.set(ours, flag);
    }
  }
  for (const [theirs, ours] of names) {
    if (timeColumns !== undefined && (ours === 'ts' || timeColumns.has(theirs)))
      throw both('--time-columns', '--map', theirs);
    if (said.get(ours) === '--skip') throw both('--skip', '--map', theirs);
  }
}

function both(one: string, other: string, name?: string): InputError {
  const where = name === undefined ? '' : ` for ${shown(name)}`;
  return new InputError('input-flags', `${one} and ${other}${where} cannot both be meant: leave one out`);
}
