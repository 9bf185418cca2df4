/**
 * Batches that another encoder might write: valid in every byte, but not what ours would have made of the same events.
 */
import type { TelemetryEvent } from '../../src/codec/index.ts';
import { HEADER, type ValidBatch } from './example.ts';
import { array, bin, doubles, float64, hex, map, nil, packIntegers, str, tagged, uint } from './plain.ts';

export interface ForeignBatch extends ValidBatch {
  readonly bytes: Buffer;
}

type Entry = readonly [string | Buffer, Buffer];

const integers = (order: number, layout: number, ...values: readonly number[]): Buffer =>
  bin(packIntegers(values.map(BigInt), order, layout));

/** The parts of a batch of two events of one sensor with the volumes 1 and 2, as plainly as can be. */
export const PARTS = {
  v: uint(1),
  stream: bin(Buffer.from(HEADER.stream)),
  first: uint(1),
  count: uint(2),
  sent: uint(0),
  queue: array(uint(2), uint(2), uint(0), uint(0)),
  gaps: array(),
};

export const COLUMNS = {
  count: uint(2),
  sensors: array(str('a')),
  order: nil,
  times: integers(0, 15, 5, 6),
  fields: array(array(str('volume'), uint(0), nil, uint(0), integers(0, 15, 1, 2), nil, nil, nil)),
};

/** The batch with some of its parts, and of its columns, replaced. */
export function plainBatch(
  parts: Partial<Record<keyof typeof PARTS, Buffer>> = {},
  columns: Partial<typeof COLUMNS> = {},
): Buffer {
  return map(entries(parts, columns));
}

function entries(parts: Partial<typeof PARTS> = {}, columns: Partial<typeof COLUMNS> = {}): Entry[] {
  return [...Object.entries({ ...PARTS, ...parts }), ['columns', array(...Object.values({ ...COLUMNS, ...columns }))]];
}

const header = { ...HEADER, sentAt: 0, queue: { recorded: 2, queued: 2, quarantined: 0, gaps: 0 } };

function events(...values: readonly TelemetryEvent['fields'][]): TelemetryEvent[] {
  return values.map((fields, i) => ({ ts: 5 + i, sensor: 'a', fields }));
}

const PLAIN = events({ volume: 1 }, { volume: 2 });

function field(name: string, ...parts: readonly Buffer[]): Partial<typeof COLUMNS> {
  return { fields: array(array(str(name), ...parts)) };
}

/** A volume column with these parts behind its scale. */
export function volume(scale: number, ...parts: readonly Buffer[]): Partial<typeof COLUMNS> {
  return field('volume', uint(0), nil, uint(scale), ...parts);
}

const one = integers(0, 15, 1, 2);

function fractions(
  places: number,
  wholes: readonly number[],
  numerators: readonly number[],
  denominators: readonly number[],
  corrections = nil,
): Buffer {
  const columns = [wholes, numerators, denominators].map((values) => integers(0, 15, ...values));
  return array(uint(places), ...columns, corrections);
}

export function foreignBatches(): ForeignBatch[] {
  const cases: readonly (readonly [name: string, bytes: Buffer, events?: readonly TelemetryEvent[]])[] = [
    ['plainly packed', plainBatch()],
    ['keys in another order', map([...entries()].reverse())],
    [
      'keys that are not known',
      map([['note', map([['a', array(uint(1), nil)]])], ...entries(), ['zone', str('Z')], ['flags', hex('c3')]]),
    ],
    ['a key twice: the last one counts', map([['first', uint(9)], ...entries()])],
    [
      'whole numbers in wide formats',
      plainBatch(
        { v: hex('cc01'), first: hex('cd0001'), count: hex('d30000000000000002'), sent: hex('d200000000') },
        { count: hex('ce00000002') },
      ),
    ],
    [
      'whole numbers as floats',
      plainBatch(
        { v: hex('ca3f800000'), first: float64(1), count: float64(2), sent: float64(-0) },
        { count: float64(2) },
      ),
    ],
    [
      'containers and texts in wide formats',
      plainBatch(
        {
          stream: tagged('c60000 0010', Buffer.from(HEADER.stream)),
          gaps: hex('dd00000000'),
          queue: tagged('dc0004', uint(2), uint(2), uint(0), uint(0)),
        },
        {
          sensors: tagged('dc0001', hex('d90161')),
          fields: tagged(
            'dd00000001',
            tagged(
              'dc0008',
              hex('db00000006'),
              Buffer.from('volume'),
              uint(0),
              nil,
              uint(0),
              tagged('c50003', hex('0f0204')),
              nil,
              nil,
              nil,
            ),
          ),
        },
      ),
    ],
    ['an order for one sensor', plainBatch({}, { order: bin(0x00) })],
    [
      'bits although every row has a value',
      plainBatch({}, field('volume', uint(0), bin(0b11), uint(0), one, nil, nil, nil)),
    ],
    ['varints longer than they need be', plainBatch({}, volume(0, bin(hex('0f82008480808080808000')), nil, nil, nil))],
    ['a larger scale than needed', plainBatch({}, volume(3, integers(0, 15, 1_000, 2_000), nil, nil, nil))],
    ['nudges of zero', plainBatch({}, volume(0, one, bin(0x00), nil, nil))],
    ['odd values, but none', plainBatch({}, volume(0, one, nil, bin(0x00), bin()))],
    [
      'an odd value for what was right already',
      plainBatch({}, volume(0, one, nil, integers(0, 15, 1), bin(doubles(2)))),
    ],
    [
      'an odd value goes before a nudge',
      plainBatch({}, volume(0, one, integers(0, 15, 0, 3), integers(0, 15, 1), bin(doubles(2)))),
    ],
    ['doubles for what has decimals', plainBatch({}, field('volume', uint(0), nil, bin(doubles(1, 2))))],
    [
      'mantissas of sixteen digits',
      plainBatch({}, volume(2, integers(0, 15, 4_503_599_627_370_495, -4_444_444_444_444_444), nil, nil, nil)),
      events({ volume: 4_503_599_627_370_495 / 100 }, { volume: -4_444_444_444_444_444 / 100 }),
    ],
    [
      'a sixteen-digit quotient with a shorter decimal',
      plainBatch({}, volume(1, integers(0, 15, 4_503_599_627_370_401, 4_503_599_627_370_403), nil, nil, nil)),
      events({ volume: 4_503_599_627_370_401 / 10 }, { volume: 4_503_599_627_370_403 / 10 }),
    ],
    [
      'mantissas as fractions',
      plainBatch({}, volume(3, fractions(2, [1, 2], [1, 2], [3, 3]), nil, nil, nil)),
      events({ volume: 0.133 }, { volume: 0.267 }),
    ],
    [
      'fractions below zero, a half among them, with corrections',
      plainBatch({}, volume(1, fractions(1, [-1, -2], [9, 3], [20, 7], integers(0, 15, 0, -2)), nil, nil, nil)),
      events({ volume: -0.5 }, { volume: -1.8 }),
    ],
    [
      'fractions at their limits',
      plainBatch(
        {},
        volume(
          22,
          fractions(12, [4_503, -4_503], [1_023, 0], [1_024, 1], integers(0, 15, -399_396_067_005, 0)),
          nil,
          nil,
          nil,
        ),
      ),
      events({ volume: 4_503_599_627_370_495 / 1e22 }, { volume: -4_503e12 / 1e22 }),
    ],
    [
      'nudges from zero',
      plainBatch({}, volume(0, bin(0x00), integers(0, 15, 1, 15), nil, nil)),
      events({ volume: Number.MIN_VALUE }, { volume: 15 * Number.MIN_VALUE }),
    ],
    [
      'nudges up and down from one and minus one',
      plainBatch({}, volume(0, integers(0, 15, 1, -1), integers(0, 15, -1, 1), nil, nil)),
      events({ volume: 1 - 2 ** -53 }, { volume: -1 - 2 ** -52 }),
    ],
    [
      'a text twice and one that is not used',
      plainBatch({}, field('state', uint(1), nil, array(str('on'), str('on'), str('off')), integers(0, 15, 0, 1))),
      events({ state: 'on' }, { state: 'on' }),
    ],
    [
      'columns of one name in other rows',
      plainBatch(
        {},
        {
          fields: array(
            array(str('x'), uint(2), bin(0b10), bin(1)),
            array(str('x'), uint(0), bin(0b01), uint(0), integers(0, 15, 7), nil, nil, nil),
          ),
        },
      ),
      events({ x: 7 }, { x: true }),
    ],
    [
      'sensors in another order than they appear',
      plainBatch(
        {},
        { sensors: array(str('b'), str('a')), order: integers(0, 15, 1, 0), times: integers(0, 15, 6, 5) },
      ),
      [
        { ts: 5, sensor: 'a', fields: { volume: 2 } },
        { ts: 6, sensor: 'b', fields: { volume: 1 } },
      ],
    ],
  ];
  return cases.map(([name, bytes, held = PLAIN]) => ({ name, header, events: held, bytes }));
}
