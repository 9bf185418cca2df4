/** Events as packed blocks, ready to be appended to a queue. */
import assert from 'node:assert/strict';
import { createTableBuilder, type EventTable, encodeColumns, type TelemetryEvent } from '../../src/codec/index.ts';
import type { NewBlock } from '../../src/store/index.ts';
import { readings } from './device-fixture.ts';

export function tableOf(events: readonly TelemetryEvent[]): EventTable {
  const builder = createTableBuilder();
  for (const event of events) assert(builder.add(event));
  return builder.build();
}

export function blockOf(events: readonly TelemetryEvent[]): NewBlock {
  return { count: events.length, bytes: encodeColumns(tableOf(events)) };
}

/** Blocks of so many `readings` each, one after the other. */
export function blocksOf(...counts: readonly number[]): NewBlock[] {
  let start = 1;
  return counts.map((count) => {
    const block = blockOf(readings(count, start));
    start += count;
    return block;
  });
}

/** A block whose seal is good and whose bytes mean nothing: written by another version, say. */
export function garbage(count: number, bytes = 40): NewBlock {
  return { count, bytes: Buffer.alloc(bytes, 0xc1) };
}
