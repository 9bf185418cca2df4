/**
 * Storage: hostile bytes in the place of what was stored.
 *
 * Owns what must hold of ledgers, pages and records that are not what was written: `corrupt`, or something whole that
 * is written the same way again. Promises seals that are right for what is meant to reach the reader behind them.
 */
import { allAtOnce, createTableBuilder } from '../../src/codec/index.ts';
import { bucketsOf } from '../../src/gateway/bucket-page.ts';
import { emptyDevicePage } from '../../src/gateway/device-page.ts';
import { type Page, pageOperator } from '../../src/gateway/pages.ts';
import { tally } from '../../src/gateway/tally.ts';
import { decodeBatch, decodeExtent, encodeBatch, encodeExtent } from '../../src/store/batch-record.ts';
import { createLedger, decodeLedger, encodeLedger, type PageKind, StoreError } from '../../src/store/index.ts';
import { decodeBlock } from '../../src/store/queue-blocks.ts';
import { decodeGap, decodeIdentity, decodeQuarantine } from '../../src/store/queue-records.ts';
import { seal } from '../../src/store/seal.ts';
import { randomEvents } from './corpus.ts';
import { createDice } from './dice.ts';
import type { Gauge } from './gauge.ts';
import { Breach, holdTo, type Kind, REFUSED, type Struck, TAKEN } from './kind.ts';
import { mutated } from './mutation.ts';

export const STORED = 'stored ledgers, pages and records changed';

/** Under which all records of an input stand. */
const KEY = Buffer.from('150000000000000007', 'hex');

const SEALED_READERS: readonly ((key: Buffer, value: Buffer) => unknown)[] = [
  decodeBlock,
  decodeGap,
  decodeQuarantine,
  (_key, value) => decodeIdentity(value),
];

export function storageKinds(gauge: Gauge): Kind[] {
  const ledgers = sampleLedgers();
  const pages = samplePages();
  const records = sampleRecords();
  const time = <T>(work: () => T): T => gauge.time(STORED, work);
  return [
    {
      name: STORED,
      share: 14_000,
      strike(dice) {
        switch (dice.below(4)) {
          case 0:
            return holdTo(mutated(dice.pick(ledgers), dice, ledgers), (bytes) => assertLedger(bytes, time));
          case 1: {
            const [kind, page] = dice.pick(pages);
            const bytes = mutated(page, dice, [page]);
            return holdTo(bytes, (input) => assertPage(kind, input, time));
          }
          case 2:
            return holdTo(mutated(dice.pick(records), dice, records), assertRecord);
          default:
            return holdTo(mutated(seal(KEY, dice.bytes(40)), dice, records), assertBroken);
        }
      },
    },
  ];
}

type Time = <T>(work: () => T) => T;

/** One ledger has one encoding. */
function assertLedger(bytes: Uint8Array, time: Time): Struck {
  try {
    const again = encodeLedger(time(() => decodeLedger(bytes)));
    if (!again.equals(bytes)) throw new Breach('a ledger with two encodings');
    return TAKEN;
  } catch (error) {
    return asCorrupt(error);
  }
}

/** What reads a page makes `corrupt` of any error; it is to be one that bytes can be at fault for. */
function assertPage(kind: PageKind, bytes: Uint8Array, time: Time): Struck {
  try {
    const page = time(() => pageOperator.decode(kind, bytes));
    if ('packed' in page) time(() => bucketsOf(page));
    return TAKEN;
  } catch (error) {
    if (error instanceof RangeError && !error.message.includes('call stack')) return REFUSED;
    throw error;
  }
}

function assertRecord(bytes: Uint8Array): Struck {
  const value = seal(KEY, bytes);
  let isRefused = false;
  for (const read of [decodeBatch, decodeExtent]) {
    try {
      read(KEY, value);
    } catch (error) {
      isRefused = asCorrupt(error).isRefused;
    }
  }
  return { isRefused };
}

/** Behind a broken seal nothing is looked at. */
function assertBroken(value: Uint8Array): Struck {
  const bytes = Buffer.from(value);
  const intact = bytes.length >= 4 && seal(KEY, bytes.subarray(4)).equals(bytes);
  if (intact) return TAKEN;
  for (const read of SEALED_READERS) if (read(KEY, bytes) !== undefined) throw new Breach('a broken seal was believed');
  return REFUSED;
}

function asCorrupt(error: unknown): Struck {
  if (error instanceof StoreError && error.code === 'corrupt') return REFUSED;
  throw error;
}

function sampleLedgers(): Buffer[] {
  const dice = createDice(2);
  return Array.from({ length: 20 }, () => {
    const ledger = createLedger();
    for (let times = dice.between(1, 12); times > 0; times--) {
      const first = dice.between(1, 300);
      const last = first + dice.below(40);
      if (dice.chance(0.3)) ledger.addGap({ first, last });
      else
        for (const part of ledger.missing(first, last))
          ledger.add({ ...part, digest: dice.bytes(8).readBigUInt64LE() });
    }
    return encodeLedger(ledger);
  });
}

function samplePages(): (readonly [PageKind, Uint8Array])[] {
  const dice = createDice(3);
  const pages: (readonly [PageKind, Uint8Array])[] = [];
  const add = (kind: PageKind, page: Page): void => void pages.push([kind, allAtOnce(pageOperator.encode(kind, page))]);
  for (let times = 0; times < 12; times++) {
    const builder = createTableBuilder();
    for (const event of randomEvents(dice)) builder.add(event);
    const table = builder.build();
    const missing = [{ first: 1, last: Math.max(1, table.count) }];
    for (const { key, delta } of allAtOnce(tally('d', table, 1, missing)).slice(0, 12)) add(key.kind, delta);
  }
  const gapSums = new Map([['volume', { digits: -12_345_678_901_234_567_890n, scale: 7 }]]);
  const queue = { recorded: 9, queued: 3, quarantined: 1, gaps: 2 };
  const report = { stream: 's', sentAt: 1, receivedAt: 2, clockOffsetMs: -3, queue };
  add('device', { ...emptyDevicePage(), batches: 5, events: 2 ** 40, tsMin: -1, tsMax: 7, gapSums, report });
  return pages;
}

function sampleRecords(): Buffer[] {
  const stream = '5a'.repeat(16);
  const batch = { first: 3, last: 9, tsMin: -5, tsMax: 5, receivedAt: 1, encoding: 'br', body: Buffer.from('body') };
  const records = [encodeBatch(KEY, { deviceId: 'pump-7', stream }, batch), encodeExtent(KEY, batch)];
  return records.map((value) => value.subarray(4));
}
