/**
 * RefusedRows: rows of a file that were refused and are in no file of rejects, to be tried again.
 *
 * Promises that none is passed over: where there are more than can be remembered, the run ends.
 */
import type { KeptRow, LocatedRow } from './fed-rows.ts';
import { InputError } from './refusal.ts';

/** More than this are too much to store with each mark. */
export const REFUSED_MAX = 10_000;

export class RefusedRows {
  readonly #path: string;
  #rows: KeptRow[];
  /** That cannot become whole: holes, rows that are too long. */
  unreadable: number;
  /** Of them, those of earlier runs. */
  readonly unreadableBefore: number;

  constructor(path: string, rows: readonly KeptRow[] = [], unreadable = 0) {
    this.#path = path;
    this.#rows = [...rows];
    this.unreadable = this.unreadableBefore = unreadable;
  }

  get rows(): readonly KeptRow[] {
    return this.#rows;
  }

  /** To try them again: what is refused once more comes back. */
  take(): readonly KeptRow[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  /** @throws InputError `input-refusals`; the mark stays before these rows then, and none of them is lost */
  add(refused: readonly LocatedRow[]): void {
    for (const { code, line, at, bytes, heading } of refused) {
      if (code === 'row-hole' || code === 'row-too-long') this.unreadable++;
      else this.#rows.push({ line, at, bytes, heading });
    }
    if (this.#rows.length <= REFUSED_MAX) return;
    throw new InputError(
      'input-refusals',
      `${this.#path} has more than ${REFUSED_MAX} refused rows, more than can be remembered to be tried again: ` +
        'put the flags right, or --rejects FILE keeps the rows; the next run goes on where this one ends',
    );
  }
}
