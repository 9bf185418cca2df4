/**
 * OneRow: a row by itself, through all that rows of an input go through.
 *
 * Promises an event, or the error for which the row is refused.
 */
import type { TelemetryEvent } from '../../src/codec/index.ts';
import { RowError, type RowErrorCode } from '../../src/device/inputs/refusal.ts';
import { RowFeed } from '../../src/device/inputs/row-feed.ts';
import type { InputFormat, RowOptions } from '../../src/device/inputs/row-reader.ts';

/** @throws RowError, InputError */
export function eventOf(format: InputFormat, text: string, options: RowOptions): TelemetryEvent {
  const feed = new RowFeed({ ...options, format, encoding: 'utf-8', offset: 0, lastLine: true });
  const fed = [feed.push(Buffer.from(text)), feed.end(true)];
  const event = fed.flatMap(({ events }) => events)[0];
  if (event) return event;
  const refused = fed.flatMap((rows) => rows.refused)[0];
  throw new RowError((refused?.code ?? 'row-malformed') as RowErrorCode, refused?.message ?? 'no row');
}
