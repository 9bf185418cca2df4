/**
 * Stock: what a queue holds besides its blocks, events in quarantine and gaps that nobody has acknowledged.
 *
 * Owns the reading of it, and its place in the account. Promises that taking it again changes nothing where the disk
 * has not changed. Never counts a block: the census does.
 */
import type { Gap, Queue } from '../store/index.ts';
import type { Account } from './account.ts';
import type { Gaps, OpenGap } from './gaps.ts';
import { isRetried, tableOf } from './quarantine.ts';
import { NOTHING, plus, type Tally, tallyOf } from './tally.ts';

export interface Stock {
  readonly quarantined: Tally;
  /** Something in quarantine is to be sent again. */
  readonly retry: boolean;
  readonly gaps: readonly Gap[];
}

export async function takeStock(queue: Pick<Queue, 'quarantine' | 'gaps'>): Promise<Stock> {
  let quarantined = NOTHING;
  let retry = false;
  for await (const entry of queue.quarantine()) {
    quarantined = plus(quarantined, tallyOf(tableOf(entry)));
    retry ||= isRetried(entry);
  }
  return { quarantined, retry, gaps: await queue.gaps() };
}

/** Has the account begin anew with it; gives the gaps that are news. */
export function enterStock({ quarantined, gaps }: Stock, account: Account, open: Gaps): readonly OpenGap[] {
  account.restock();
  account.add('quarantined', quarantined);
  const news = gaps.filter(({ first }) => !open.has(first));
  for (const gap of gaps) account.add('gaps', open.add(gap).tally);
  return news.map((gap) => open.add(gap));
}
