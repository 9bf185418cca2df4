/**
 * CsvHeading: what is said of a heading, and of what stands in its place.
 */
import type { Column, Columns } from './columns.ts';
import { InputError, shown } from './refusal.ts';
import type { InputFormat, RowOptions } from './row-reader.ts';

const TOA5_HEADING = /^"?TOA5"?,/;
const EXCEL_NOTE = /^"?sep=([^\w\s"]|\t)"?[,;]*$/i;
const SHOWN_COLUMNS = 40;

export interface CsvOptions extends RowOptions {
  readonly format: Exclude<InputFormat, 'ndjson'>;
  readonly isReadOnce?: boolean | undefined;
}

export function delimiterOf({ format, delimiter }: CsvOptions): string {
  return delimiter ?? (format === 'tsv' ? '\t' : ',');
}

/** The names of columns, also of those that have none. What has no name and stands last is a delimiter too many. */
export function namesOf(cells: readonly string[]): readonly string[] {
  return trimmed(cells).map((name, i) => name || `column ${i + 1}`);
}

/** Cells without blanks around them, and without those behind a delimiter too many. */
export function trimmed(cells: readonly string[]): readonly string[] {
  let { length } = cells;
  while (length > 1 && cells[length - 1]!.trim() === '') length--;
  return cells.slice(0, length).map((cell) => cell.trim());
}

/** Of cells that may be a heading below another one, those with names; undefined where it is none. */
export function namedIn(
  cells: readonly string[],
  known: readonly string[],
  isName: (cell: string) => boolean,
): readonly string[] | undefined {
  const unnamed = known.filter((name, i) => name === `column ${i + 1}`).length;
  const named = cells.filter((cell) => cell !== '');
  const fits = named.length >= cells.length - unnamed && named.every((name) => known.includes(name) || isName(name));
  return fits ? named : undefined;
}

/** Whether these are the names that are known, but for capitals. */
export function areWrittenOtherwise(named: readonly string[], known: readonly string[]): boolean {
  const lower = known.map((name) => name.toLowerCase());
  const alike = named.filter((name) => lower.includes(name.toLowerCase())).length;
  return alike >= 2 && 2 * alike >= named.length;
}

/** @throws InputError `input-heading` where two columns are called the same, there or here */
export function assertNamedOnce(names: readonly string[], heading: readonly Column[]): void {
  // Columns that make up the time together have names of their own.
  const ours = heading.filter(({ role }) => role !== 'skip').map(({ name }) => name);
  const twice = ours.find((name, i) => ours.indexOf(name) !== i) ?? names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return;
  throw new InputError(
    'input-heading',
    `two columns are called ${shown(twice)}: rename one in the heading, or leave it out with --skip; the ` +
      `columns are ${names.map((name) => shown(name)).join(', ')}`,
  );
}

/** A heading, and what is said of it. */
export interface Heading {
  readonly names: readonly string[];
  readonly delimiter: string;
}

/** @throws InputError `input-columns` where a flag names a column that is not among those that it may be among */
export function assertFound(missing: readonly string[], { names, delimiter }: Heading): void {
  if (missing.length === 0) return;
  throw new InputError('input-columns', `no column is called ${list(missing)}; ${listed(names, delimiter)}`);
}

/**
 * Of a heading further down, as a logger with another program writes it. What flags name may be called otherwise in it,
 * and rows would be recorded as what they are not.
 * @param before the heading that held so far
 * @throws InputError `input-columns`
 */
export function assertGoesOn(
  { names, delimiter }: Heading,
  before: { readonly names: readonly string[]; readonly hasSensor: boolean },
  columns: Columns,
  line: number,
): void {
  const known = new Set([...before.names, ...columns.mentioned]);
  const isAllKnown = names.every((name) => known.has(name) || known.has(columns.nameOf(name)));
  const missing = [...columns.unmapped(names), ...(isAllKnown ? [] : columns.undeclared(names))];
  const lacksSensor = before.hasSensor && !names.some((name) => columns.of(name).role === 'sensor');
  if (missing.length === 0 && !lacksSensor) return;
  const what = missing.length > 0 ? `no column is called ${list(missing)}` : 'no column is the sensor any more';
  throw new InputError(
    'input-columns',
    `another heading begins on line ${line}, and ${what}: put the rows from there on into a file of their own, or ` +
      `name both (--map volume=flow,volume=flow_m3); ${listed(names, delimiter)}`,
  );
}

function list(names: readonly string[]): string {
  return names.map((name) => shown(name)).join(', ');
}

/** The columns that there are, and what else may be wrong where one is missing. */
export function listed(names: readonly string[], delimiter: string): string {
  const more = names.length > SHOWN_COLUMNS ? ` and ${names.length - SHOWN_COLUMNS} more` : '';
  const list = names.slice(0, SHOWN_COLUMNS).map((name) => shown(name));
  const other = [';', '\t', '|', ','].find(
    (sign) => sign !== delimiter && names.length === 1 && names[0]!.includes(sign),
  );
  const hint =
    other === undefined ? '' : ` (--delimiter ${other === '\t' ? 'tab' : `'${other}'`}, if that parts the cells)`;
  const line = names.length === 1 && other === undefined ? ' (--heading-line says where the heading is)' : '';
  return `the columns are ${list.join(', ')}${more}${hint}${line}`;
}

/** @throws InputError `input-heading` where the first line says that the heading is further down */
export function assertNoNote(text: string, format: InputFormat): void {
  if (format === 'csv' && TOA5_HEADING.test(text)) {
    throw new InputError('input-heading', 'this is a TOA5 file, with four lines of heading: give --format toa5');
  }
  const parted = EXCEL_NOTE.exec(text)?.[1];
  if (parted === undefined) return;
  const flag = `--delimiter ${parted === '\t' ? 'tab' : `'${parted}'`} --heading-line 2`;
  throw new InputError('input-heading', `line 1 is Excel's note of what parts the cells: give ${flag}`);
}

/** @throws InputError `input-heading` where a flag names a line behind the last one */
export function assertReached({ headingLine, rowsLine }: RowOptions, lines: number): void {
  for (const [flag, line = 0] of [
    ['--heading-line', headingLine],
    ['--rows-line', rowsLine],
  ] as const) {
    if (line > lines)
      throw new InputError('input-heading', `${flag} is ${line}, and the input has ${lines} lines: no row is read`);
  }
}
