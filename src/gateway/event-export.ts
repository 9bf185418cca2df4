/**
 * EventExport: the events themselves, as far as their batches are kept, one JSON object a line.
 *
 * Owns the way from accepted batches back to events. Promises each event once, though batches may overlap, in order of
 * stream and sequence, and that no more is read than the client takes. Never holds more than one batch.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { decodeBatchInSteps, eventsOf, inflateBody, type TelemetryEvent } from '../codec/index.ts';
import type { GatewayStore, RetainedBatch } from '../store/index.ts';
import type { Page } from './pages.ts';
import { inTurns } from './turns.ts';

export interface ExportQuery {
  /** Events from this time on, epoch milliseconds. */
  readonly from?: number | undefined;
  /** Events before this time. */
  readonly to?: number | undefined;
  readonly sensor?: string | undefined;
}

/** Lines that are made before others get a turn. */
const PIECE = 512;

export async function* exportEvents(
  store: Pick<GatewayStore<Page>, 'batches'>,
  deviceId: string,
  { from = -Infinity, to = Infinity, sensor }: ExportQuery,
): AsyncGenerator<string, void, void> {
  const range = { ...(from > -Infinity && { from }), ...(to < Infinity && { to }) };
  let stream = '';
  /** The last sequence of this stream that was given, or passed over. */
  let given = 0;
  for await (const batch of store.batches(deviceId, range)) {
    if (batch.stream !== stream) given = 0;
    stream = batch.stream;
    if (batch.last <= given) continue;
    const next = Math.max(batch.first, given + 1);
    given = batch.last;
    const wanted = (event: TelemetryEvent) =>
      event.ts >= from && event.ts < to && (sensor ?? event.sensor) === event.sensor;
    yield* linesOf(batch, next, wanted);
  }
}

async function* linesOf(
  batch: RetainedBatch,
  next: number,
  wanted: (event: TelemetryEvent) => boolean,
): AsyncGenerator<string, void, void> {
  const { first, table } = await inTurns(decodeBatchInSteps(await inflateBody(batch.encoding, batch.body)));
  let sequence = next;
  let text = '';
  for (const event of eventsOf(table, next - first)) {
    if (wanted(event)) text += lineOf(batch.stream, sequence, event);
    sequence += 1;
    if ((sequence - next) % PIECE > 0) continue;
    if (text !== '') yield text;
    else await nextTurn();
    text = '';
  }
  if (text !== '') yield text;
}

function lineOf(stream: string, sequence: number, { ts, sensor, fields }: TelemetryEvent): string {
  return `${JSON.stringify({ stream, sequence, ts, time: new Date(ts).toISOString(), sensor, fields })}\n`;
}
