/**
 * Decoding: hostile bytes for the codec alone, where most of millions of inputs go.
 *
 * Owns what must hold of any bytes: a typed error of the specification, or a batch that comes back from its own bytes,
 * whose digest adds up, and whose sums are exact by other arithmetic. Promises that nothing leaks from one input into
 * the next.
 */
import {
  allAtOnce,
  type Batch,
  CONTENT_ENCODINGS,
  CodecError,
  columnFaultOffset,
  compressBody,
  decodeBatch,
  decodeColumns,
  describeColumns,
  digestOf,
  type EventTable,
  encodeColumns,
  eventsOf,
  formatDecimal,
  inflateBody,
  sliceTable,
  sumMeasures,
} from '../../src/codec/index.ts';
import { GatewayError } from '../../src/gateway/errors.ts';
import { tally } from '../../src/gateway/tally.ts';
import { exactOf, plus, textOf, ZERO } from '../oracle/decimal.ts';
import type { Corpus } from './corpus.ts';
import type { Dice } from './dice.ts';
import { distorted } from './distortion.ts';
import type { Gauge } from './gauge.ts';
import { Breach, hexOf, holdTo, type Kind, REFUSED, type Struck, TAKEN } from './kind.ts';
import { mutated } from './mutation.ts';

/** The codes that proto-spec/README.md gives to faults of a batch or body. */
const CODES: ReadonlySet<string> = new Set([
  'encoding-unsupported',
  'body-corrupt',
  'body-too-large',
  'batch-malformed',
  'batch-version',
  'batch-limit',
  'batch-column',
]);

/** Larger tables are checked less: of their values only so many are added up another way. */
const SUMMED_MAX = 512;
const COMPARED_MAX = 64;

export const BYTES = 'bytes of a batch changed';
export const STRUCTURE = 'structure of a batch changed';
export const COMPRESSED = 'compressed bytes changed';

export function decodingKinds(corpus: Corpus, gauge: Gauge): Kind[] {
  const { batches } = corpus;
  const judge = (name: string, bytes: Uint8Array): Struck => {
    const struck = holdTo(bytes, (input) => assertSound(input, (work) => gauge.time(name, work)));
    for (const inherited in {}) throw new Breach(`every object has a ${inherited} now; input ${hexOf(bytes)}`);
    return struck;
  };
  return [
    { name: BYTES, share: 36_000, strike: (dice) => judge(BYTES, mutated(dice.pick(batches), dice, batches)) },
    { name: STRUCTURE, share: 24_000, strike: (dice) => judge(STRUCTURE, structureOf(batches, dice)) },
    { name: COMPRESSED, share: 11_000, strike: (dice) => compressedKind(batches, dice, gauge) },
  ];
}

export function structureOf(batches: readonly Uint8Array[], dice: Dice): Uint8Array {
  return distorted(dice.pick(batches), dice);
}

/** Bodies of the corpus, made once in each encoding. */
const bodies = new Map<string, Promise<Uint8Array>>();

async function compressedKind(batches: readonly Uint8Array[], dice: Dice, gauge: Gauge): Promise<Struck> {
  const encoding = dice.pick(CONTENT_ENCODINGS);
  const [whole, other] = await Promise.all([bodyOf(batches, dice, encoding), bodyOf(batches, dice, encoding)]);
  const body = mutated(whole, dice, [other]);
  // At times under another name.
  const said = dice.chance(0.02) ? dice.pick([...CONTENT_ENCODINGS, 'deflate', 'BR', '', 'x-gzip']) : encoding;
  const bytesMax = dice.pick([100, 10_000, undefined]);
  const begun = performance.now();
  let bytes: Uint8Array;
  try {
    bytes = await inflateBody(said, body, bytesMax);
  } catch (error) {
    return holdTo(body, () => assertTyped(error));
  } finally {
    gauge.took(COMPRESSED, performance.now() - begun);
  }
  holdTo(body, () => {
    if (bytes.length > (bytesMax ?? Infinity)) throw new Breach(`inflates to ${bytes.length} bytes past ${bytesMax}`);
  });
  return holdTo(bytes, (input) => assertSound(input));
}

function bodyOf(batches: readonly Uint8Array[], dice: Dice, encoding: (typeof CONTENT_ENCODINGS)[number]) {
  const place = dice.below(batches.length);
  const id = `${encoding} ${place}`;
  const body = bodies.get(id) ?? compressBody(encoding, batches[place]!);
  bodies.set(id, body);
  return body;
}

/** A typed error, or a batch that keeps to everything that a batch promises. */
export function assertSound(bytes: Uint8Array, time = <T>(work: () => T): T => work()): Struck {
  let batch: Batch;
  try {
    batch = time(() => decodeBatch(bytes));
  } catch (error) {
    assertTyped(error);
    if ((error as CodecError).code === 'batch-column') assertOffset(bytes);
    return REFUSED;
  }
  const { table, first, count } = batch;
  if (table.count !== count || first + count - 1 > Number.MAX_SAFE_INTEGER) throw new Breach('counts that disagree');
  const digest = digestOf(table, first);
  const whole = digest(0, count);
  const half = count >> 1;
  if (BigInt.asUintN(64, digest(0, half) + digest(half, count)) !== whole) throw new Breach('digests do not add up');
  const again = decodeColumns(encodeColumns(table));
  if (digestOf(again, first)(0, count) !== whole) throw new Breach('another digest after packing it again');
  const part = sliceTable(table, 0, half);
  if (digestOf(part, first)(0, half) !== digest(0, half)) throw new Breach('a slice has another digest');
  if (count <= COMPARED_MAX) assertSame(again, table);
  assertSums(table);
  assertCountable(table, first);
  describeColumns(bytes, table);
  return TAKEN;
}

export function assertTyped(error: unknown): Struck {
  if (!(error instanceof CodecError)) throw error;
  if (!CODES.has(error.code)) throw new Breach(`the code ${error.code} is for no batch`);
  return REFUSED;
}

function assertOffset(bytes: Uint8Array): void {
  const offset = columnFaultOffset(bytes);
  if (offset !== undefined && !(offset > 0 && offset <= bytes.length)) throw new Breach(`a fault at byte ${offset}`);
}

function assertSame(again: EventTable, table: EventTable): void {
  const [one, other] = [again, table].map((of) => JSON.stringify([...eventsOf(of)].map(bitsOf)));
  if (one !== other) throw new Breach('other events after packing them again');
}

/** JSON has no minus zero. */
function bitsOf({ ts, sensor, fields }: { ts: number; sensor: string; fields: Readonly<Record<string, unknown>> }) {
  const values = Object.entries(fields).map(([name, value]) => [name, Object.is(value, -0) ? '-0' : value]);
  return [ts, sensor, values.sort()];
}

function assertSums(table: EventTable): void {
  for (const column of table.columns) {
    if (column.kind !== 'measure') continue;
    const { values } = column.measures;
    const to = Math.min(values.length, SUMMED_MAX);
    const other = values.subarray(0, to).reduce((sum, value) => plus(sum, exactOf(String(value))), ZERO);
    const sum = formatDecimal(sumMeasures(column.measures, 0, to));
    if (textOf(exactOf(sum)) !== textOf(other)) throw new Breach(`${column.name} adds up to ${sum}`);
  }
}

/** The gateway may bound what a batch comes to; else it must come to as many events as there are. */
function assertCountable(table: EventTable, first: number): void {
  try {
    const deltas = allAtOnce(tally('d', table, first, [{ first, last: first + table.count - 1 }]));
    let events = 0;
    for (const { key, delta } of deltas) {
      if (key.kind === 'total' && 'open' in delta) for (const bucket of delta.open) events += bucket.events;
    }
    if (events !== table.count) throw new Breach(`${events} of ${table.count} events are counted`);
  } catch (error) {
    if (!(error instanceof GatewayError && error.code === 'batch-limit')) throw error;
  }
}
