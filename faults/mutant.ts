/**
 * Mutant: a deliberate bug, as a small patch applied to a copy.
 *
 * Owns what a patch is. Promises that a patch which no longer fits its file exactly once is an error, so that none
 * becomes a no-op in silence. Never touches the checkout.
 */
import assert from 'node:assert/strict';
import type { CampaignName } from './campaigns/index.ts';

export interface Mutant {
  /** In the reader's words: `acknowledge before the commit`. */
  readonly name: string;
  /** From the root of the checkout. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Campaigns that must catch it, tried in this order, with how many units each may take. */
  readonly caughtBy: readonly { readonly campaign: CampaignName; readonly size: number }[];
}

export function mutate({ name, file, find, replace }: Mutant, path: string, source: string): string {
  if (path !== file) return source;
  const parts = source.split(find);
  assert.equal(parts.length, 2, `mutant "${name}": its patch fits ${file} ${parts.length - 1} times, not once`);
  return parts.join(replace);
}
