/**
 * Admission: what one batch adds to what is known, decided against its stream's ledger (promises 4 to 6).
 *
 * Owns the judgement new, duplicate or collision, and what each of them writes. Promises that the same id with the same
 * content adds nothing, however often it comes, and that nothing of a batch with a collision is stored. Never waits
 * while it decides: where only kept batches can tell, or counting takes long, it stores nothing, does that and decides
 * again.
 */
import { type Acknowledgement, digestInSteps, type Steps } from '../codec/index.ts';
import {
  type Admission,
  createWork,
  type GatewayStore,
  type Holdings,
  inTurns,
  type LedgerView,
  type Range,
  SHARED_TURNS,
  type Turns,
  type Work,
} from '../store/index.ts';
import type { Archive, DigestOf } from './archive.ts';
import { type Arrival, acceptedBatch, latestBefore, rangeOf } from './arrival.ts';
import { type DeviceLimits, isWithinBounds } from './device-bounds.ts';
import { type DeviceDelta, emptyDevicePage, PLAUSIBLE_AHEAD_MS } from './device-page.ts';
import { sumTotals, type Totals } from './device-totals.ts';
import { GatewayError } from './errors.ts';
import { createEvidence } from './evidence.ts';
import { type GapDelta, type NewGap, newGaps, rangesOf, tallyGaps } from './gap-tally.ts';
import { BATCH_PAGE_BYTES_MAX, BATCH_RANGES_MAX, COLLISIONS_MAX } from './limits.ts';
import { addedBytes, mayBeHeavy } from './page-weight.ts';
import { bucketPageOf, devicePageKey, devicePageOf, type Page } from './pages.ts';
import { areEqual, countOf } from './ranges.ts';
import type { KnownSensors, Sensors } from './sensors.ts';
import { type PageDelta, tally } from './tally.ts';

export interface Admitted extends Acknowledgement {
  /** Of the duplicates, those that nothing is left to compare with. */
  readonly unverified: number;
}

export interface Admissions {
  /**
   * Resolves once everything that the acknowledgement says is durable.
   * @throws GatewayError `sequence-collision`, `sensor-limit`, `measure-limit`, `batch-limit`, or one of
   * `device-bounds.ts`; StoreError
   */
  admit(arrival: Arrival): Promise<Admitted>;
}

export interface AdmissionsOptions {
  readonly store: Pick<GatewayStore<Page>, 'ingest' | 'page' | 'weigh'>;
  readonly archive: Archive;
  readonly sensors: Sensors;
  readonly limits: DeviceLimits;
  readonly turns?: Turns;
}

/** What a batch adds to pages. */
interface Counted {
  readonly events: PageDelta[];
  /** Over all sensors. */
  readonly totals: Totals;
  readonly gaps: GapDelta;
}

/** What the missing events and the new gaps add, as far as that has been counted. */
interface Counting {
  readonly missing: readonly Range[];
  readonly gaps: readonly NewGap[];
  readonly work: Work<Counted>;
  /** What is to be written for it, bytes; undefined until somebody had to know. */
  pageBytes?: number;
}

export function createAdmissions(options: AdmissionsOptions): Admissions {
  const { store, archive, sensors, limits, turns = SHARED_TURNS } = options;
  /** What takes long to count takes memory too: one batch at a time, until it is stored. */
  let longTurn: Promise<unknown> = Promise.resolve();
  const inLongTurn = (work: () => Promise<void>): Promise<void> => {
    const done = longTurn.then(work);
    longTurn = done.catch(() => {});
    return done;
  };

  const ageOf = async ({ deviceId, receivedAt }: Arrival): Promise<number> => {
    const page = await store.page(devicePageKey(deviceId));
    return page === undefined ? 0 : receivedAt - Math.min(receivedAt, devicePageOf(page).firstReceivedAt);
  };

  /** Stops where it is clear that it is too much. */
  const weigh = async (pages: readonly PageDelta[]): Promise<number> => {
    const added = await inTurns(addedBytes(pages), turns);
    return added + (await store.weigh(pages, BATCH_PAGE_BYTES_MAX - added));
  };

  return {
    async admit(arrival) {
      const { deviceId, batch } = arrival;
      const stream = Buffer.from(batch.stream).toString('hex');
      const key = { deviceId, stream };
      const mine = await digestsOf(arrival, turns);
      const evidence = createEvidence(mine);
      let known = await sensors.of(deviceId, batch.table.sensors);
      let isGiven = false;
      let missing: readonly Range[] = [];
      let open: readonly Range[] = [];
      let unverified = 0;
      let ageMs: number | undefined;
      let asksAge = false;
      let largestPage = 0;
      let isDecided = false;
      let counting = countingOf(arrival, [], [], turns);
      const decide = (ledger: LedgerView, holdings: Holdings): Admission<Page> | null => {
        if (batch.count > 0) {
          const { last } = rangeOf(batch);
          missing = ledger.missing(batch.first, last);
          if (missing.length > BATCH_RANGES_MAX) throw tooManyRanges();
          const weighing = evidence.weigh(ledger, batch.first, last);
          open = weighing.open;
          if (open.length > 0) return null;
          if (weighing.collisions.length > 0) throw collision(weighing.collisions);
          unverified = countOf(weighing.unverified);
        }
        const touched = batch.gaps.reduce((sum, { first, last }) => sum + ledger.declaredRanges(first, last), 0);
        if (touched > BATCH_RANGES_MAX) throw tooManyRanges();
        const growth = { events: missing.length > 0 ? rangeOf(batch) : undefined, gaps: batch.gaps };
        asksAge = !isWithinBounds(limits, ledger, holdings, growth, ageMs);
        if (asksAge) return null;
        const gaps = newGaps(ledger, batch.gaps);
        const isAsBefore = areEqual(counting.missing, missing) && gaps.every(isAsIn(counting.gaps));
        if (!isAsBefore) counting = countingOf(arrival, missing, gaps, turns);
        ({ largestPage } = holdings);
        if (known.isForgotten || !counting.work.advance()) return null;
        const asksWeight = counting.pageBytes === undefined && mayBeHeavy(counting.work.result.events, largestPage);
        if (asksWeight) return null;
        // What cannot be split is taken.
        if (counting.pageBytes! > BATCH_PAGE_BYTES_MAX && batch.count > 1) throw tooMuchToWrite();
        const admission = admissionOf(arrival, stream, counting, mine, known);
        isGiven = admission !== null;
        isDecided = true;
        arrival.lease.release();
        return admission;
      };
      const prepare = async (): Promise<void> => {
        const { work } = counting;
        await work.finish();
        if (mayBeHeavy(work.result.events, largestPage)) counting.pageBytes = await weigh(work.result.events);
      };
      const decideAgain = async (): Promise<void> => {
        if (open.length > 0) await inTurns(evidence.add(open, await archive.find(key, open)), turns);
        else if (asksAge) ageMs = await ageOf(arrival);
        else if (known.isForgotten) {
          known.release();
          known = await sensors.of(deviceId, batch.table.sensors);
        } else await prepare();
        await store.ingest(key, decide);
      };
      try {
        await store.ingest(key, decide);
        while (!isDecided) {
          await (open.length > 0 || asksAge || known.isForgotten ? decideAgain() : inLongTurn(decideAgain));
        }
        if (isGiven) known.stored();
      } catch (error) {
        // What was to be stored may have been taken in already, and was not stored.
        if (!(error instanceof GatewayError)) sensors.forget(deviceId);
        throw error;
      } finally {
        known.release();
      }
      const inserted = countOf(missing);
      const { first, count } = batch;
      return { stream, first, count, inserted, duplicates: count - inserted, unverified };
    },
  };
}

/** What to store; null where all of it is known. */
function admissionOf(
  arrival: Arrival,
  stream: string,
  { missing, gaps, work }: Counting,
  mine: DigestOf,
  known: KnownSensors,
): Admission<Page> | null {
  const { deviceId, batch, receivedAt } = arrival;
  const declared = rangesOf(gaps);
  const isNew = missing.length > 0 || declared.length > 0;
  // A batch without events is a report, and one report changes nothing the second time.
  if (!isNew && batch.count > 0) return null;
  const { events, totals, gaps: given } = work.result;
  const accepted = missing.length > 0 ? acceptedBatch(arrival) : undefined;
  // Put together field by field: made of spread objects it would cost more than merging it.
  const device: DeviceDelta = emptyDevicePage();
  const { sensors, names, before } = known.admit(events);
  device.sensors = sensors;
  device.names = names;
  device.before = before;
  device.totals = totals;
  device.gaps = given.gaps;
  device.gapsUnsummed = given.gapsUnsummed;
  device.gapSums = given.gapSums;
  const { sentAt, queue } = batch;
  device.report = { stream, sentAt, receivedAt, clockOffsetMs: arrival.clockOffsetMs, queue };
  if (isNew) {
    device.batches = 1;
    device.firstReceivedAt = receivedAt;
    device.lastReceivedAt = receivedAt;
  }
  if (accepted !== undefined) {
    device.events = countOf(missing);
    device.bodyBytes = accepted.body.length;
    device.tsMin = accepted.tsMin;
    device.tsMax = accepted.tsMax;
    device.tsPast = latestBefore(batch.table.times, receivedAt + PLAUSIBLE_AHEAD_MS);
  }
  return {
    segments: missing.map(({ first, last }) => ({ first, last, digest: mine(first, last) })),
    gaps: declared,
    pages: [...events, { key: devicePageKey(deviceId), delta: device }],
    batch: accepted,
  };
}

function countingOf(arrival: Arrival, missing: readonly Range[], gaps: readonly NewGap[], turns: Turns): Counting {
  return { missing, gaps, work: createWork(count(arrival, missing, gaps), turns) };
}

function* count(
  { deviceId, batch, lease }: Arrival,
  missing: readonly Range[],
  gaps: readonly NewGap[],
): Steps<Counted> {
  const events = yield* tally(deviceId, batch.table, batch.first, missing, lease.memory);
  const pages = events.filter(({ key }) => key.kind === 'total').map(({ delta }) => bucketPageOf(delta));
  return { events, totals: yield* sumTotals(pages), gaps: yield* tallyGaps(gaps) };
}

/** Whether of a gap there is as much new as when it was counted. */
function isAsIn(counted: readonly NewGap[]): (gap: NewGap, place: number) => boolean {
  return ({ events }, place) => counted[place]?.events === events;
}

async function digestsOf({ batch: { table, first: start }, lease }: Arrival, turns: Turns): Promise<DigestOf> {
  const digest = await inTurns(digestInSteps(table, start, lease.memory), turns);
  return (first, last) => digest(first - start, last - start + 1);
}

function tooMuchToWrite(): GatewayError {
  return new GatewayError('batch-limit', `touches pages of more than ${BATCH_PAGE_BYTES_MAX} bytes`);
}

function tooManyRanges(): GatewayError {
  return new GatewayError('batch-limit', `concerns more than ${BATCH_RANGES_MAX} separate ranges of its ledger`);
}

function collision(ranges: readonly Range[]): GatewayError {
  const collisions = ranges.slice(0, COLLISIONS_MAX).map(({ first, last }) => [first, last] as const);
  return new GatewayError('sequence-collision', `${countOf(ranges)} ids stand for other events`, { collisions });
}
