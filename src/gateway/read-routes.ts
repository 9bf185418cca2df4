/**
 * The read routes: totals, devices, buckets, events, metrics.
 *
 * Owns their paths. Promises that each is behind the admin gate, and that each answer is bounded, or told on with
 * `next`, and made as fast as it is read (see `ReadDesk`). Never changes anything.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { ID_PATTERN } from '../codec/index.ts';
import { type GatewayStore, inTurns, type StoredLedger, type Turns } from '../store/index.ts';
import type { AdminGate } from './admin.ts';
import { GRANULARITIES } from './bucket.ts';
import { type BucketRange, bucketsOf } from './bucket-page.ts';
import { BUCKETS_DEFAULT, rangeOf, readSeries, type SeriesQuery } from './bucket-series.ts';
import { tellTotals, totalsOf } from './device-totals.ts';
import { GatewayError } from './errors.ts';
import { exportEvents, readerTurns } from './event-export.ts';
import type { DeviceSummary, Fleet } from './fleet.ts';
import { createTurnstile } from './flow.ts';
import {
  ANSWER_LENGTH_MAX,
  CHARTS_MAX,
  EXPORTS_BYTES_MAX,
  EXPORTS_OPEN_MAX,
  LONG_READS_MAX,
  READS_OPEN_MAX,
} from './limits.ts';
import type { Metrics } from './metrics.ts';
import { bucketPageOf, type Page } from './pages.ts';
import { bucketsQuery, deviceQuery, devicesQuery, eventsQuery, readQuery, totalsQuery } from './queries.ts';
import { createReadDesk, JSON_TYPE } from './read-desk.ts';
import { createSharedAnswers } from './shared-answers.ts';
import { bucketParts, deviceParts, isoTime, sensorParts, streamView, totalsParts } from './views.ts';
import { createWindowMemory } from './window-memory.ts';

export interface ReadOptions {
  readonly store: GatewayStore<Page>;
  readonly fleet: Fleet;
  readonly metrics: Metrics;
  readonly mayRead: AdminGate;
  readonly bounds?: AnswerBounds;
}

/** Where an answer ends, and tells on with `next`. */
export interface AnswerBounds {
  /** Characters, about. */
  readonly lengthMax: number;
  /** Sensors of one device listed at a time, streams of it, and intervals of one stream that is asked for by itself. */
  readonly listedMax: number;
}

const ANSWER_BOUNDS: AnswerBounds = { lengthMax: ANSWER_LENGTH_MAX, listedMax: 1_000 };

/** Intervals of each stream in a list of them; a stream that has more had a very bad link. */
const INTERVALS_MAX = 100;

/** Devices with one measure each that make no long answer: as many as the page lists at a time. */
const LISTED_BRIEFLY = 100;

type StreamsQuery = Pick<z.infer<typeof deviceQuery>, 'stream' | 'streamsAfter' | 'intervalsAfter'>;

interface OfDevice {
  readonly Params: { readonly id: string };
}

export function addReadRoutes(app: FastifyInstance, options: ReadOptions): void {
  const { store, fleet, metrics, mayRead, bounds = ANSWER_BOUNDS } = options;
  const desk = createReadDesk({ openMax: READS_OPEN_MAX, chartsMax: CHARTS_MAX, longMax: LONG_READS_MAX });
  // An export may wait for memory that another one holds, which must be worked on meanwhile.
  const exports = createReadDesk({ openMax: EXPORTS_OPEN_MAX, workingMax: EXPORTS_OPEN_MAX });
  const held = createTurnstile(EXPORTS_BYTES_MAX);
  const windows = createWindowMemory();
  const charts = createSharedAnswers();

  app.register(async (reads) => {
    reads.addHook('onRequest', async (request) => mayRead(request));

    reads.get('/v1/totals', async (request, reply) => {
      const { measure } = readQuery(totalsQuery, request.query);
      const parts = async function* () {
        yield* totalsParts(await fleet.totals(measure), metrics.duplicates);
      };
      return desk.send(reply, JSON_TYPE, parts, 'brief');
    });

    reads.get('/v1/devices', async (request, reply) => {
      const { after, limit, measure } = readQuery(devicesQuery, request.query);
      // A list that somebody looks at goes with the charts that are below it.
      const kind = measure !== undefined && limit <= LISTED_BRIEFLY ? 'chart' : 'long';
      return desk.send(reply, JSON_TYPE, (turns) => devicesParts(after, limit, measure, turns), kind);
    });

    reads.get<OfDevice>('/v1/devices/:id', async (request, reply) => {
      const query = readQuery(deviceQuery, request.query);
      const { measure } = query;
      return desk.send(reply, JSON_TYPE, async function* (turns) {
        const summary = await deviceOf(request.params.id);
        const told = await inTurns(tellTotals(summary.totals, measure), turns);
        yield* deviceParts(summary, told, fleet.duplicatesOf(summary.deviceId));
        yield* sensorsParts(summary.deviceId, query.sensorsAfter, measure);
        yield* streamsParts(summary.deviceId, query);
        yield '}';
      });
    });

    reads.get<OfDevice>('/v1/devices/:id/buckets', async (request, reply) => {
      const query = readQuery(bucketsQuery, request.query);
      const kind = isChart(query) ? 'chart' : 'long';
      const parts = async (turns: Turns, gone: AbortSignal) => {
        const { id } = request.params;
        const change = fleet.changeOf(id);
        const { page } = await deviceOf(id);
        const range = rangeOf(query, page.tsPast > -Infinity ? page.tsPast : page.tsMax);
        const isLong = query.measure === undefined || range.end - range.begin > BUCKETS_DEFAULT;
        if (isLong) return seriesParts(id, query, range, turns);
        const ageMaxMs = ageMaxOf(request.headers);
        const make = (shared: Turns) => seriesParts(id, query, range, shared);
        const { text, ageMs, tookMs } = await charts.get(id, JSON.stringify(query), change, ageMaxMs, gone, make);
        reply.headers({ age: Math.floor(ageMs / 1e3), 'cache-control': `private, max-age=${pauseAfter(tookMs)}` });
        return [text];
      };
      return desk.send(reply, JSON_TYPE, parts, kind);
    });

    reads.get<OfDevice>('/v1/devices/:id/measures', async (request, reply) => {
      const parts = async function* (turns: Turns) {
        const { deviceId, totals } = await deviceOf(request.params.id);
        const { measures, isCut } = await inTurns(tellTotals(totals), turns);
        yield JSON.stringify({ id: deviceId, measures: [...measures.keys()], measuresCut: isCut });
      };
      return desk.send(reply, JSON_TYPE, parts, 'brief');
    });

    // No HEAD: it would read every batch to say nothing.
    reads.get<OfDevice>('/v1/devices/:id/events', { exposeHeadRoute: false }, async (request, reply) => {
      const query = readQuery(eventsQuery, request.query);
      return exports.send(reply, 'application/x-ndjson', async function* (turns, gone, makeRoom) {
        const { deviceId } = await deviceOf(request.params.id);
        yield* exportEvents(store, deviceId, query, turns, readerTurns(held, gone, makeRoom));
      });
    });

    reads.get('/metrics', async (_request, reply) =>
      reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
    );
  });

  async function deviceOf(id: string): Promise<DeviceSummary> {
    const summary = ID_PATTERN.test(id) ? await fleet.device(id) : undefined;
    if (summary !== undefined) return summary;
    throw new GatewayError('not-found', 'nothing was ever counted for a device of this id');
  }

  async function* devicesParts(after: string | undefined, limit: number, measure: string | undefined, turns: Turns) {
    let length = 0;
    let devices = 0;
    let last: string | null = null;
    let next: string | null = null;
    yield '{"devices":[';
    for await (const summary of fleet.devices(after, limit + 1)) {
      if (devices === limit || length >= bounds.lengthMax) {
        next = last;
        break;
      }
      if (devices > 0) yield ',';
      const told = await inTurns(tellTotals(summary.totals, measure), turns);
      for (const part of deviceParts(summary, told, fleet.duplicatesOf(summary.deviceId))) {
        length += part.length;
        yield part;
      }
      yield '}';
      devices += 1;
      last = summary.deviceId;
    }
    // What to give as `after` for the rest.
    yield `],"next":${JSON.stringify(next)}}`;
  }

  async function* sensorsParts(deviceId: string, after: string | undefined, measure: string | undefined) {
    let length = 0;
    let sensors = 0;
    let last: string | null = null;
    let next: string | null = null;
    yield ',"sensors":[';
    for await (const { key, page } of store.pages(deviceId, 'total', behind(after))) {
      if (sensors === bounds.listedMax || length >= bounds.lengthMax) {
        next = last;
        break;
      }
      if (sensors > 0) yield ',';
      const events = bucketsOf(bucketPageOf(page))[0]?.events ?? 0;
      for (const part of sensorParts(key.sensor, events, totalsOf(bucketPageOf(page)), measure)) {
        length += part.length;
        yield part;
      }
      sensors += 1;
      last = key.sensor;
    }
    // What to give as `sensorsAfter` for the rest.
    yield `],"nextSensors":${JSON.stringify(next)}`;
  }

  async function* seriesParts(deviceId: string, query: SeriesQuery, range: BucketRange, turns: Turns) {
    const { granularity, sensor = null } = query;
    const { bucketMs } = GRANULARITIES[granularity];
    const { begin, end } = range;
    const [from, to] = begin < end ? [isoTime(begin * bucketMs), isoTime(end * bucketMs)] : [null, null];
    let length = 0;
    let next: number | null = null;
    yield `${JSON.stringify({ id: deviceId, granularity, sensor, from, to }).slice(0, -1)},"buckets":[`;
    let comma = '';
    for await (const bucket of readSeries(store, deviceId, query, range, turns, windows)) {
      if (length >= bounds.lengthMax) {
        next = bucket.number * bucketMs;
        break;
      }
      yield comma;
      for (const part of bucketParts(bucket, bucketMs)) {
        length += part.length;
        yield part;
      }
      comma = ',';
    }
    // What to give as `from` for the rest.
    yield `],"next":${JSON.stringify(next)}}`;
  }

  async function* streamsParts(deviceId: string, { stream: only, streamsAfter, intervalsAfter }: StreamsQuery) {
    let length = 0;
    let streams = 0;
    let last: string | null = null;
    let next: string | null = null;
    yield ',"streams":[';
    const found = only === undefined ? store.ledgers(deviceId, behind(streamsAfter)) : oneLedger(deviceId, only);
    for await (const { stream, ledger } of found) {
      if (streams === bounds.listedMax || length >= bounds.lengthMax) {
        next = last;
        break;
      }
      const intervalsMax = only === undefined ? INTERVALS_MAX : bounds.listedMax;
      const view = streamView(stream, ledger, intervalsMax, intervalsAfter);
      const part = `${streams > 0 ? ',' : ''}${JSON.stringify(view)}`;
      length += part.length;
      yield part;
      streams += 1;
      last = stream;
    }
    // What to give as `streamsAfter` for the rest.
    yield `],"nextStreams":${JSON.stringify(next)}`;
  }

  async function* oneLedger(deviceId: string, stream: string): AsyncGenerator<StoredLedger, void, void> {
    const ledger = await store.ledger({ deviceId, stream });
    if (ledger.ranges > 0) yield { stream, ledger };
  }
}

/** Whether a series has one measure and few buckets; without `from` it has the latest. */
function isChart({ granularity, measure, from, to = Infinity }: SeriesQuery): boolean {
  const isFew = from === undefined || to - from <= BUCKETS_DEFAULT * GRANULARITIES[granularity].bucketMs;
  return measure !== undefined && isFew;
}

function behind(after: string | undefined): { readonly after?: string } {
  return after === undefined ? {} : { after };
}

const AGE_MAX_S = 60;

/** How old an answer may be for who asks, milliseconds: `Cache-Control: max-age=` of the request. */
function ageMaxOf({ 'cache-control': said = '' }: IncomingHttpHeaders): number {
  const [, seconds = '0'] = /(?:^|[\s,])max-age=(\d{1,9})(?![\d.])/.exec(said) ?? [];
  return 1e3 * Math.min(AGE_MAX_S, Number(seconds));
}

/** Seconds until one may ask again for what took so long to make: that it takes a tenth of the time at most. */
function pauseAfter(tookMs: number): number {
  return Math.min(AGE_MAX_S, Math.floor(tookMs / 100));
}
