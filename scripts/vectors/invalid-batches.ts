/** vectors/invalid-batches.json: what every reader refuses, and why. */
import type { CodecErrorCode } from '../../src/codec/index.ts';
import { bytesOf, EXAMPLE, HEADER } from './example.ts';
import { COLUMNS, PARTS, plainBatch } from './foreign.ts';
import { array, bin, doubles, float64, hex, map, nil, packIntegers, str, tagged, uint } from './plain.ts';

type Case = readonly [name: string, bytes: Buffer, offset?: number];

const integers = (...values: readonly number[]): Buffer => bin(packIntegers(values.map(BigInt), 0, 15));
const zeros = bin(0x00);
const one = integers(1, 2);

const columns = (changed: Partial<typeof COLUMNS>): Buffer => plainBatch({}, changed);
const fields = (...each: readonly (readonly Buffer[])[]): Buffer =>
  columns({ fields: array(...each.map((parts) => array(...parts))) });
const measure = (...parts: readonly Buffer[]): Buffer => fields([str('volume'), uint(0), nil, ...parts]);
const ones = (name: string, presence: Buffer = nil): readonly Buffer[] => [
  str(name),
  uint(0),
  presence,
  uint(0),
  bin(0x10, 0x02),
  nil,
  nil,
  nil,
];
const fractions = (
  places: number,
  wholes: readonly number[],
  numerators: readonly number[],
  denominators: readonly number[],
  corrections = nil,
): Buffer => {
  const parts = [wholes, numerators, denominators].map((values) => integers(...values));
  return measure(uint(0), array(uint(places), ...parts, corrections), nil, nil, nil);
};
const gap = (...parts: readonly Buffer[]): Buffer => plainBatch({ gaps: array(array(...parts)) });
const gapOf = (sums: Buffer): Buffer => gap(uint(1), uint(2), str('quota'), sums);

/** The batch without one of its entries. */
function without(key: keyof typeof PARTS | 'columns'): Buffer {
  const all = { ...PARTS, columns: array(...Object.values(COLUMNS)) };
  return map(Object.entries(all).filter(([name]) => name !== key));
}

function nested(depth: number): Buffer {
  return map([
    ...Object.entries(PARTS),
    ['columns', array(...Object.values(COLUMNS))],
    ['x', tagged('91'.repeat(depth - 1), nil)],
  ]);
}

const example = bytesOf({ header: HEADER, events: EXAMPLE });
const float = (bits: string): Buffer => tagged('cb', hex(bits));

const CASES: Readonly<Partial<Record<CodecErrorCode, readonly Case[]>>> = {
  'batch-malformed': [
    ['nothing at all', hex(''), 0],
    ['HTML', Buffer.from('<html>200 OK</html>')],
    ['cut in the middle', example.subarray(0, 100)],
    ['one byte short', example.subarray(0, -1)],
    ['one byte more', Buffer.concat([example, nil]), example.length],
    ['nil', nil],
    ['an array', array(uint(1))],
    ['more elements than bytes', hex('ddffffffff'), 0],
    ['an extension type', plainBatch({ sent: hex('d6ff00000000') })],
    ['the byte that is never used', plainBatch({ sent: hex('c1') })],
    ['text that is not UTF-8', columns({ sensors: array(hex('a2c328')) })],
    ['a surrogate in UTF-8', columns({ sensors: array(hex('a3eda080')) })],
    ['an overlong form of UTF-8', columns({ sensors: array(hex('a2c081')) })],
    ['text with a byte order mark', fields([str('s'), uint(1), nil, array(str('\ufeffx')), zeros])],
    [
      'long text with a byte order mark',
      fields([str('s'), uint(1), nil, array(str(`\ufeff${'x'.repeat(300)}`)), zeros]),
    ],
    ['a text too long', fields([str('s'), uint(1), nil, array(str('x'.repeat(4_097))), zeros])],
    [
      'a key that is not text',
      map([[uint(5), nil], ...Object.entries(PARTS), ['columns', array(...Object.values(COLUMNS))]]),
    ],
    [
      'a key for the prototype',
      map([['__proto__', map([])], ...Object.entries(PARTS), ['columns', array(...Object.values(COLUMNS))]]),
    ],
    ['nested too deep', nested(6)],
    ['no stream', without('stream')],
    ['no first', without('first')],
    ['no count', without('count')],
    ['no sent', without('sent')],
    ['no queue', without('queue')],
    ['no gaps', without('gaps')],
    ['no columns', without('columns')],
    ['a stream of 15 bytes', plainBatch({ stream: bin(Buffer.alloc(15)) })],
    ['a stream of text', plainBatch({ stream: str('0123456789abcdef') })],
    ['the sequence 0', plainBatch({ first: uint(0) })],
    ['a negative sequence', plainBatch({ first: hex('ff') })],
    ['a sequence of 2^53', plainBatch({ first: hex('cf0020000000000000') })],
    ['a sequence of 2^64 - 1', plainBatch({ first: hex('cfffffffffffffffff') })],
    ['a sequence with a fraction', plainBatch({ first: float64(1.5) })],
    ['a sequence of infinity', plainBatch({ first: float('7ff0000000000000') })],
    ['sequences that pass 2^53 - 1', plainBatch({ first: hex('cf001fffffffffffff') })],
    ['a count that is not that of the columns', plainBatch({ count: uint(3) })],
    ['a negative count', plainBatch({ count: hex('ff') })],
    ['sent with a fraction', plainBatch({ sent: float64(0.5) })],
    ['sent of 2^52', plainBatch({ sent: hex('cf0010000000000000') })],
    ['sent of nil', plainBatch({ sent: nil })],
    ['a queue of three', plainBatch({ queue: array(uint(2), uint(2), uint(0)) })],
    ['a queue of less than nothing', plainBatch({ queue: array(uint(2), uint(2), uint(0), hex('ff')) })],
    ['gaps of nil', plainBatch({ gaps: nil })],
    ['a gap of three', gap(uint(1), uint(2), str('quota'))],
    ['a gap from 0', gap(uint(0), uint(2), str('quota'), nil)],
    ['a gap backwards', gap(uint(2), uint(1), str('quota'), nil)],
    ['a gap for no reason', gap(uint(1), uint(2), str('whim'), nil)],
    ['sums of a list', gapOf(array())],
    ['a sum of a number', gapOf(map([['volume', uint(5)]]))],
    ['a sum with an exponent', gapOf(map([['volume', str('1e5')]]))],
    ['a sum of nothing', gapOf(map([['volume', str('')]]))],
    ['a sum without digits before the point', gapOf(map([['volume', str('.5')]]))],
    ['a sum of 401 digits before its point', gapOf(map([['volume', str('9'.repeat(401))]]))],
    ['a sum of 401 digits behind its point', gapOf(map([['volume', str(`0.${'9'.repeat(401)}`)]]))],
    ['a sum that ends with its point', gapOf(map([['volume', str('5.')]]))],
    ['a sum of no name', gapOf(map([['', str('5')]]))],
    ['a sum of a name with a line feed', gapOf(map([['a\nb', str('5')]]))],
    ['a sum of a name too long', gapOf(map([['x'.repeat(129), str('5')]]))],
    ['columns of four', map([...Object.entries(PARTS), ['columns', array(...Object.values(COLUMNS).slice(1))]])],
    ['events without a sensor', columns({ sensors: array() })],
    ['a sensor without a name', columns({ sensors: array(str('')) })],
    ['a sensor with a line feed', columns({ sensors: array(str('a\nb')) })],
    ['a sensor too long', columns({ sensors: array(str('x'.repeat(129))) })],
    ['a sensor twice', columns({ sensors: array(str('a'), str('a')), order: integers(0, 1) })],
    ['a sensor without an event', columns({ sensors: array(str('a'), str('b')), order: integers(0, 0) })],
    ['two sensors without an order', columns({ sensors: array(str('a'), str('b')) })],
    ['times of nil', columns({ times: nil })],
    ['an order of text', columns({ order: str('') })],
    ['a presence of a number', fields(ones('x', uint(3)))],
    ['a text column of three parts', fields([str('x'), uint(1), nil, array(str('a')), zeros, nil])],
    ['indices of nil', fields([str('x'), uint(1), nil, array(str('a')), nil])],
    ['flags of a number', fields([str('x'), uint(2), nil, uint(3)])],
    ['nudges of an array', measure(uint(0), one, array(), nil, nil)],
    ['odd positions of text', measure(uint(0), one, nil, str(''), bin())],
    ['wholes of nil', measure(uint(0), array(uint(1), nil, zeros, one, nil), nil, nil, nil)],
    ['no fields', columns({ fields: array() })],
    ['an event without a field', fields(ones('x', bin(0b01)))],
    ['an event with one field twice', fields(ones('x'), [str('x'), uint(2), bin(0b01), bin(1)])],
    ['an event of 129 fields', fields(...Array.from({ length: 129 }, (_, i) => ones(`f${i}`)))],
    ['a column without a value', fields(ones('x'), ones('y', bin(0)))],
    ['two columns of one name and kind', fields(ones('x', bin(0b01)), ones('x', bin(0b10)))],
    ['a field without a name', fields(ones(''))],
    ['the field name that is not allowed', fields(ones('__proto__'))],
    ['a kind that is not known', fields([str('x'), uint(3), nil, zeros])],
    ['a flag column of two parts', fields([str('x'), uint(2), nil, bin(0), bin(0)])],
    ['a dictionary of numbers', fields([str('x'), uint(1), nil, array(uint(1)), zeros])],
    ['a measure of two parts', measure(uint(0), one)],
    ['a measure of text', measure(str('12'))],
    ['a scale of 23', measure(uint(23), one, nil, nil, nil)],
    ['a scale with a fraction', measure(float64(0.5), one, nil, nil, nil)],
    ['mantissas of nil', measure(uint(0), nil, nil, nil, nil)],
    ['fractions of four parts', measure(uint(0), array(uint(1), one, zeros, one), nil, nil, nil)],
    ['fractions of no places', measure(uint(0), array(uint(0), one, zeros, one, nil), nil, nil, nil)],
    ['fractions of 13 places', measure(uint(0), array(uint(13), one, zeros, one, nil), nil, nil, nil)],
    ['fractions without denominators', measure(uint(0), array(uint(1), one, zeros, nil, nil), nil, nil, nil)],
    ['corrections of text', measure(uint(0), array(uint(1), one, zeros, one, str('')), nil, nil, nil)],
    ['odd positions without values', measure(uint(0), one, nil, zeros, nil)],
    ['odd values without positions', measure(uint(0), one, nil, nil, bin(doubles(1)))],
  ],
  'batch-version': [
    ['version 2', plainBatch({ v: uint(2) })],
    ['version 0', plainBatch({ v: uint(0) })],
    ['a version of text', plainBatch({ v: str('1') })],
    ['no version', without('v')],
    ['version 2 and nothing that version 1 has', map([['v', uint(2)]])],
  ],
  'batch-limit': [
    [
      '65,537 events',
      plainBatch(
        { count: uint(65_537) },
        { count: uint(65_537), times: bin(0x10, 0x02), fields: array(array(...ones('x'))) },
      ),
    ],
    [
      '17 gaps',
      plainBatch({ gaps: array(...Array.from({ length: 17 }, () => array(uint(1), uint(1), str('quota'), nil))) }),
    ],
    ['513 columns', fields(ones('x'), ...Array.from({ length: 512 }, (_, i) => ones(`f${i}`, bin(0b01))))],
    [
      '33 columns of 65,536 values',
      plainBatch(
        { count: uint(65_536) },
        {
          count: uint(65_536),
          times: bin(0x10, 0x02),
          fields: array(...Array.from({ length: 33 }, (_, i) => array(...ones(`f${i}`)))),
        },
      ),
    ],
    [
      'one value more than 32 columns of 65,536 have',
      plainBatch(
        { count: uint(65_536) },
        {
          count: uint(65_536),
          times: bin(0x10, 0x02),
          fields: array(
            array(...ones('x', bin(Buffer.concat([Buffer.from([1]), Buffer.alloc(8_191)])))),
            ...Array.from({ length: 32 }, (_, i) => array(...ones(`f${i}`))),
          ),
        },
      ),
    ],
  ],
  'batch-column': [
    ['times without a first byte', columns({ times: bin() })],
    ['a varint of nine bytes', columns({ times: bin(hex('0f 02 8280808080808080 00')) })],
    ['an order too short', columns({ sensors: array(str('a'), str('b')), order: integers(0) })],
    ['times cut short', columns({ times: bin(0x0f, 0x02) })],
    ['times overlong', columns({ times: bin(0x0f, 0x02, 0x02, 0x02) })],
    ['times of order 3', columns({ times: bin(0x30, 0x02, 0x02) })],
    ['times of layout 9', columns({ times: bin(0x09, 0x02, 0x02) })],
    ['a time of -2^52', columns({ times: bin(hex('10ffffffffffffff0f')) })],
    ['a code of 2^53 in planes', columns({ times: bin(hex('07 0000 0000 0000 0000 0000 0000 2000')) })],
    ['an order that points nowhere', columns({ sensors: array(str('a'), str('b')), order: integers(0, 2) })],
    ['an order below zero', columns({ sensors: array(str('a'), str('b')), order: integers(0, -1) })],
    ['presence too short', fields(ones('x', bin()))],
    ['presence too long', fields(ones('x', bin(0b11, 0)))],
    ['presence past the end', fields(ones('x', bin(0b111)))],
    ['flags past the end', fields([str('x'), uint(2), nil, bin(0b100)])],
    ['a text that is not in the dictionary', fields([str('x'), uint(1), nil, array(str('a')), integers(0, 1)])],
    ['a text of an empty dictionary', fields([str('x'), uint(1), nil, array(), zeros])],
    ['mantissas cut short', measure(uint(0), bin(0x0f, 0x02), nil, nil, nil)],
    ['a nudge of 1024', measure(uint(0), one, integers(0, 1_024), nil, nil)],
    ['a nudge of -1024', measure(uint(0), one, integers(0, -1_024), nil, nil)],
    ['a nudge below zero', measure(uint(0), integers(0, 0), integers(0, -1), nil, nil)],
    ['an improper fraction', fractions(1, [1, 1], [0, 3], [1, 3])],
    ['a fraction below zero', fractions(1, [1, 1], [0, -1], [1, 3])],
    ['a denominator of 0', fractions(1, [1, 1], [0, 0], [1, 0])],
    ['a denominator of 1025', fractions(1, [1, 1], [0, 1], [1, 1_025])],
    ['a whole that is out of range with its places', fractions(12, [4_504, 0], [0, 0], [1, 1])],
    ['a correction out of range', fractions(12, [4_503, 0], [0, 0], [1, 1], integers(599_627_370_496, 0))],
    ['fewer numerators than values', fractions(1, [1, 1], [0], [1, 1])],
    ['corrections cut short', fractions(1, [1, 1], [0, 0], [1, 1], integers(0))],
    ['fewer nudges than values', measure(uint(0), one, integers(0), nil, nil)],
    [
      'a nudge out of the finite numbers where an odd value stands',
      measure(uint(0), integers(0, 0), integers(0, -1), integers(1), bin(doubles(2))),
    ],
    [
      'a nudge of 1024 where an odd value stands',
      measure(uint(0), one, integers(0, 1_024), integers(1), bin(doubles(2))),
    ],
    ['an odd position too far', measure(uint(0), one, nil, integers(2), bin(doubles(1)))],
    ['odd positions that descend', measure(uint(0), one, nil, integers(1, 0), bin(doubles(1, 1)))],
    ['an odd position twice', measure(uint(0), one, nil, integers(1, 1), bin(doubles(1, 1)))],
    ['more odd values than values', measure(uint(0), one, nil, integers(0, 1, 1), bin(doubles(1, 1, 1)))],
    ['half an odd value', measure(uint(0), one, nil, zeros, bin(Buffer.alloc(4)))],
    ['an odd value of NaN', measure(uint(0), one, nil, integers(0), bin(doubles(Number.NaN)))],
    ['doubles cut short', measure(bin(doubles(1)))],
    ['a double of infinity', measure(bin(doubles(1, Number.NEGATIVE_INFINITY)))],
  ],
};

export function invalidBatchVectors() {
  return {
    about:
      'What every reader refuses (batch.md), with the code, and the byte offset of the fault where it has one place.',
    batches: Object.entries(CASES).flatMap(([code, cases]) =>
      (cases ?? []).map(([name, bytes, offset]) => ({
        name,
        code,
        ...(offset !== undefined && { offset }),
        hex: bytes.toString('hex'),
      })),
    ),
  };
}
