/**
 * The port of a gateway's storage: what a driver must do, whatever database is under it.
 *
 * Owns the words and the promises that the conformance suite (`test/store/gateway-store-conformance.ts`) checks. Pages
 * are opaque: the store decides where a page lies, when it is written and with what it is atomic; the gateway, through
 * a `PageOperator`, decides what is in it and how two of them become one. Promises that ledger, pages and accepted
 * batch of one admission are on disk together or not at all.
 */
import type { Holdings } from './holdings.ts';
import type { Range } from './intervals.ts';
import type { LedgerView, Segment } from './ledger.ts';
import type { GatewayCondition } from './rot-watch.ts';
import type { Steps } from './stepped-work.ts';

/** What a page is about: `device` is one per device, `total` one per sensor, the others one per sensor and start. */
export type PageKind = 'device' | 'total' | 'minute' | 'hour' | 'day';

/** At most this many bytes of UTF-8 name a sensor. */
export const SENSOR_BYTES_MAX = 256;

export interface PageKey {
  /** Matches `[A-Za-z0-9][A-Za-z0-9._:-]{0,63}`. */
  readonly deviceId: string;
  readonly kind: PageKind;
  /** Any well-formed text of at most `SENSOR_BYTES_MAX` bytes; empty for `device`. */
  readonly sensor: string;
  /** Where the page begins, whole epoch milliseconds, also negative; 0 for `device` and `total`. */
  readonly start: number;
}

/** A page that was cut off another, its *head*, or what is to be merged into such a one. */
export interface PagePart<Page> {
  /** Where it begins; no other of the device, kind and sensor begins there, and no page's time overlaps another's. */
  readonly start: number;
  readonly page: Page;
}

/** What is merged into a page and its parts. */
export interface PageDivision<Page> {
  /** What the page itself keeps; undefined where that is nothing. */
  readonly own: Page | undefined;
  readonly parts: readonly PagePart<Page>[];
}

/**
 * How opaque pages are read, written and added up. None of it must throw on valid pages. A page that grows large may be
 * cut: then it says of anything that comes later which of its parts that belongs to.
 */
export interface PageOperator<Page> {
  /** A page that nothing was merged into. */
  empty(kind: PageKind): Page;
  /** Adds `delta` to `into`, in place; `delta` is left as it is. Meanwhile nobody else looks at `into`. */
  merge(kind: PageKind, into: Page, delta: Page): Steps<void>;
  /** What of `delta` belongs into parts of `page`; undefined where none of it does. `delta` is left as it is. */
  divide(kind: PageKind, page: Page, delta: Page): PageDivision<Page> | undefined;
  /**
   * Cuts off what makes `page` too large, and gives the new parts; undefined where it is not. `head`, which begins at
   * `start`, is `page` itself or the page that it is a part of, and knows of the new ones from then on.
   */
  cut(kind: PageKind, head: Page, start: number, page: Page): Steps<readonly PagePart<Page>[]> | undefined;
  encode(kind: PageKind, page: Page): Steps<Uint8Array>;
  /** Reads what `encode` wrote; throws on anything else. Short for any page: what is large in one stays packed. */
  decode(kind: PageKind, bytes: Uint8Array): Page;
  /** How many pages, parts among them, `delta` may be merged into at most. */
  pagesOf(kind: PageKind, delta: Page): number;
  /** About what a page takes in memory, bytes. */
  bytesOf(kind: PageKind, page: Page): number;
}

export interface StreamKey {
  readonly deviceId: string;
  /** 32 lower-case hexadecimal digits. */
  readonly stream: string;
}

/** A batch as it was accepted. */
export interface AcceptedBatch {
  readonly first: number;
  readonly last: number;
  /** Earliest and latest `ts` of its events, epoch milliseconds. */
  readonly tsMin: number;
  readonly tsMax: number;
  /** The gateway's clock when it came, epoch milliseconds. */
  readonly receivedAt: number;
  /** The content encoding of `body`, at most 255 bytes. */
  readonly encoding: string;
  readonly body: Uint8Array;
}

/** An accepted batch that is still kept. */
export interface RetainedBatch extends AcceptedBatch, StreamKey {}

/** What is known of a retained batch without reading its body. */
export interface BatchExtent extends StreamKey, Omit<AcceptedBatch, 'encoding' | 'body'> {
  /** In the order in which batches were accepted. */
  readonly number: number;
  readonly bodyBytes: number;
}

export type BatchBody = Pick<AcceptedBatch, 'encoding' | 'body'>;

/** Everything that one call of `ingest` adds, in one piece. */
export interface Admission<Page> {
  /** Newly processed events: ascending, disjoint, and nothing of it in the ledger yet. */
  readonly segments: readonly Segment[];
  /** Declared gaps; what was declared before may be among them. */
  readonly gaps: readonly Range[];
  /** What to merge into which page, all of the stream's device. Deltas stay as they are until `ingest` settles. */
  readonly pages: readonly { readonly key: PageKey; readonly delta: Page }[];
  /** The batch to retain. */
  readonly batch?: AcceptedBatch | undefined;
}

/** Says what to store for one stream, given its ledger and what its device has in all; null for nothing. */
export type Decide<Page> = (ledger: LedgerView, holdings: Holdings) => Admission<Page> | null;

/** Whole epoch milliseconds. */
export interface TimeRange {
  /** From this one on. */
  readonly from?: number;
  /** Up to but without this one. */
  readonly to?: number;
}

export interface PageRange extends TimeRange {
  /** Pages of this sensor only. */
  readonly sensor?: string;
  /** Pages of the sensors behind this one only. */
  readonly after?: string;
  /**
   * Asked of each page before it is read: where in its sensor to read on instead, by start, or `Infinity` for behind
   * its sensor; undefined where it is to be given.
   */
  readonly jump?: (key: PageKey) => number | undefined;
}

export interface StoredPage<Page> {
  readonly key: PageKey;
  readonly page: Page;
}

export interface StoredLedger {
  readonly stream: string;
  readonly ledger: LedgerView;
}

export interface RetentionLimits {
  /** Keep at most this many bytes of bodies. */
  readonly bytesMax?: number;
  /** Keep a batch this long after it was received. */
  readonly ageMaxMs?: number;
  /** For their age delete so many batches at most. Default: no limit. */
  readonly agedMax?: number;
  /** A clock that shows less than this was wrong, epoch milliseconds. Default: none is. */
  readonly clockMin?: number;
}

export interface BatchTally {
  readonly batches: number;
  /** Bytes of bodies. */
  readonly bytes: number;
}

export interface GatewayStoreStats {
  readonly retained: BatchTally;
  /** Admissions stored since the store was opened. */
  readonly admissions: number;
  /** Commits that it took to store them. */
  readonly commits: number;
}

/**
 * What goes wrong on the disk is a `StoreError`; after `close()` it is `closed`. Keys that are none are bugs: asserted.
 *
 * Reads see committed state only, never what may still be lost. Iterables may run while the store is written to: they
 * see every record that was there before and is still there, and may or may not see later ones.
 */
export interface GatewayStore<Page> {
  /**
   * Lets `decide` say what to store for one stream. It is called once, synchronously, with the ledger as of every
   * admission before it, also those not committed yet; calls for one stream are decided in the order in which they were
   * made. The view is good only until `decide` returns; null stores nothing. Holdings are as of every admission of the
   * device before it, but for pages, which are counted when they are written.
   *
   * Resolves once the admission *and everything that `decide` saw* is fsynced. Calls made meanwhile share a commit.
   * Where `decide` throws, or the admission breaks the rules of `Admission`, this call alone rejects with that error,
   * also once everything that `decide` saw is fsynced, and nothing is stored. Where the commit fails, every call in it
   * and behind it rejects with the commit's error, and each may or may not be stored: the next `decide` sees which.
   */
  ingest(key: StreamKey, decide: Decide<Page>): Promise<void>;

  /**
   * What the pages that these changes concern take as they are stored, bytes: those are written again by whoever
   * ingests the changes. Where that is more than `bytesMax`, any number that is more.
   */
  weigh(pages: Admission<Page>['pages'], bytesMax: number): Promise<number>;

  /**
   * Resolves once reads see whatever a failed commit has left on disk; at once where none has failed. Rejects while the
   * database cannot be opened again.
   */
  renewed(): Promise<void>;

  /** The stream's ledger; an empty one where nothing was ever stored. */
  ledger(key: StreamKey): Promise<LedgerView>;
  /** What a device has in all, from one record. */
  holdings(deviceId: string): Promise<Holdings>;
  /** Every ledger of a device, ascending by stream; or those of the streams behind `after`. */
  ledgers(deviceId: string, options?: { readonly after?: string }): AsyncIterable<StoredLedger>;

  page(key: PageKey): Promise<Page | undefined>;
  /** Pages of one kind whose start lies in the range, ascending by sensor (in UTF-8 byte order), then start. */
  pages(deviceId: string, kind: PageKind, range?: PageRange): AsyncIterable<StoredPage<Page>>;
  /** Ids of the devices with a `device` page, ascending, behind `after`; at most `limit`. Costs O(ids given). */
  devices(options?: { readonly after?: string; readonly limit?: number }): AsyncIterable<string>;

  /** The retained batches of a stream that overlap a sequence range, ascending by first sequence, then acceptance. */
  retained(key: StreamKey, first: number, last: number): Promise<RetainedBatch[]>;
  /** As `retained`, and no body is read. */
  extents(key: StreamKey, first: number, last: number): AsyncIterable<BatchExtent>;
  /** Undefined where retention has taken the batch since. */
  bodyOf(extent: BatchExtent): Promise<BatchBody | undefined>;
  /** A device's retained batches with events in a time range, ascending by stream, first sequence, acceptance. */
  batches(deviceId: string, range?: TimeRange): AsyncIterable<RetainedBatch>;
  /**
   * Deletes the batches that were accepted first until the limits hold; ledgers and pages stay as they are. `now` is
   * epoch milliseconds. A batch that says it was received in the future, or before `clockMin`, is as old as those
   * accepted after it tell. Resolves with what was deleted once that is fsynced. Calls run one after another.
   */
  retain(limits: RetentionLimits, now: number): Promise<BatchTally>;

  /** Also where the store can take nothing: then it is asked for most. */
  stats(): Promise<GatewayStoreStats>;
  /** Of its files, as of the last commit or the last time that `ready` was asked; costs nothing. */
  readonly condition: GatewayCondition;
  /** Resolves where the store can take an admission, after trying to recover if need be; rejects with what is wrong. */
  ready(): Promise<void>;
  /** Commits what was decided, then lets go of the database. Calling it again is harmless. */
  close(): Promise<void>;
}

/** A store to look at. */
export type GatewayStoreView<Page> = Pick<
  GatewayStore<Page>,
  'holdings' | 'ledger' | 'ledgers' | 'page' | 'pages' | 'devices' | 'retained' | 'batches'
>;
