/**
 * GapTally: what declared gaps add to a device's page (promise 7).
 *
 * Owns which part of a declaration is new. Promises that declaring a gap again, in part or in whole, adds nothing
 * twice. Adding up is work in steps: sixteen gaps may bring 8,192 sums of 800 digits. Never says whether the events of
 * a gap were processed after all: the ledger knows.
 */
import { addDecimals, type Decimal, type DeclaredGap, parseDecimal, type Steps, ZERO } from '../codec/index.ts';
import type { LedgerView, Range } from '../store/index.ts';
import type { DevicePage } from './device-page.ts';
import { countOf, lengthOf, subtract } from './ranges.ts';

/** A gap with what of it nobody has declared before. */
export interface NewGap {
  readonly gap: DeclaredGap;
  /** Sequences of it that are new, if any. */
  readonly events: number;
}

export type GapDelta = Pick<DevicePage, 'gaps' | 'gapsUnsummed' | 'gapSums'>;

/** What reading and adding a sum of the most digits weighs (see `Steps`). */
const SUM_WEIGHT = 400;

export function newGaps(ledger: LedgerView, declared: readonly DeclaredGap[]): NewGap[] {
  return declared.map((gap, i) => {
    const { first, last } = gap;
    return { gap, events: countOf(subtract(ledger.undeclared(first, last), declared.slice(0, i))) };
  });
}

/** Of the declared ones, those with anything new. */
export function rangesOf(gaps: readonly NewGap[]): Range[] {
  return gaps.filter(({ events }) => events > 0).map(({ gap: { first, last } }) => ({ first, last }));
}

export function* tallyGaps(declared: readonly NewGap[]): Steps<GapDelta> {
  const gaps = { quota: 0, damage: 0 };
  const gapSums = new Map<string, Decimal>();
  let gapsUnsummed = 0;
  for (const { gap, events } of declared) {
    gaps[gap.reason] += events;
    // Sums are of the whole gap; nobody can say what part of them a part of it has.
    if (gap.sums === null || events < lengthOf(gap)) gapsUnsummed += events;
    else yield* addSums(gapSums, gap.sums);
  }
  return { gaps, gapsUnsummed, gapSums };
}

function* addSums(to: Map<string, Decimal>, sums: Readonly<Record<string, string>>): Steps<void> {
  for (const [name, text] of Object.entries(sums)) {
    // The codec has read it once to check its form.
    const sum = parseDecimal(text) ?? ZERO;
    to.set(name, addDecimals(to.get(name) ?? ZERO, sum));
    yield SUM_WEIGHT;
  }
}
