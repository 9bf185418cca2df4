/** Report: what came of each mutation, in a line, and of all of them. */
import type { Mutation } from './operators.ts';
import type { Trial } from './trial.ts';

const TEXT_MAX = 70;

/** Such as `src/store/intervals.ts:31 comparison: < → <=`. */
export function describe({ file, line, operator, was, becomes }: Mutation): string {
  return `${file}:${line} ${operator}: ${short(was)} → ${short(becomes)}`;
}

export function lineOf({ mutation, outcome, by, asked }: Trial): string {
  const how = by ?? `${asked} test files passed`;
  return `${outcome.padEnd(9)} ${describe(mutation)} (${how})`;
}

/** Such as `57 of 60 caught (95.0 %), 2 of them by hanging; 3 survived`. */
export function summaryOf(trials: readonly Trial[]): string {
  const count = (...outcomes: readonly Trial['outcome'][]) =>
    trials.filter(({ outcome }) => outcomes.includes(outcome)).length;
  const noticed = count('caught', 'timed out');
  const share = trials.length === 0 ? 0 : (100 * noticed) / trials.length;
  const untried = count('no test');
  return (
    `${noticed} of ${trials.length} caught (${share.toFixed(1)} %), ${count('timed out')} of them by hanging; ` +
    `${count('survived')} survived${untried === 0 ? '' : `, ${untried} had no quick test`}`
  );
}

function short(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > TEXT_MAX ? `${line.slice(0, TEXT_MAX - 1)}…` : line;
}
