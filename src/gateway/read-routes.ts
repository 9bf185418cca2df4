/**
 * The read routes: totals, devices, buckets, events, metrics.
 *
 * Owns their paths. Promises that each is behind the admin gate and that each answer is bounded, or streamed as fast as it
 * is read. Never changes anything.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { ID_PATTERN } from '../codec/index.ts';
import type { GatewayStore } from '../store/index.ts';
import type { AdminGate } from './admin.ts';
import { bucketsOf } from './bucket-page.ts';
import { readSeries } from './bucket-series.ts';
import { GatewayError } from './errors.ts';
import { exportEvents } from './event-export.ts';
import { type DeviceSummary, type Fleet, totalsOf } from './fleet.ts';
import type { Metrics } from './metrics.ts';
import { bucketPageOf, type Page } from './pages.ts';
import { bucketsQuery, devicesQuery, eventsQuery, noQuery, readQuery } from './queries.ts';
import { deviceView, measuresView, streamView, totalsView } from './views.ts';

export interface ReadOptions {
  readonly store: GatewayStore<Page>;
  readonly fleet: Fleet;
  readonly metrics: Metrics;
  readonly mayRead: AdminGate;
}

/** Sensors and streams of one device that are listed. */
const LISTED_MAX = 1_000;

interface OfDevice {
  readonly Params: { readonly id: string };
}

export function addReadRoutes(app: FastifyInstance, { store, fleet, metrics, mayRead }: ReadOptions): void {
  app.register(async (reads) => {
    reads.addHook('onRequest', async (request) => mayRead(request));

    reads.get('/v1/totals', async (request) => {
      readQuery(noQuery, request.query);
      return totalsView(await fleet.totals(), metrics.duplicates);
    });

    reads.get('/v1/devices', async (request) => {
      const { after, limit } = readQuery(devicesQuery, request.query);
      const summaries = await fleet.devices(after, limit);
      return {
        devices: summaries.map(viewOf),
        /** What to give as `after` for the rest. */
        next: summaries.length < limit ? null : (summaries.at(-1)?.deviceId ?? null),
      };
    });

    reads.get<OfDevice>('/v1/devices/:id', async (request) => {
      readQuery(noQuery, request.query);
      const summary = await deviceOf(request.params.id);
      const { deviceId } = summary;
      return { ...viewOf(summary), sensors: await sensorsOf(deviceId), streams: await streamsOf(deviceId) };
    });

    reads.get<OfDevice>('/v1/devices/:id/buckets', async (request) => {
      const query = readQuery(bucketsQuery, request.query);
      const { deviceId, page } = await deviceOf(request.params.id);
      const buckets = await readSeries(store, deviceId, page.tsMax, query);
      return { id: deviceId, granularity: query.granularity, sensor: query.sensor ?? null, buckets };
    });

    // No HEAD: it would read every batch to say nothing.
    reads.get<OfDevice>('/v1/devices/:id/events', { exposeHeadRoute: false }, async (request, reply) => {
      const query = readQuery(eventsQuery, request.query);
      const { deviceId } = await deviceOf(request.params.id);
      return reply.type('application/x-ndjson').send(Readable.from(exportEvents(store, deviceId, query)));
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

  function viewOf(summary: DeviceSummary) {
    return deviceView(summary, fleet.duplicatesOf(summary.deviceId));
  }

  async function sensorsOf(deviceId: string) {
    const sensors = [];
    for await (const { key, page } of store.pages(deviceId, 'total')) {
      const events = bucketsOf(bucketPageOf(page))[0]?.events ?? 0;
      sensors.push({ sensor: key.sensor, events, measures: measuresView(totalsOf(page)) });
      if (sensors.length === LISTED_MAX) break;
    }
    return sensors;
  }

  async function streamsOf(deviceId: string) {
    const streams = [];
    for await (const { stream, ledger } of store.ledgers(deviceId)) {
      streams.push(streamView(stream, ledger));
      if (streams.length === LISTED_MAX) break;
    }
    return streams;
  }
}
