/**
 * Report: everything there is to say about a batch, as data.
 *
 * Owns the JSON that `--json` and `--ndjson` print. Promises exact sums and numbers that read back bit for bit. Never
 * formats for a person.
 */
import {
  BATCH_VERSION,
  type ColumnDescription,
  type DeclaredGap,
  describeColumns,
  eventsOf,
  formatDecimal,
  type MeasureColumn,
  type QueueState,
  sumMeasures,
  type TelemetryEvent,
} from '../codec/index.ts';
import type { OpenedBody } from './body.ts';
import type { SignatureVerdict } from './signature.ts';

export interface Report {
  readonly version: number;
  /** 32 hex digits. */
  readonly stream: string;
  readonly first: number;
  /** Null where the batch holds no events. */
  readonly last: number | null;
  readonly count: number;
  /** Epoch milliseconds. */
  readonly sentAt: number;
  readonly queue: QueueState;
  readonly gaps: readonly DeclaredGap[];
  readonly encoding: string;
  readonly bytes: {
    readonly body: number;
    readonly uncompressed: number;
    /** The same events as lines of JSON. */
    readonly json: number;
  };
  readonly columns: readonly ColumnDescription[];
  readonly sensors: readonly { readonly sensor: string; readonly events: number }[];
  readonly measures: readonly MeasureSummary[];
  readonly signature?: SignatureVerdict;
}

export interface MeasureSummary {
  readonly measure: string;
  readonly values: number;
  readonly min: number;
  readonly max: number;
  /** Exact, in plain decimal notation. */
  readonly sum: string;
}

export function reportOf(body: OpenedBody, signature?: SignatureVerdict): Report {
  const { stream, first, count, sentAt, queue, gaps, table } = body.batch;
  return {
    version: BATCH_VERSION,
    stream: Buffer.from(stream).toString('hex'),
    first,
    last: count === 0 ? null : first + count - 1,
    count,
    sentAt,
    queue,
    gaps,
    encoding: body.encoding,
    bytes: { body: body.bodyBytes, uncompressed: body.packed.length, json: jsonBytes(eventsOf(table)) },
    columns: describeColumns(body.packed, table),
    sensors: table.sensors.map((sensor, s) => ({ sensor, events: table.starts[s + 1]! - table.starts[s]! })),
    measures: table.columns.filter((column) => column.kind === 'measure').map(summaryOf),
    ...(signature && { signature }),
  };
}

/** One JSON document: the report, and all events as its last member. */
export function* jsonDocument(report: Report, body: OpenedBody): Generator<string, void, void> {
  yield `${JSON.stringify(report).slice(0, -1)},"events":[`;
  let separator = '';
  for (const line of eventLines(body)) {
    yield separator + line;
    separator = ',';
  }
  yield ']}\n';
}

/** One JSON object for each event, in sequence order, without line ends. */
export function* eventLines({ batch }: OpenedBody): Generator<string, void, void> {
  let sequence = batch.first;
  for (const event of eventsOf(batch.table)) yield `{"sequence":${sequence++},${eventJson(event).slice(1)}`;
}

function eventJson({ ts, sensor, fields }: TelemetryEvent): string {
  const members = Object.entries(fields).map(([name, value]) => `${JSON.stringify(name)}:${valueJson(value)}`);
  return `{"ts":${ts},"sensor":${JSON.stringify(sensor)},"fields":{${members.join(',')}}}`;
}

/** `JSON.stringify` would lose the sign of minus zero, which JSON itself can hold. */
function valueJson(value: unknown): string {
  return Object.is(value, -0) ? '-0' : JSON.stringify(value);
}

/** As most telemetry is sent today: one flat object an event, one event a line. */
function jsonBytes(events: Iterable<TelemetryEvent>): number {
  let bytes = 0;
  for (const { ts, sensor, fields } of events)
    bytes += Buffer.byteLength(JSON.stringify({ ts, sensor, ...fields })) + 1;
  return bytes;
}

function summaryOf({ name, measures }: MeasureColumn): MeasureSummary {
  const { values } = measures;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { measure: name, values: values.length, min, max, sum: formatDecimal(sumMeasures(measures)) };
}
