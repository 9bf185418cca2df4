/**
 * Evidence: whether ids that came again stand for the events that they stood for (proto-spec/delivery.md,
 * "Collisions").
 *
 * Owns the weighing of the ledger's digests and of what the archive found. Promises that a collision is named by
 * exactly the ids whose content differs, as far as anything is left to tell. Never reads the store.
 */
import type { Steps } from '../codec/index.ts';
import type { LedgerView, Range } from '../store/index.ts';
import type { DigestOf, Finding } from './archive.ts';
import { subtract, union } from './ranges.ts';

export interface Weighing {
  /** Processed before, and only the archive can tell whether as the same events. */
  readonly open: readonly Range[];
  /** Other events than before. */
  readonly collisions: readonly Range[];
  /** Processed before, and nothing is left to tell as what. */
  readonly unverified: readonly Range[];
}

export interface Evidence {
  /** Weighs a batch's range against the ledger and everything found so far. */
  weigh(ledger: LedgerView, first: number, last: number): Weighing;
  /** Takes in what the archive has found, or not, for these ranges. */
  add(searched: readonly Range[], findings: readonly Finding[]): Steps<void>;
}

/** @param mine digests of the events that came now */
export function createEvidence(mine: DigestOf): Evidence {
  let searched: Range[] = [];
  let findings: Finding[] = [];
  let collisions: Range[] = [];

  /** As `mine`, but of what was counted where that is known: so whole segments tell about the rest of them. */
  const counted: DigestOf = (first, last) => {
    let digest = 0n;
    let next = first;
    for (const finding of findings) {
      if (finding.last < first || finding.first > last) continue;
      const from = Math.max(first, finding.first);
      const to = Math.min(last, finding.last);
      if (from > next) digest += mine(next, from - 1);
      digest += finding.digest(from, to);
      next = to + 1;
    }
    if (next <= last) digest += mine(next, last);
    return BigInt.asUintN(64, digest);
  };

  return {
    weigh(ledger, first, last) {
      const { different, unknown } = ledger.compare(first, last, counted);
      return {
        open: subtract([...different, ...unknown], searched),
        collisions: union([...collisions, ...subtract(different, findings)]),
        unverified: subtract(unknown, findings),
      };
    },
    *add(ranges, found) {
      searched = union([...searched, ...ranges]);
      findings = [...findings, ...found].sort((a, b) => a.first - b.first);
      const differ: Range[] = [];
      for (const finding of found) for (const range of yield* differing(finding, mine)) differ.push(range);
      collisions = union([...collisions, ...differ]);
    },
  };
}

/** What two digests of one id weigh (see `Steps`). */
const COMPARE_WEIGHT = 32;

function* differing({ first, last, digest }: Finding, mine: DigestOf): Steps<Range[]> {
  if (digest(first, last) === mine(first, last)) return [];
  const ranges: { first: number; last: number }[] = [];
  for (let sequence = first; sequence <= last; sequence++) {
    yield COMPARE_WEIGHT;
    if (digest(sequence, sequence) === mine(sequence, sequence)) continue;
    const before = ranges.at(-1);
    if (before?.last === sequence - 1) before.last = sequence;
    else ranges.push({ first: sequence, last: sequence });
  }
  return ranges;
}
