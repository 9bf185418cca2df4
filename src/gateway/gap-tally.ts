/**
 * GapTally: what declared gaps add to a device's page (promise 7).
 *
 * Owns which part of a declaration is new. Promises that declaring a gap again, in part or in whole, adds nothing twice.
 * Never says whether the events of a gap were processed after all: the ledger knows.
 */
import { addDecimals, type Decimal, type DeclaredGap, parseDecimal, ZERO } from '../codec/index.ts';
import type { LedgerView, Range } from '../store/index.ts';
import type { DevicePage } from './device-page.ts';
import { countOf, lengthOf, subtract } from './ranges.ts';

export interface GapTally {
  /** Of the declared ones, those with anything new. */
  readonly ranges: readonly Range[];
  readonly delta: Pick<DevicePage, 'gaps' | 'gapsUnsummed' | 'gapSums'>;
}

export function tallyGaps(ledger: LedgerView, declared: readonly DeclaredGap[]): GapTally {
  const gaps = { quota: 0, damage: 0 };
  const gapSums = new Map<string, Decimal>();
  const ranges: Range[] = [];
  let gapsUnsummed = 0;
  for (const [i, gap] of declared.entries()) {
    const { first, last } = gap;
    const events = countOf(subtract(ledger.undeclared(first, last), declared.slice(0, i)));
    if (events > 0) ranges.push({ first, last });
    gaps[gap.reason] += events;
    // Sums are of the whole gap; nobody can say what part of them a part of it has.
    if (gap.sums === null || events < lengthOf(gap)) gapsUnsummed += events;
    else addSums(gapSums, gap.sums);
  }
  return { ranges, delta: { gaps, gapsUnsummed, gapSums } };
}

function addSums(to: Map<string, Decimal>, sums: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(sums)) {
    // The codec has read it once to check its form.
    const sum = parseDecimal(text) ?? ZERO;
    to.set(name, addDecimals(to.get(name) ?? ZERO, sum));
  }
}
