/**
 * BucketSeries: aggregates over time, read from pages.
 *
 * Owns the choice of range and the adding up over sensors. Promises every bucket of the range, the first and last
 * whole, in bounded memory: a range is added up a window at a time, as wide as what its buckets hold fits (see
 * `WindowMemory`). Never fills buckets in which nothing happened.
 */
import { type GatewayStore, inTurns, type Turns } from '../store/index.ts';
import { type Aggregate, combine } from './aggregate.ts';
import { GRANULARITIES, type Granularity } from './bucket.ts';
import { type BucketRange, readPart } from './bucket-page.ts';
import { GatewayError } from './errors.ts';
import { createFirstNames } from './first-names.ts';
import { bucketPageOf, type Page, pageStart } from './pages.ts';
import { createPartWalk } from './part-walk.ts';
import { bytesOf, createWindowMemory, type WindowMemory } from './window-memory.ts';

export interface SeriesQuery {
  readonly granularity: Granularity;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly sensor?: string | undefined;
  readonly measure?: string | undefined;
}

/** One bucket of all sensors that were asked for. */
export interface SeriesBucket {
  readonly number: number;
  readonly events: number;
  /** By name, the headline first. */
  readonly measures: readonly (readonly [name: string, aggregate: Aggregate])[];
}

/** A week of minutes, a year of hours. */
const BUCKETS_MAX = 10_080;
export const BUCKETS_DEFAULT = 120;

/**
 * The buckets that begin before `to` and end after `from`. Without `to` the range ends with `latest`, a time of the
 * device's events, if there is one; without `from` it holds the `BUCKETS_DEFAULT` before `to`.
 * @throws GatewayError `query-invalid` where the range holds more than `BUCKETS_MAX` buckets
 */
export function rangeOf(query: SeriesQuery, latest: number): BucketRange {
  const { bucketMs } = GRANULARITIES[query.granularity];
  const to = query.to ?? latest + 1;
  // A device that has only reported so far.
  if (to === -Infinity) return { begin: 0, end: 0 };
  const end = Math.ceil(to / bucketMs);
  const begin = query.from === undefined ? end - BUCKETS_DEFAULT : Math.floor(query.from / bucketMs);
  if (end - begin <= BUCKETS_MAX) return { begin, end };
  throw new GatewayError('query-invalid', `from and to span more than ${BUCKETS_MAX} buckets`);
}

/** Ascending; of more measures than a batch can have in one window, the first (see `FirstNames`). */
export async function* readSeries(
  store: Pick<GatewayStore<Page>, 'pages'>,
  deviceId: string,
  { granularity, sensor, measure }: SeriesQuery,
  { begin, end }: BucketRange,
  turns: Turns,
  memory: WindowMemory = createWindowMemory(),
): AsyncGenerator<SeriesBucket, void, void> {
  const { bucketMs } = GRANULARITIES[granularity];
  for (let from = begin, width = end - begin; from < end; ) {
    const share = memory.take();
    try {
      const window = createWindow(from, Math.min(end, from + width), measure, share.bytes);
      const walk = createPartWalk(granularity, window);
      const range = {
        from: pageStart(granularity, from),
        to: window.end * bucketMs,
        jump: walk.jump,

        ...(sensor !== undefined && { sensor }),
      };
      for await (const stored of store.pages(deviceId, granularity, range)) {
        const page = bucketPageOf(stored.page);
        const part = { ...walk.rangeIn(stored.key, page), isWanted: window.isWanted };
        await inTurns(readPart(page, part, window.take), turns);
        window.shrink();
      }
      yield* window.buckets();
      // Twice as wide, but as wide again as it turned out to be where that was too much.
      width = window.end - from === width ? 2 * width : window.end - from;
      from = window.end;
    } finally {
      share.release();
    }
  }
}

interface Window {
  readonly begin: number;
  /** Comes down where the window would hold too much. */
  readonly end: number;
  readonly isWanted: (name: string) => boolean;
  readonly take: (
    number: number,
    events: number,
    names: readonly string[],
    aggregates: readonly (Aggregate | undefined)[],
  ) => void;
  shrink(): void;
  buckets(): Generator<SeriesBucket, void, void>;
}

function createWindow(begin: number, end: number, measure: string | undefined, bytesMax: number): Window {
  const events = new Map<number, number>();
  /** By measure, so that one which has to go goes as a whole. */
  const sums = new Map<string, Map<number, Aggregate>>();
  let bytes = 0;
  const names = createFirstNames((name) => {
    for (const aggregate of sums.get(name)?.values() ?? []) bytes -= bytesOf(aggregate);
    sums.delete(name);
  });
  const add = (name: string, number: number, aggregate: Aggregate): void => {
    if (!names.take(name)) return;
    const ofName = sums.get(name) ?? new Map<number, Aggregate>();
    sums.set(name, ofName);
    const there = ofName.get(number);
    const both = combine(there, aggregate)!;
    bytes += bytesOf(both) - (there === undefined ? 0 : bytesOf(there));
    ofName.set(number, both);
  };
  const window = {
    begin,
    end,
    isWanted: (name: string) => measure === undefined || name === measure,
    take(
      number: number,
      more: number,
      measures: readonly string[],
      aggregates: readonly (Aggregate | undefined)[],
    ): void {
      if (number >= window.end) return;
      events.set(number, (events.get(number) ?? 0) + more);
      aggregates.forEach((aggregate, place) => {
        if (aggregate !== undefined) add(measures[place]!, number, aggregate);
      });
      // Within a page, too, which may hold many times as many.
      if (bytes > bytesMax) window.shrink();
    },
    shrink(): void {
      if (bytes <= bytesMax || events.size < 2) return;
      const perBucket = bytes / events.size;
      const ordered = [...events.keys()].sort((a, b) => a - b);
      // Half of what it may hold: its size is a guess for the next one.
      window.end = ordered[Math.max(1, Math.floor(bytesMax / 2 / perBucket))]!;
      for (const number of events.keys()) if (number >= window.end) events.delete(number);
      for (const ofName of sums.values()) {
        for (const [number, aggregate] of ofName) {
          if (number < window.end) continue;
          ofName.delete(number);
          bytes -= bytesOf(aggregate);
        }
      }
    },
    *buckets(): Generator<SeriesBucket, void, void> {
      const measures = new Map<number, [string, Aggregate][]>();
      for (const name of names.inOrder()) {
        for (const [number, aggregate] of sums.get(name) ?? []) {
          const there = measures.get(number);
          if (there === undefined) measures.set(number, [[name, aggregate]]);
          else there.push([name, aggregate]);
        }
      }
      for (const number of [...events.keys()].sort((a, b) => a - b)) {
        yield { number, events: events.get(number)!, measures: measures.get(number) ?? [] };
      }
    },
  };
  return window;
}
