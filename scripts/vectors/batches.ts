/** vectors/batches.json: batches that every reader takes, with what they hold. */
import type { TelemetryEvent } from '../../src/codec/index.ts';
import { exactSum } from '../../test/codec/exact.ts';
import { bitsOf, bytesOf, EXAMPLE, HEADER, type Header, type ValidBatch } from './example.ts';
import { foreignBatches } from './foreign.ts';

const T = 1_700_000_000_000;

/** Events of one sensor, one a second. */
function fields(...each: readonly TelemetryEvent['fields'][]): TelemetryEvent[] {
  return each.map((one, i) => ({ ts: T + 1_000 * i, sensor: 'inlet', fields: one }));
}

function volumes(...values: readonly number[]): TelemetryEvent[] {
  return fields(...values.map((volume) => ({ volume })));
}

function times(...values: readonly number[]): TelemetryEvent[] {
  return values.map((ts) => ({ ts, sensor: 'inlet', fields: { volume: 1 } }));
}

function repeated<Item>(count: number, item: (i: number) => Item): Item[] {
  return Array.from({ length: count }, (_, i) => item(i));
}

const EVENTS: readonly (readonly [name: string, events: readonly TelemetryEvent[], header?: Partial<Header>])[] = [
  ['the example of the specification', EXAMPLE],
  ['no events', []],
  [
    'no events, but gaps',
    [],
    {
      first: 5_001,
      queue: { recorded: 5_000, queued: 0, quarantined: 3, gaps: 130 },
      gaps: [
        { first: 1, last: 100, reason: 'quota', sums: { volume: '1234.5', temperature: '-0.000000000000000000001' } },
        { first: 201, last: 229, reason: 'damage', sums: null },
        { first: 4_000, last: 4_000, reason: 'quota', sums: {} },
      ],
    },
  ],
  ['one event', [EXAMPLE[1]!]],
  ['one event of every kind', fields({ volume: 12.5, state: 'open', alarm: false })],
  ['the last sequence there is', volumes(1), { first: Number.MAX_SAFE_INTEGER }],
  ['sequences beyond 32 bits', EXAMPLE, { first: 2 ** 40 }],
  ['a large account', EXAMPLE, { queue: { recorded: 2 ** 53 - 1, queued: 2 ** 32, quarantined: 65_536, gaps: 255 } }],
  ['a clock before 1970', volumes(1), { sentAt: -5 }],
  ['the time stands still', times(T, T, T)],
  ['the time goes by the second', times(...repeated(20, (i) => T + 1_000 * i))],
  ['the time jitters', times(...repeated(20, (i) => T + 1_000 * i + ((7 * i) % 11)))],
  ['the time jumps back', times(T, T + 60_000, T - 3_600_000, T)],
  ['times before 1970, and the ends', times(-1, 0, -(2 ** 52 - 1), 2 ** 52 - 1)],
  ['whole numbers', volumes(0, 1, -1, 255, 256, -65_536, 1e14)],
  ['every event alike', volumes(...repeated(9, () => 17.25))],
  ['a counter', volumes(...repeated(20, (i) => (10_000 + 25 * i) / 100))],
  ['a counter with noise', volumes(...repeated(40, (i) => (100_000 + 25 * i + ((13 * i) % 7)) / 1_000))],
  ['noise in one byte', volumes(...repeated(24, (i) => ((37 * i) % 101) / 10))],
  ['noise in two bytes', volumes(...repeated(24, (i) => ((7_919 * i) % 20_011) / 100))],
  ['noise in six bytes', volumes(...repeated(12, (i) => ((7_919 * i) ** 3 % 70_368_744_177_664) / 1_000))],
  ['fifteen digits', volumes(113.991325301205, 114.054736842105, 114.118181818182)],
  ['the smallest scales', volumes(1e-22, 2e-22, 5e-21)],
  ['a few units in the last place aside', volumes(73.96732207, 74.93588199999998, 76.12416182, 21.400000000000002)],
  ['one that is far off the others', volumes(1.5, 2.5, 1e300, 3.5, 4.5, -2.5e-300, 5.5, 6.5, 7.5)],
  ['minus zero', volumes(0, -0, 1, 2, 3, 4, 5, 6, 7)],
  ['minus zero alone', volumes(-0)],
  ['doubles without decimals', volumes(...repeated(10, (i) => Math.sqrt(2 + i) * 1e5))],
  [
    'the ends of the doubles',
    volumes(Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, -Number.MIN_VALUE, 2 ** -1022),
  ],
  ['doubles that are no decimals of 15 digits', volumes(0.1 + 0.2, 1 / 3, 2 / 3, 2 ** 53, 2 ** 63, 1e21, 1e22, 1e23)],
  ['texts', fields({ state: 'open' }, { state: 'shut' }, { state: 'open' }, { state: '' }, { state: 'open' })],
  [
    'texts of many scripts',
    fields({ note: 'Grüße' }, { note: '流量计' }, { note: '💧🌊' }, { note: 'a\u0000b\ufeff' }, { note: 'e\u0301' }),
  ],
  ['a long text', fields({ note: 'x'.repeat(4_096) }, { note: 'é'.repeat(2_048) })],
  ['flags', fields(...repeated(19, (i) => ({ alarm: i % 3 === 0 })))],
  [
    'values that are absent',
    fields(
      { volume: 1 },
      { temperature: 20.5 },
      { volume: 2, state: 'open' },
      { alarm: true },
      { volume: 3, alarm: false },
    ),
  ],
  ['one value among many rows', fields(...repeated(17, (i) => (i === 16 ? { volume: i, rare: 0.5 } : { volume: i })))],
  ['a field that changes its kind', fields({ x: 1 }, { x: 'one' }, { x: true }, { x: 2.5 })],
  ['many fields', fields(Object.fromEntries(repeated(128, (i) => [`field-${i}`, i / 4])))],
  [
    'five sensors interleaved',
    repeated(30, (i) => ({
      ts: T + 200 * i,
      sensor: `meter-${(i * i) % 5}`,
      fields: { volume: (1_000 * (i % 5) + i) / 8, ...(i % 4 === 0 && { temperature: 20 + i / 10 }) },
    })),
  ],
  [
    'one sensor after another',
    repeated(12, (i) => ({ ts: T + 1_000 * (i % 4), sensor: 'abc'[Math.floor(i / 4)]!, fields: { volume: i } })),
  ],
  ['names of many scripts', [{ ts: T, sensor: 'Zulauf Süd 🚰', fields: { 'Durchfluß m³/h': 1.5, 温度: 21 } }]],
  [
    'names that programs trip over',
    [{ ts: T, sensor: '__proto__', fields: { constructor: 1, toString: 'x', length: true, 0: 2 } as never }],
  ],
  ['names as long as they may be', [{ ts: T, sensor: 's'.repeat(128), fields: { ['ä'.repeat(64)]: 1 } }]],
];

export function batchVectors() {
  const own = EVENTS.map(([name, events, header]) => {
    const batch = { name, header: { ...HEADER, ...header }, events };
    return { ...vectorOf(batch), hex: bytesOf(batch).toString('hex'), own: true };
  });
  const foreign = foreignBatches().map(({ bytes, ...batch }) => ({
    ...vectorOf(batch),
    hex: bytes.toString('hex'),
    own: false,
  }));
  return {
    about: 'Batches that every reader takes (batch.md). `own`: the bytes that the encoder of this project writes.',
    batches: [...own, ...foreign],
  };
}

/** What a reader must get out of the batch, as vectors/README.md has it. */
export function vectorOf({ name, header, events }: ValidBatch) {
  const { stream, first, sentAt, queue, gaps } = header;
  return {
    name,
    stream: Buffer.from(stream).toString('hex'),
    first,
    count: events.length,
    sent: sentAt,
    queue: [queue.recorded, queue.queued, queue.quarantined, queue.gaps],
    gaps: gaps.map((gap) => [gap.first, gap.last, gap.reason, gap.sums]),
    events: events.map(({ ts, sensor, fields: values }) => ({
      ts,
      sensor,
      fields: Object.entries(values).map(([field, value]) => fieldOf(field, value)),
    })),
    sums: sumsOf(events),
  };
}

function fieldOf(name: string, value: unknown) {
  if (typeof value === 'string') return { name, text: value };
  if (typeof value === 'boolean') return { name, flag: value };
  const number = value as number;
  return { name, measure: exactSum([number]), bits: bitsOf(number) };
}

function sumsOf(events: readonly TelemetryEvent[]): Record<string, string> {
  const values = new Map<string, number[]>();
  for (const event of events) {
    for (const [name, value] of Object.entries(event.fields)) {
      if (typeof value === 'number') values.set(name, [...(values.get(name) ?? []), value]);
    }
  }
  return Object.fromEntries([...values].map(([name, numbers]) => [name, exactSum(numbers)]));
}
