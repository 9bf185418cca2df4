/**
 * Digest: what binds an event id to its content (proto-spec/delivery.md, "Collisions").
 *
 * Owns a 64-bit digest of an event's meaning, independent of how columns were packed, ordered or cut into batches, and
 * additive: the digest of a range is the sum of its events', modulo 2^64. Promises the same value on every machine.
 * Never a defence against forgery, which is the signature's work: it tells accidents apart.
 */
import { HEAP, type Memory } from './arena.ts';
import { wordsOf } from './doubles.ts';
import { allAtOnce, type Steps } from './steps.ts';
import { type Column, type EventTable, rowsInSequence, type TextColumn } from './table.ts';

/** Digests of parts of one table's events, 0-based in sequence order. */
export type RangeDigest = (from: number, to: number) => bigint;

/** Two 32-bit lanes side by side, since JavaScript multiplies no wider integers at speed. */
interface Lanes {
  readonly low: Int32Array;
  readonly high: Int32Array;
}

/** Digests over the table's events, of which the first has sequence `first`. */
export function digestOf(table: EventTable, first: number): RangeDigest {
  return allAtOnce(digestInSteps(table, first));
}

/** As `digestOf`, with a step for each column. What it gives lies in `memory`. */
export function* digestInSteps(table: EventTable, first: number, memory = HEAP): Steps<RangeDigest> {
  const { low, high } = eventLanes(yield* rowLanes(table, memory), table, first, memory);
  return (from, to) => {
    let lowSum = 0;
    let highSum = 0;
    for (let event = from; event < to; event++) {
      lowSum += low[event]! >>> 0;
      highSum += high[event]! >>> 0;
    }
    return BigInt.asUintN(64, BigInt(lowSum) + (BigInt(highSum) << 32n));
  };
}

function eventLanes(rows: Lanes, table: EventTable, first: number, memory: Memory): Lanes {
  const rowOf = rowsInSequence(table, memory);
  const low = memory.integers(table.count);
  const high = memory.integers(table.count);
  for (let event = 0; event < table.count; event++) {
    const row = rowOf[event]!;
    const sequence = first + event;
    const lane = mix(rows.low[row]! ^ mix(sequence | 0));
    low[event] = lane;
    high[event] = mix(rows.high[row]! ^ mix(Math.floor(sequence / 2 ** 32) ^ lane));
  }
  return { low, high };
}

/** Fields are added up, so that the order of columns makes no difference. */
function* rowLanes(table: EventTable, memory: Memory): Steps<Lanes> {
  const lanes = identityLanes(table, memory);
  for (const column of table.columns) {
    addColumn(column, column.kind === 'text' ? yield* textWords(column) : valueWords(column), lanes);
    yield table.count;
  }
  return lanes;
}

/** Of each row's time and sensor. Not in a generator, whose loops are optimised over and over again in vain. */
function identityLanes(table: EventTable, memory: Memory): Lanes {
  const low = memory.integers(table.count);
  const high = memory.integers(table.count);
  const times = wordsOf(table.times);
  for (let s = 0; s < table.sensors.length; s++) {
    const seed = hashText(table.sensors[s]!);
    for (let row = table.starts[s]!; row < table.starts[s + 1]!; row++) {
      const lane = mix(times[2 * row]! ^ seed.low);
      low[row] = lane;
      high[row] = mix(times[2 * row + 1]! ^ lane ^ seed.high);
    }
  }
  return { low, high };
}

function addColumn(column: Column, values: Uint32Array, { low, high }: Lanes): void {
  const seed = hashText(`${column.kind} ${column.name}`);
  const { rows } = column;
  for (let position = 0; 2 * position < values.length; position++) {
    const row = rows === null ? position : rows[position]!;
    const lane = mix(values[2 * position]! ^ seed.low);
    low[row] = low[row]! + lane;
    high[row] = high[row]! + mix(values[2 * position + 1]! ^ lane ^ seed.high);
  }
}

/** Two words for each value: a double's bits, or a flag. */
function valueWords(column: Exclude<Column, TextColumn>): Uint32Array {
  if (column.kind === 'measure') return wordsOf(column.measures.values);
  const words = new Uint32Array(2 * column.flags.length);
  for (let position = 0; position < column.flags.length; position++) words[2 * position] = column.flags[position]!;
  return words;
}

/** Two words for each value: its text's hash. There may be megabytes of texts, so with steps among them. */
function* textWords(column: TextColumn): Steps<Uint32Array> {
  const hashes: ReturnType<typeof hashText>[] = [];
  for (const text of column.dictionary) {
    hashes.push(hashText(text));
    yield text.length;
  }
  const words = new Uint32Array(2 * column.indices.length);
  for (let position = 0; position < column.indices.length; position++) {
    const hash = hashes[column.indices[position]!]!;
    words[2 * position] = hash.low;
    words[2 * position + 1] = hash.high;
  }
  return words;
}

function hashText(text: string): { low: number; high: number } {
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ (unit + i), 0x85ebca6b);
  }
  return { low: mix(low), high: mix(high ^ text.length) };
}

/** The finaliser of MurmurHash3: every input bit reaches every output bit. Signed: engines add that without doubles. */
function mix(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
