/**
 * CsvHeading: what is said of a heading, and of what stands in its place.
 */
import { InputError, shown } from './refusal.ts';
import type { InputFormat, RowOptions } from './row-reader.ts';

const TOA5_HEADING = /^"?TOA5"?,/;
const EXCEL_NOTE = /^"?sep=([^\w\s"]|\t)"?[,;]*$/i;
const SHOWN_COLUMNS = 40;

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
