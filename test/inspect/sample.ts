/**
 * A fixed batch with a column of every form, for tests that compare whole outputs.
 */
import { createTableBuilder, encodeBatch, encodeColumns } from '../../src/codec/index.ts';

export const SAMPLE_EVENTS = 1_200;

/** 1 200 events of three sensors, from sequence 97 on; the 96 before are a declared gap. */
export function sampleBatch(): Uint8Array {
  const builder = createTableBuilder();
  for (let i = 0; i < SAMPLE_EVENTS; i++) {
    builder.add({
      ts: Date.UTC(2026, 0, 1) + 1_000 * i + (i % 7 === 0 ? 3 : 0),
      sensor: ['inlet', 'outlet', 'tank'][i % 3]!,
      fields: {
        volume: (120 + ((i * 37) % 61)) / 100,
        temperature: i % 11 === 0 ? 0.1 + 0.2 : (180 + (i % 5)) / 10,
        noise: 2 ** ((i % 40) - 21) / (i + 3),
        mean: Number((20 + ((7 * i) % 59) / 60).toFixed(13)),
        stroke: i % 100 === 0 ? -0 : 0,
        phase: 7,
        running: i % 13 !== 0,
        ...(i % 5 === 0 && { state: i % 10 === 0 ? 'open' : 'shut\u001b[31m' }),
      },
    });
  }
  const header = {
    stream: Uint8Array.from({ length: 16 }, (_, i) => 17 * i),
    first: 97,
    count: SAMPLE_EVENTS,
    sentAt: Date.UTC(2026, 0, 1, 1),
    queue: { recorded: 10_000, queued: 9_904, quarantined: 0, gaps: 96 },
    gaps: [
      { first: 1, last: 90, reason: 'quota' as const, sums: { volume: '115.2' } },
      { first: 91, last: 96, reason: 'damage' as const, sums: null },
    ],
  };
  return encodeBatch(header, encodeColumns(builder.build()));
}
