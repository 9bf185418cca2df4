/**
 * EventExport: the events themselves, as far as their batches are kept, one JSON object a line.
 *
 * Owns the way from accepted batches back to events. Promises each event once, though batches may overlap, in order of
 * stream and sequence, as it was recorded; and parts of bounded length, though one event's line may be three million
 * characters long. Never holds more than one batch, and all exports together what `flow` allows.
 */
import { type Batch, createEventReader, type FieldValue, HEAP, type TelemetryEvent } from '../codec/index.ts';
import type { GatewayStore, RetainedBatch, Turns } from '../store/index.ts';
import { createTurnstile, type Flow } from './flow.ts';
import { withBatch } from './inflation.ts';
import { EXPORTS_BYTES_MAX, ROOM_ASKED_EVERY_MS } from './limits.ts';
import type { Page } from './pages.ts';

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
  flow: Pick<Flow, 'inTurn'> = createTurnstile(EXPORTS_BYTES_MAX),
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
    const isWanted = (ts: number, name: string) => ts >= from && ts < to && (sensor ?? name) === name;
    const held = await hold(batch, turns, flow);
    try {
      yield* linesOf(batch, held.batch, next, isWanted, turns);
    } finally {
      held.release();
    }
  }
}

/** Turns for one reader, who leaves the queue when gone, and has room made now and then while waiting there. */
export function readerTurns(
  flow: Pick<Flow, 'inTurn'>,
  gone: AbortSignal,
  makeRoom: () => void,
  everyMs: number = ROOM_ASKED_EVERY_MS,
): Pick<Flow, 'inTurn'> {
  return {
    async inTurn(bytes, work) {
      const asking = setInterval(makeRoom, everyMs);
      const begun = () => {
        clearInterval(asking);
        return work();
      };
      try {
        return await flow.inTurn(bytes, begun, { gone });
      } finally {
        clearInterval(asking);
      }
    },
  };
}

/** The batch, which counts as held until it is released. */
function hold(
  { encoding, body }: RetainedBatch,
  turns: Turns,
  flow: Pick<Flow, 'inTurn'>,
): Promise<{ readonly batch: Batch; readonly release: () => void }> {
  return new Promise((resolve, reject) => {
    const held = (batch: Batch) => new Promise<void>((release) => resolve({ batch, release }));
    withBatch(flow, { contentEncoding: encoding, body }, HEAP, turns, held).catch(reject);
  });
}

async function* linesOf(
  { stream }: RetainedBatch,
  { first, table }: Batch,
  next: number,
  isWanted: (ts: number, sensor: string) => boolean,
  turns: Turns,
): AsyncGenerator<string, void, void> {
  const events = createEventReader(table);
  let text = '';
  for (let event = next - first; event < table.count; event++) {
    if (turns.isOver()) await turns.next();
    // What is passed over costs no look-up in its columns, of which there may be hundreds.
    if (!isWanted(events.timeOf(event), events.sensorOf(event))) continue;
    for (const part of partsOf(stream, first + event, events.at(event))) {
      text += part;
      if (text.length < PART_LENGTH) continue;
      yield text;
      text = '';
    }
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
