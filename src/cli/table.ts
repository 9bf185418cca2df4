/**
 * Table: rows, for a person and for pipes.
 *
 * Owns the layout: columns two spaces apart, no lines, no colours. Promises that what stands in the cells is printable,
 * and that columns stand under one another in a terminal, also with wide characters. Never cuts anything off.
 */
import { printable, widthOf } from './printable.ts';

export type Alignment = 'left' | 'right';

/** One line for each row; a heading is a row like others. Columns beyond `alignments` are aligned left. */
export function tableLines(rows: readonly (readonly string[])[], alignments: readonly Alignment[] = []): string[] {
  const lines = rows.map((cells) => cells.map(printable));
  const widths: number[] = [];
  for (const cells of lines) {
    cells.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
    });
  }
  return lines.map((cells) =>
    cells
      .map((cell, column) => {
        const space = ' '.repeat(widths[column]! - widthOf(cell));
        return alignments[column] === 'right' ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd(),
  );
}
