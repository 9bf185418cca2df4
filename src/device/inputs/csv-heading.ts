/**
 * CsvHeading: what is said of the names of columns.
 */
import { shown } from './refusal.ts';

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
