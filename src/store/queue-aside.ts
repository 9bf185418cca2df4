/**
 * Aside: what has left the queue and not the device: refused events in quarantine, and gaps that no gateway knows of
 * yet.
 *
 * Owns the list of it, which the witness keeps beside the database. Promises that events whose record the database has
 * lost become a gap, and that a record which an older file brings back is gone again. Never holds the events
 * themselves.
 */
import type { Range } from './intervals.ts';
import { familyRange, numberKey, numberOfKey, QUEUE } from './keys.ts';
import { decodeGap, decodeQuarantine, type Gap, gapPut } from './queue-records.ts';
import type { Operation, Rocks } from './rocks.ts';

export interface AsideRange extends Range {
  readonly family: number;
  readonly stream: Uint8Array;
}

/** What a witness says of it. */
export interface WitnessedAside {
  /** The first of them, where there are very many. */
  readonly ranges: readonly AsideRange[];
  readonly isWhole: boolean;
}

export interface Aside {
  /** To be told of every commit. */
  follow(operations: readonly Operation[]): void;
  /** For the witness. */
  readonly text: string;
}

/** A statement is written with every commit, so the list ends here: some 25 KB. */
const LISTED_MAX = 512;
type Decode = (key: Buffer, value: Buffer) => (Range & { readonly stream: Uint8Array }) | undefined;
const DECODERS: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [QUEUE.quarantine, decodeQuarantine],
  [QUEUE.gap, decodeGap],
]);

export function createAside(stored: readonly AsideRange[]): Aside {
  const ranges = new Map(stored.map((range) => [nameOf(range.family, range.first), range]));
  let text: string | undefined;
  return {
    follow(operations) {
      for (const operation of operations) {
        const family = operation.key[0]!;
        if (!DECODERS.has(family)) continue;
        text = undefined;
        const range = operation.type === 'put' ? rangeOf(operation.key, operation.value) : undefined;
        if (range !== undefined) ranges.set(nameOf(family, range.first), range);
        else ranges.delete(nameOf(family, numberOfKey(operation.key)));
      }
    },
    get text() {
      text ??= textOf([...ranges.values()]);
      return text;
    },
  };
}

/** What is there and readable, in the order of its keys. */
export async function readAside(rocks: Rocks): Promise<AsideRange[]> {
  const ranges: AsideRange[] = [];
  for (const family of DECODERS.keys()) {
    for await (const [key, value] of rocks.entries(familyRange(family))) {
      const range = rangeOf(key, value);
      if (range !== undefined) ranges.push(range);
    }
  }
  return ranges;
}

/** What makes the records those of the witness again. */
export function asideLost(
  stored: readonly AsideRange[],
  { ranges, isWhole }: WitnessedAside,
): { readonly operations: readonly Operation[]; readonly gaps: readonly Gap[] } {
  const has = new Set(stored.map(({ family, first }) => nameOf(family, first)));
  const knows = new Set(ranges.map(({ family, first }) => nameOf(family, first)));
  const lost = ranges.filter(({ family, first }) => !has.has(nameOf(family, first)));
  const back = isWhole ? stored.filter(({ family, first }) => !knows.has(nameOf(family, first))) : [];
  const gaps = lost.map(({ first, last, stream }): Gap => {
    return { first, last, stream, reason: 'damage', sums: new Uint8Array() };
  });
  // Before the gaps: what is there of a lost one may be a record that nobody can read.
  const deletions = [...back, ...lost].map(({ family, first }): Operation => {
    return { type: 'del', key: numberKey(family, first) };
  });
  return { operations: [...deletions, ...gaps.map(gapPut)], gaps };
}

/** Undefined where a witness says nothing of it, as before it was listed. */
export function asideOf(text: string | undefined): WitnessedAside | undefined {
  const [count, ...entries] = text?.split(' ') ?? [];
  if (count === undefined) return undefined;
  const ranges = entries.map((entry): AsideRange => {
    const [family, first, last, stream] = entry.split('.');
    return {
      family: Number(family),
      first: Number(first),
      last: Number(last),
      stream: Buffer.from(stream ?? '', 'hex'),
    };
  });
  return { ranges, isWhole: ranges.length === Number(count) };
}

function textOf(ranges: readonly AsideRange[]): string {
  const entries = ranges
    .slice(0, LISTED_MAX)
    .map(({ family, first, last, stream }) => `${family}.${first}.${last}.${Buffer.from(stream).toString('hex')}`);
  return [ranges.length, ...entries].join(' ');
}

function rangeOf(key: Buffer, value: Buffer): AsideRange | undefined {
  const family = key[0]!;
  const record = DECODERS.get(family)?.(key, value);
  if (record === undefined) return undefined;
  const { first, last, stream } = record;
  // A copy: the record's bytes may hold a whole batch alive.
  return { family, first, last, stream: Uint8Array.from(stream) };
}

function nameOf(family: number, first: number): string {
  return `${family}.${first}`;
}
