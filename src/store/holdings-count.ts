/**
 * Holdings counted: what a device holds by its ledgers and pages, where no record says it.
 *
 * A device has no such record where it has nothing, and in a database of a format without any, at which somebody only
 * looks.
 */
import { pageBounds } from './gateway-keys.ts';
import type { StoredLedger } from './gateway-store.ts';
import { type Holdings, holdingsOf, holdingsOfPage, NOTHING_HELD, plus } from './holdings.ts';
import type { RocksHandle } from './rocks-handle.ts';

const PAGE_KINDS = ['device', 'total', 'minute', 'hour', 'day'] as const;

export async function countHoldings(
  handle: Pick<RocksHandle, 'walk'>,
  deviceId: string,
  ledgers: AsyncIterable<StoredLedger>,
): Promise<Holdings> {
  let held = NOTHING_HELD;
  for await (const { ledger } of ledgers) if (ledger.ranges > 0) held = plus(held, holdingsOf(ledger));
  for (const kind of PAGE_KINDS) {
    for await (const [key, value] of handle.walk(pageBounds(deviceId, kind, {}))) {
      held = plus(held, holdingsOfPage(key, value));
    }
  }
  return held;
}
