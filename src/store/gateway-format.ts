/**
 * The format of a gateway's database, and how an older one is brought forward.
 *
 * Format 1 had no holdings: they are worked out from ledgers and pages, once, before anything else is written. The
 * format is written last, so that a process which ends in between begins again; a program of format 1 refuses what
 * comes of it.
 */
import { StoreError } from './errors.ts';
import { deviceOfLedgerKey, deviceOfPageKey, FORMAT_KEY, holdingsKey } from './gateway-keys.ts';
import { type Holdings, holdingsOf, holdingsOfPage, holdingsPut, NOTHING_HELD, plus } from './holdings.ts';
import { familyRange, GATEWAY } from './keys.ts';
import { decodeLedger } from './ledger-bytes.ts';
import type { Operation, Rocks } from './rocks.ts';
import { unsealOrThrow } from './seal.ts';

const FORMAT = Buffer.from('tidegate gateway 2');
const WITHOUT_HOLDINGS = Buffer.from('tidegate gateway 1');

/** Holdings written at a time. */
const PIECE = 1_000;

/** False where there is nothing at all. Rejects with `corrupt` for another's database, or one of a later format. */
export async function hasFormat(rocks: Rocks): Promise<boolean> {
  const format = await rocks.get(FORMAT_KEY);
  if (format?.equals(FORMAT) || format?.equals(WITHOUT_HOLDINGS)) return true;
  for await (const [key] of rocks.entries({ limit: 1 })) {
    throw new StoreError('corrupt', `not a database of this gateway: there is a key ${key.toString('hex')}`);
  }
  return false;
}

/** Makes the database one of this format; it `hasFormat`, or is empty. */
export async function bringForward(rocks: Rocks): Promise<void> {
  await hasFormat(rocks);
  const format = await rocks.get(FORMAT_KEY);
  if (format?.equals(FORMAT)) return;
  if (format !== undefined) await addHoldings(rocks);
  await rocks.write([{ type: 'put', key: FORMAT_KEY, value: FORMAT }]);
}

async function addHoldings(rocks: Rocks): Promise<void> {
  const held = new Map<string, Holdings>();
  const add = (deviceId: string, more: Partial<Holdings>) => {
    held.set(deviceId, plus(held.get(deviceId) ?? NOTHING_HELD, more));
  };
  for await (const [key, value] of rocks.entries(familyRange(GATEWAY.ledger))) {
    const ledger = decodeLedger(unsealOrThrow(key, value));
    // A report alone left an empty ledger behind.
    if (ledger.ranges > 0) add(deviceOfLedgerKey(key), holdingsOf(ledger));
  }
  for await (const [key, value] of rocks.entries(familyRange(GATEWAY.page))) {
    add(deviceOfPageKey(key), holdingsOfPage(key, value));
  }
  let puts: Operation[] = [];
  for (const [deviceId, holdings] of held) {
    puts.push(holdingsPut(holdingsKey(deviceId), holdings));
    if (puts.length < PIECE) continue;
    await rocks.write(puts);
    puts = [];
  }
  if (puts.length > 0) await rocks.write(puts);
}
