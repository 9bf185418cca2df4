/** A ledger as anyone would write it: one digest per event id. Slow, and plainly right. */
import type { Range } from '../../src/store/index.ts';

const MASK = (1n << 64n) - 1n;

/** The digest of the event that is at a sequence, and of another one that might come under the same id. */
export function digestAt(sequence: number, isOther = false): bigint {
  return (BigInt(sequence) * 0x9e3779b97f4a7c15n + (isOther ? 1n : 0n)) & MASK;
}

export function digestOver(first: number, last: number, others: ReadonlySet<number> = new Set()): bigint {
  let sum = 0n;
  for (let sequence = first; sequence <= last; sequence += 1) sum += digestAt(sequence, others.has(sequence));
  return sum & MASK;
}

/** Ascending sequences as closed ranges. */
export function rangesOf(sequences: Iterable<number>): Range[] {
  const ranges: { first: number; last: number }[] = [];
  for (const sequence of [...sequences].sort((a, b) => a - b)) {
    const previous = ranges.at(-1);
    if (previous?.last === sequence - 1) previous.last = sequence;
    else ranges.push({ first: sequence, last: sequence });
  }
  return ranges;
}

export function* sequencesOf(ranges: readonly Range[]): Generator<number> {
  for (const { first, last } of ranges) for (let sequence = first; sequence <= last; sequence += 1) yield sequence;
}
