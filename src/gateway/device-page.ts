/**
 * DevicePage: what is kept of a device as a whole.
 *
 * Owns counters, times, given-up events, sums over all sensors and the device's latest report, how two pages become
 * one, and their bytes. Promises that merging is commutative and associative in all but the report, which is the last
 * that arrived unless it had been overtaken; the same report again changes nothing. Never holds anything per sensor.
 */
import { addDecimals, COLUMNS_MAX, type Decimal, type GapReason, type QueueState, type Steps } from '../codec/index.ts';
import { addTotals, bytesOfTotals, type DeviceTotals, packTotals, type Totals, unpackTotals } from './device-totals.ts';
import { createPageReader, createPageWriter, type PageReader, type PageWriter } from './page-bytes.ts';

/** The device's own account, as one batch brought it. */
export interface Report {
  /** 32 hex digits: the stream of that batch. */
  readonly stream: string;
  /** The device's clock, epoch milliseconds. */
  readonly sentAt: number;
  /** The gateway's clock, epoch milliseconds. */
  readonly receivedAt: number;
  /** The gateway's clock minus the one that the device signed with. */
  readonly clockOffsetMs: number;
  readonly queue: QueueState;
}

export interface DevicePage {
  /** Batches that brought something new, their events, and the bytes of their bodies. */
  batches: number;
  events: number;
  bodyBytes: number;
  /** The gateway's clock at the first and last of them; ±Infinity before any. */
  firstReceivedAt: number;
  lastReceivedAt: number;
  /** Earliest and latest `ts`; ±Infinity before any event. */
  tsMin: number;
  tsMax: number;
  /** Latest `ts` of what was not yet to come when it came (see `PLAUSIBLE_AHEAD_MS`); -Infinity before any. */
  tsPast: number;
  /** Declared as given up. */
  gaps: Record<GapReason, number>;
  /** Given-up events whose sums are not known. */
  gapsUnsummed: number;
  /** Sums of the others, by measure. */
  gapSums: ReadonlyMap<string, Decimal>;
  report: Report | undefined;
  /** Its sensors, and how many names they and their measures are, as of the latest batch. Nothing without `totals`. */
  sensors: number;
  names: number;
  /** Undefined in a page of earlier versions, where nobody has added up what was there yet. */
  totals: DeviceTotals | undefined;
}

/** What a batch adds. */
export interface DeviceDelta extends DevicePage {
  /** What the sensors came to before it, for a page that does not know. */
  before?: Totals | undefined;
}

export function emptyDevicePage(): DevicePage {
  return {
    batches: 0,
    events: 0,
    bodyBytes: 0,
    firstReceivedAt: Infinity,
    lastReceivedAt: -Infinity,
    tsMin: Infinity,
    tsMax: -Infinity,
    tsPast: -Infinity,
    gaps: { quota: 0, damage: 0 },
    gapsUnsummed: 0,
    gapSums: new Map(),
    report: undefined,
    sensors: 0,
    names: 0,
    totals: new Map(),
  };
}

/** About what a page takes in memory, bytes. */
export function bytesOfDevicePage({ gapSums, totals }: DevicePage): number {
  let bytes = PAGE_BYTES + (totals === undefined ? 0 : bytesOfTotals(totals));
  for (const [name, { scale }] of gapSums) bytes += SUM_BYTES + name.length + scale;
  return bytes;
}

/**
 * How far ahead of the gateway's clock an event's time is taken for true: clocks without a zone are off by half a day.
 * What is later, in year 10000 say, counts like any other event, but nobody who looks at what is going on means it.
 */
export const PLAUSIBLE_AHEAD_MS = 86_400_000;

const PAGE_BYTES = 512;
const SUM_BYTES = 160;

/** Adds `delta` to `into`, in place. */
export function* mergeDevicePages(into: DevicePage, delta: DeviceDelta): Steps<void> {
  into.batches += delta.batches;
  into.events += delta.events;
  into.bodyBytes += delta.bodyBytes;
  into.firstReceivedAt = Math.min(into.firstReceivedAt, delta.firstReceivedAt);
  into.lastReceivedAt = Math.max(into.lastReceivedAt, delta.lastReceivedAt);
  into.tsMin = Math.min(into.tsMin, delta.tsMin);
  into.tsMax = Math.max(into.tsMax, delta.tsMax);
  into.tsPast = Math.max(into.tsPast, delta.tsPast);
  into.gaps.quota = counted(into.gaps.quota + delta.gaps.quota);
  into.gaps.damage = counted(into.gaps.damage + delta.gaps.damage);
  into.gapsUnsummed = counted(into.gapsUnsummed + delta.gapsUnsummed);
  if (delta.gapSums.size > 0) into.gapSums = sumOf(into.gapSums, delta.gapSums);
  if (delta.report && (!into.report || !isOvertaken(delta.report, into.report))) into.report = delta.report;
  // Sensors only ever become more, and whoever counts them knows of all that were decided before.
  into.sensors = Math.max(into.sensors, delta.sensors);
  into.names = Math.max(into.names, delta.names);
  into.totals ??= delta.before;
  if (into.totals === undefined || delta.totals === undefined) return;
  const totals = delta.totals instanceof Uint8Array ? yield* unpackTotals(delta.totals) : delta.totals;
  if (totals.size > 0) into.totals = yield* addTotals(into.totals, totals);
}

/**
 * A count ends where doubles stop counting, and stays there: the gaps of two streams may come to more, where somebody
 * has made them up, and what a page cannot write down nobody could read again.
 */
function counted(count: number): number {
  return Math.min(count, Number.MAX_SAFE_INTEGER);
}

/**
 * Names in order. A device may give sums for ever other measures; the first `COLUMNS_MAX` names in order are kept,
 * which are the same whatever came first.
 */
function sumOf(a: ReadonlyMap<string, Decimal>, b: ReadonlyMap<string, Decimal>): Map<string, Decimal> {
  const sums = new Map(a);
  for (const [name, sum] of b) {
    const before = sums.get(name);
    sums.set(name, before === undefined ? sum : addDecimals(before, sum));
  }
  return new Map([...sums].sort(([left], [right]) => (left < right ? -1 : 1)).slice(0, COLUMNS_MAX));
}

/**
 * Whether a report that arrives is no news. Batches of one stream leave one disk, whose counts alone say which came
 * first, whatever the clocks do. Counts begin anew with another disk; there, what has been overtaken on its way is
 * behind in both.
 */
function isOvertaken(arriving: Report, known: Report): boolean {
  if (isFurther(arriving.queue, known.queue)) return false;
  return arriving.stream === known.stream || arriving.sentAt <= known.sentAt;
}

/** Events only ever become more; of as many, fewer are queued later, and of as many queued, fewer quarantined. */
function isFurther(a: QueueState, b: QueueState): boolean {
  if (a.recorded !== b.recorded) return a.recorded > b.recorded;
  if (a.queued !== b.queued) return a.queued < b.queued;
  return a.quarantined < b.quarantined;
}

const VERSION = 4;
/** Without sensors, names and totals. */
const VERSION_WITHOUT_TOTALS = 3;
/** Nor `tsPast`. */
const VERSION_WITHOUT_PAST = 2;
const writer = createPageWriter();

export function* encodeDevicePage(page: DevicePage): Steps<Uint8Array> {
  const totals = page.totals && (yield* packTotals(page.totals));
  writer.natural(VERSION);
  for (const count of [page.batches, page.events, page.bodyBytes]) writer.natural(count);
  const { firstReceivedAt, lastReceivedAt, tsMin, tsMax, tsPast } = page;
  for (const time of [firstReceivedAt, lastReceivedAt, tsMin, tsMax, tsPast]) writer.double(time);
  for (const count of [page.gaps.quota, page.gaps.damage, page.gapsUnsummed]) writer.natural(count);
  writer.natural(page.gapSums.size);
  for (const [name, { digits, scale }] of page.gapSums) {
    writer.text(name);
    writer.natural(scale);
    writer.digits(digits);
  }
  writeReport(writer, page.report);
  writer.natural(page.sensors);
  writer.natural(page.names);
  writer.natural(totals === undefined ? 0 : 1);
  if (totals !== undefined) writer.bytes(totals);
  return writer.finish();
}

/** @throws RangeError where the bytes are no device page */
export function decodeDevicePage(bytes: Uint8Array): DevicePage {
  const reader = createPageReader(bytes);
  const version = reader.natural();
  if (version > VERSION || version < VERSION_WITHOUT_PAST) throw new RangeError('an unknown version of a page');
  const counts = { batches: reader.natural(), events: reader.natural(), bodyBytes: reader.natural() };
  const received = { firstReceivedAt: reader.double(), lastReceivedAt: reader.double() };
  const [tsMin, tsMax] = [reader.double(), reader.double()];
  const page: DevicePage = {
    ...counts,
    ...received,
    tsMin,
    tsMax,
    tsPast: version > VERSION_WITHOUT_PAST ? reader.double() : tsMax,
    gaps: { quota: reader.natural(), damage: reader.natural() },
    gapsUnsummed: reader.natural(),
    gapSums: readSums(reader),
    report: readReport(reader),
    sensors: 0,
    names: 0,
    // Of a device that has only reported so far it is known.
    totals: counts.events === 0 ? new Map() : undefined,
  };
  if (version > VERSION_WITHOUT_TOTALS) {
    page.sensors = reader.natural();
    page.names = reader.natural();
    page.totals = reader.natural() === 0 ? undefined : reader.bytes();
  }
  reader.end();
  return page;
}

function readSums(reader: PageReader): Map<string, Decimal> {
  const sums = new Map<string, Decimal>();
  for (let left = reader.count(); left > 0; left--) {
    const name = reader.text();
    const scale = reader.natural();
    sums.set(name, { scale, digits: reader.digits() });
  }
  return sums;
}

function writeReport(to: PageWriter, report: Report | undefined): void {
  to.natural(report ? 1 : 0);
  if (!report) return;
  const { stream, sentAt, receivedAt, clockOffsetMs, queue } = report;
  to.text(stream);
  for (const time of [sentAt, receivedAt, clockOffsetMs]) to.double(time);
  for (const count of [queue.recorded, queue.queued, queue.quarantined, queue.gaps]) to.natural(count);
}

function readReport(from: PageReader): Report | undefined {
  if (from.natural() === 0) return undefined;
  return {
    stream: from.text(),
    sentAt: from.double(),
    receivedAt: from.double(),
    clockOffsetMs: from.double(),
    queue: {
      recorded: from.natural(),
      queued: from.natural(),
      quarantined: from.natural(),
      gaps: from.natural(),
    },
  };
}
