/**
 * KeptRows: rows that an earlier run has refused, split once more.
 *
 * Owns what they are now: flags may say since that the lines of one are several rows. Where each is in the source stays
 * exact.
 */
import type { KeptRow } from './fed-rows.ts';
import { type Cut, type RawRow, RowSplitter, type SplitterOptions } from './row-splitter.ts';
import type { SourceText } from './source-text.ts';

export interface KeptCut extends Cut {
  /** By line. */
  readonly kept: ReadonlyMap<number, KeptRow>;
}

export function splitKept(
  rows: readonly (readonly [row: KeptRow, bytes: Buffer])[],
  source: SourceText,
  options: SplitterOptions,
  isCr: boolean | undefined,
): KeptCut {
  const pieces: Buffer[] = [];
  const raw: RawRow[] = [];
  const kept = new Map<number, KeptRow>();
  let offset = 0;
  for (const [row, original] of rows) {
    const bytes = source.bytes(original);
    const splitter = new RowSplitter(options, { lines: row.line - 1, isCr });
    for (const { start, end, next, fault, ...more } of splitter.cut(bytes, 'last').rows) {
      // It was known to be whole when it was refused.
      const isFaulty = fault !== undefined && fault !== 'unfinished';
      raw.push({
        ...{ ...more, start: offset + start, end: offset + end, next: offset + next },
        ...(isFaulty && { fault }),
      });
      const at = row.at + source.sourceBytes(bytes, 0, start);
      kept.set(more.line, { ...row, line: more.line, at, bytes: source.sourceBytes(bytes, start, next) });
    }
    pieces.push(bytes);
    offset += bytes.length;
  }
  return { bytes: Buffer.concat(pieces), rows: raw, taken: 0, kept };
}
