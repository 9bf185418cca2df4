/** The one table of problem codes in proto-spec/README.md, and what its words for a device mean. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Outcome } from '../../src/device/outcome.ts';

export interface CodeRow {
  readonly code: string;
  readonly status: number;
  readonly signed: string;
  readonly device: string;
}

const pages = new URL('../../proto-spec/', import.meta.url);

export function codesIn(page: string): CodeRow[] {
  const rows = readFileSync(new URL(page, pages), 'utf8').matchAll(
    /^\| `([a-z-]+)` \| (\d{3}) \| [^|]+ \| (yes|no|both) \| ([a-z ]+) \|$/gm,
  );
  return [...rows].map(([, code = '', status, signed = '', device = '']) => ({
    code,
    status: Number(status),
    signed,
    device,
  }));
}

const OUTCOMES: Readonly<Record<string, Outcome['kind']>> = {
  releases: 'delivered',
  pauses: 'barred',
  bisects: 'refused',
  splits: 'split',
  'falls back': 'encoding',
  'corrects its clock': 'skew',
  'makes a new stream': 'collision',
  retries: 'failed',
  waits: 'wait',
};

/** Whether an outcome is what those words say. */
export function isDoneBy(words: string, outcome: Outcome): boolean {
  assert(Object.hasOwn(OUTCOMES, words), words);
  const waits = outcome.kind === 'failed' && outcome.waitMs !== undefined;
  return (waits ? 'wait' : outcome.kind) === OUTCOMES[words];
}
