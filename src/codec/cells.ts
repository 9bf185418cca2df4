/**
 * Cells: one column of a table while it grows.
 *
 * Owns the buffers, which double as they fill, and the move from sequence order to row order at the end. Promises no
 * object per value. Never checks what it is given.
 */
import type { FieldKind } from './event.ts';
import { measuresOf } from './measures.ts';
import type { Column } from './table.ts';

/** A growing run of numbers, each beside the event that it belongs to. */
export interface Cells {
  readonly count: number;
  readonly events: Uint32Array;
  readonly numbers: Float64Array;
  push(event: number, number: number): void;
}

/** Distinct texts, each at its place. */
export interface Dictionary {
  readonly texts: readonly string[];
  has(text: string): boolean;
  /** Where the text stands, at the end if it is new. */
  place(text: string): number;
}

export interface ColumnCells {
  readonly kind: FieldKind;
  readonly name: string;
  readonly cells: Cells;
  readonly texts: Dictionary;
}

export function createCells(): Cells {
  return new GrowingCells();
}

export function createDictionary(): Dictionary {
  return new GrowingDictionary();
}

class GrowingCells implements Cells {
  events = new Uint32Array(64);
  numbers = new Float64Array(64);
  count = 0;

  push(event: number, number: number): void {
    if (this.count === this.numbers.length) {
      this.events = grown(this.events, new Uint32Array(2 * this.count));
      this.numbers = grown(this.numbers, new Float64Array(2 * this.count));
    }
    this.events[this.count] = event;
    this.numbers[this.count++] = number;
  }
}

function grown<T extends Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

class GrowingDictionary implements Dictionary {
  readonly texts: string[] = [];
  readonly #places = new Map<string, number>();

  has(text: string): boolean {
    return this.#places.has(text);
  }

  place(text: string): number {
    let place = this.#places.get(text);
    if (place === undefined) {
      place = this.texts.push(text) - 1;
      this.#places.set(text, place);
    }
    return place;
  }
}

/** Moves a column's cells from sequence order to row order. */
export function columnOf(column: ColumnCells, rowOf: Uint32Array): Column {
  const { kind, name, cells, texts } = column;
  const total = rowOf.length;
  const byRow = new Float64Array(total);
  const present = new Uint8Array(total);
  for (let i = 0; i < cells.count; i++) {
    const row = rowOf[cells.events[i]!]!;
    byRow[row] = cells.numbers[i]!;
    present[row] = 1;
  }
  let rows: Uint32Array | null = null;
  let numbers = byRow;
  if (cells.count < total) {
    rows = new Uint32Array(cells.count);
    numbers = new Float64Array(cells.count);
    let position = 0;
    for (let row = 0; row < total; row++) {
      if (present[row] === 0) continue;
      rows[position] = row;
      numbers[position++] = byRow[row]!;
    }
  }
  if (kind === 'measure') return { kind, name, rows, measures: measuresOf(numbers) };
  if (kind === 'text') return { kind, name, rows, dictionary: texts.texts, indices: numbers };
  return { kind, name, rows, flags: Uint8Array.from(numbers) };
}
