/** The example of the specification, and the way from events to a batch. */
import {
  type BatchHeader,
  createTableBuilder,
  encodeBatch,
  encodeColumns,
  type TelemetryEvent,
} from '../../src/codec/index.ts';

export type Header = Omit<BatchHeader, 'count'>;

export interface ValidBatch {
  readonly name: string;
  readonly header: Header;
  readonly events: readonly TelemetryEvent[];
}

const T = 1_700_000_000_000;

export const HEADER: Header = {
  stream: Uint8Array.from({ length: 16 }, (_, i) => i),
  first: 1,
  sentAt: T + 500,
  queue: { recorded: 3, queued: 3, quarantined: 0, gaps: 0 },
  gaps: [],
};

export const EXAMPLE: readonly TelemetryEvent[] = [
  { ts: T, sensor: 'inlet', fields: { volume: 1.25, temperature: 21.4 } },
  { ts: T, sensor: 'outlet', fields: { volume: 0.5 } },
  { ts: T + 1_000, sensor: 'inlet', fields: { volume: 1.5, temperature: 21.5 } },
];

/** The batch as the encoder of this project writes it. */
export function bytesOf({ header, events }: Pick<ValidBatch, 'header' | 'events'>): Buffer {
  const builder = createTableBuilder();
  for (const event of events) builder.add(event);
  return Buffer.from(encodeBatch({ ...header, count: events.length }, encodeColumns(builder.build())));
}

/** The eight bytes of a double, most significant first. */
export function bitsOf(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString('hex');
}
