/**
 * EventExport: the events themselves, as far as their batches are kept, one JSON object a line.
 *
 * Owns the way from accepted batches back to events. Promises each event once, though batches may overlap, in order of
 * stream and sequence, as it was recorded; and parts of bounded length, though one event's line may be three million
 * characters long. Never holds more than one batch.
 */
import { decodeBatchInSteps, eventsOf, type FieldValue, inflateBody, type TelemetryEvent } from '../codec/index.ts';
import type { GatewayStore, RetainedBatch, Turns } from '../store/index.ts';
import type { Page } from './pages.ts';
import { inTurns } from './turns.ts';

export interface ExportQuery {
  /** Events from this time on, epoch milliseconds. */
  readonly from?: number | undefined;
  /** Events before this time. */
  readonly to?: number | undefined;
  readonly sensor?: string | undefined;
}

/** Characters of a part, at least; a field's text may make it longer. */
const PART_LENGTH = 4_096;

export async function* exportEvents(
  store: Pick<GatewayStore<Page>, 'batches'>,
  deviceId: string,
  { from = -Infinity, to = Infinity, sensor }: ExportQuery,
  turns: Turns,
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
    yield* linesOf(batch, next, wanted, turns);
  }
}

async function* linesOf(
  batch: RetainedBatch,
  next: number,
  wanted: (event: TelemetryEvent) => boolean,
  turns: Turns,
): AsyncGenerator<string, void, void> {
  const bytes = await inflateBody(batch.encoding, batch.body);
  const { first, table } = await inTurns(decodeBatchInSteps(bytes), turns);
  let sequence = next;
  let text = '';
  for (const event of eventsOf(table, next - first)) {
    if (turns.isOver()) await turns.next();
    if (wanted(event)) {
      for (const part of partsOf(batch.stream, sequence, event)) {
        text += part;
        if (text.length < PART_LENGTH) continue;
        yield text;
        text = '';
      }
    }
    sequence += 1;
  }
  if (text !== '') yield text;
}

function* partsOf(stream: string, sequence: number, event: TelemetryEvent): Generator<string, void, void> {
  const { ts, sensor, fields } = event;
  const time = new Date(ts).toISOString();
  yield `${JSON.stringify({ stream, sequence, ts, time, sensor }).slice(0, -1)},"fields":{`;
  let comma = '';
  for (const [name, value] of Object.entries(fields)) {
    yield `${comma}${JSON.stringify(name)}:${jsonOf(value!)}`;
    comma = ',';
  }
  yield '}}\n';
}

/** JSON has a minus zero, which `JSON.stringify` leaves the sign of out. */
function jsonOf(value: FieldValue): string {
  return Object.is(value, -0) ? '-0' : JSON.stringify(value);
}
