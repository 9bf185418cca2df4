/**
 * Tally: how many events, and the exact sum of each measure.
 *
 * Owns the arithmetic of the balance `recorded = delivered + queued + quarantined + gaps`. Promises exactness: what was
 * added can be taken away again without a trace. Never knows where the events are.
 */
import {
  addDecimals,
  type Decimal,
  type EventTable,
  formatDecimal,
  negateDecimal,
  parseDecimal,
  sumMeasures,
} from '../codec/index.ts';

export interface Tally {
  readonly events: number;
  readonly sums: ReadonlyMap<string, Decimal>;
}

/** A tally as JSON and people have it: decimal text by measure. */
export interface TallyReport {
  readonly events: number;
  readonly sums: Readonly<Record<string, string>>;
}

export const NOTHING: Tally = { events: 0, sums: new Map() };

export function tallyOf(table: EventTable): Tally {
  const sums = new Map<string, Decimal>();
  for (const column of table.columns) {
    if (column.kind === 'measure') sums.set(column.name, sumMeasures(column.measures));
  }
  return { events: table.count, sums };
}

export function plus(a: Tally, b: Tally): Tally {
  if (b.events === 0 && b.sums.size === 0) return a;
  const sums = new Map(a.sums);
  for (const [measure, sum] of b.sums) {
    const before = sums.get(measure);
    sums.set(measure, before === undefined ? sum : addDecimals(before, sum));
  }
  return { events: a.events + b.events, sums };
}

export function minus(a: Tally, b: Tally): Tally {
  const negated = new Map([...b.sums].map(([measure, sum]) => [measure, negateDecimal(sum)]));
  return plus(a, { events: -b.events, sums: negated });
}

export function reportOf(tally: Tally): TallyReport {
  const sums = [...tally.sums].map(([measure, sum]) => [measure, formatDecimal(sum)]);
  return { events: tally.events, sums: Object.fromEntries(sums) };
}

/** Undefined where the report is not of the form. */
export function tallyFrom(report: unknown): Tally | undefined {
  if (report === null || typeof report !== 'object') return undefined;
  const { events, sums } = report as Partial<TallyReport>;
  if (typeof events !== 'number' || !Number.isSafeInteger(events)) return undefined;
  if (sums === null || typeof sums !== 'object') return undefined;
  const parsed = new Map<string, Decimal>();
  for (const [measure, text] of Object.entries(sums)) {
    const sum = typeof text === 'string' ? parseDecimal(text) : undefined;
    if (!sum) return undefined;
    parsed.set(measure, sum);
  }
  return { events, sums: parsed };
}
