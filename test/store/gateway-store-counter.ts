/** The smallest gateway there is: pages that count events, and batches that are admitted as far as they are new. */
import assert from 'node:assert/strict';
import type {
  Admission,
  GatewayStore,
  GatewayStoreView,
  LedgerView,
  PageKey,
  PageOperator,
  Range,
  StreamKey,
} from '../../src/store/index.ts';

export interface Counter {
  events: bigint;
}

export const counters: PageOperator<Counter> = {
  empty: () => ({ events: 0n }),
  *merge(_kind, into, delta) {
    yield 1_024;
    into.events += delta.events;
  },
  divide: () => undefined,
  cut: () => undefined,
  *encode(_kind, { events }) {
    yield 1_024;
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(events);
    return bytes;
  },
  pagesOf: () => 1,
  bytesOf: () => 100,
  decode: (_kind, bytes) => {
    assert.equal(bytes.length, 8);
    return { events: new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0) };
  },
};

export const SENSOR = 'flow';
export const MINUTE_PAGE_MS = 60_000;
/** A stream has one event every 10 seconds from 1970 on; sequence 1 is a minute before it. */
export const timeOf = (sequence: number): number => sequence * 10_000 - 70_000;

export function streamKey(deviceId: string, stream: number): StreamKey {
  return { deviceId, stream: stream.toString(16).padStart(32, '0') };
}

export const devicePage = (deviceId: string): PageKey => ({ deviceId, kind: 'device', sensor: '', start: 0 });
export const totalPage = (deviceId: string): PageKey => ({ deviceId, kind: 'total', sensor: SENSOR, start: 0 });

export interface Sent extends Range {
  readonly receivedAt?: number;
  readonly body?: Uint8Array;
}

/** What there is to store of a batch, given the ledger; null where all of it is there. */
export function admissionOf({ deviceId }: StreamKey, sent: Sent, ledger: LedgerView): Admission<Counter> | null {
  const { first, last, receivedAt = 0, body = Buffer.from(`${first}-${last}`) } = sent;
  const missing = ledger.missing(first, last);
  if (missing.length === 0) return null;
  const perPage = new Map<number, bigint>();
  let events = 0n;
  for (const range of missing) {
    for (let sequence = range.first; sequence <= range.last; sequence += 1) {
      const start = Math.floor(timeOf(sequence) / MINUTE_PAGE_MS) * MINUTE_PAGE_MS;
      perPage.set(start, (perPage.get(start) ?? 0n) + 1n);
      events += 1n;
    }
  }
  return {
    segments: missing.map((range) => ({ ...range, digest: BigInt(range.first) })),
    gaps: [],
    pages: [
      { key: devicePage(deviceId), delta: { events } },
      { key: totalPage(deviceId), delta: { events } },
      ...Array.from(perPage, ([start, count]) => ({
        key: { deviceId, kind: 'minute' as const, sensor: SENSOR, start },
        delta: { events: count },
      })),
    ],
    batch: { first, last, tsMin: timeOf(first), tsMax: timeOf(last), receivedAt, encoding: 'identity', body },
  };
}

export function send(store: GatewayStore<Counter>, key: StreamKey, sent: Sent): Promise<void> {
  return store.ingest(key, (ledger) => admissionOf(key, sent, ledger));
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Ledgers, pages and, unless retention was at work, batches of a device must tell the same story. */
export async function assertBalanced(store: GatewayStore<Counter>, deviceId: string): Promise<number> {
  const ledgers = await all(store.ledgers(deviceId));
  const count = ledgers.reduce((sum, { ledger }) => sum + ledger.count, 0);
  const minutes = await all(store.pages(deviceId, 'minute'));
  const perMinute = minutes.reduce((sum, { page }) => sum + page.events, 0n);
  assert.equal((await store.page(devicePage(deviceId)))?.events ?? 0n, BigInt(count), 'device page');
  assert.equal((await store.page(totalPage(deviceId)))?.events ?? 0n, BigInt(count), 'total page');
  assert.equal(perMinute, BigInt(count), 'minute pages');
  for (const { stream, ledger } of ledgers) {
    const batches = await store.retained({ deviceId, stream }, 1, Number.MAX_SAFE_INTEGER);
    for (const { first, last } of batches)
      assert.deepEqual(ledger.missing(first, last), [], 'a batch is in the ledger');
    const covered = new Set<number>();
    for (const { first, last } of batches) for (let id = first; id <= last; id += 1) covered.add(id);
    assert.equal(covered.size, ledger.count, 'retained batches');
  }
  await assertHeld(store, deviceId);
  return count;
}

/** The holdings of a device must be what its ledgers and pages come to. */
export async function assertHeld(store: GatewayStoreView<Counter>, deviceId: string): Promise<void> {
  const { streams, events, declared, gaps, ranges, pages } = await store.holdings(deviceId);
  const ledgers = (await all(store.ledgers(deviceId))).filter(({ ledger }) => ledger.ranges > 0);
  const sum = (of: (ledger: LedgerView) => number) => ledgers.reduce((total, { ledger }) => total + of(ledger), 0);
  assert.deepEqual(
    { streams, events, declared, gaps, ranges },
    {
      streams: ledgers.length,
      events: sum(({ count }) => count),
      declared: sum((ledger) => ledger.gaps().reduce((total, { first, last }) => total + last - first + 1, 0)),
      gaps: sum(({ gapCount }) => gapCount),
      ranges: sum((ledger) => ledger.intervals().length + ledger.gaps().length),
    },
    `holdings of ${deviceId}`,
  );
  let stored = 0;
  for (const kind of ['device', 'total', 'minute', 'hour', 'day'] as const) {
    stored += (await all(store.pages(deviceId, kind))).length;
  }
  assert.equal(pages, stored, 'pages');
}
