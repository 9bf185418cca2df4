/**
 * RowOutline: what of a row is compared with that of another file: its values under their names.
 *
 * Promises the same outline for the same row in another encoding, with other quotes, spaces or line ends, with its
 * columns in another order, or with a number written otherwise; whatever flags say of it.
 */
import { numberText } from './row-numbers.ts';

/** The outline of a row by its text; made by the heading that the row stands under. */
export type OutlineOf = (text: string) => string;

/** A number with more digits than these is compared as it is written. */
const DIGITS_MAX = 15;

/** @param names of the columns, in their order */
export function outlineOfCells(names: readonly string[], cells: readonly string[]): string {
  const found: string[] = [];
  for (let at = 0; at < cells.length; at++) {
    const value = plainValue(cells[at]!);
    if (value !== '') found.push(`${names[at] ?? ''}\n${value}`);
  }
  return JSON.stringify(found.sort());
}

/** The names and values of an object, sorted; a row that is none stands for itself. */
export function outlineOfJson(text: string): string {
  const found: string[] = [];
  try {
    // Without recursion: a line may be as deep as it is long.
    const waiting: unknown[] = [JSON.parse(text)];
    while (waiting.length > 0) {
      const next = waiting.pop();
      if (typeof next !== 'object' || next === null) found.push(String(next));
      else {
        if (!Array.isArray(next)) found.push(...Object.keys(next));
        for (const value of Object.values(next)) waiting.push(value);
      }
    }
  } catch {
    return text.trim();
  }
  return JSON.stringify(found.sort());
}

function plainValue(cell: string): string {
  const text = cell.trim();
  const number = text.length > DIGITS_MAX ? undefined : (numberText(text, '.') ?? numberText(text, ','));
  return number === undefined ? text.replace(/\s+/g, ' ') : String(Number(number));
}
