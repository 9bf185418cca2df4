/**
 * Batch: what one request carries, before compression (proto-spec/batch.md).
 *
 * Owns the envelope around the columns: stream, sequence range, the device's own account, declared gaps. Promises that
 * a device can wrap a block from its disk without decoding it. Never compresses, signs or reads a clock.
 */
import assert from 'node:assert';
import { encode } from '@msgpack/msgpack';
import { HEAP, type Memory } from './arena.ts';
import { columnsInSteps } from './columns.ts';
import { parseDecimal } from './decimal.ts';
import { CodecError } from './errors.ts';
import { isName } from './event.ts';
import { BATCH_CELLS_MAX, BATCH_EVENTS_MAX, GAPS_MAX, INTEGER_MAX, SEQUENCE_MAX } from './limits.ts';
import { msgpackInSteps } from './msgpack.ts';
import { allAtOnce, type Steps } from './steps.ts';
import type { EventTable } from './table.ts';

/** The version that this codec writes and reads. */
export const BATCH_VERSION = 1;

export const STREAM_BYTES = 16;

export type GapReason = 'quota' | 'damage';

const GAP_REASONS: readonly GapReason[] = ['quota', 'damage'];

/** What a value of a table takes in memory, bytes, with what is made on the way to it. */
const VALUE_BYTES = 20;

/** A sum of a gap is read digit by digit, up to 800 of them. */
const SUM_WEIGHT = 200;

/** A sequence range that the device gave up. */
export interface DeclaredGap {
  readonly first: number;
  readonly last: number;
  readonly reason: GapReason;
  /** Decimal text of each measure's sum over the range, COLUMNS_MAX at most; null where it can no longer be read. */
  readonly sums: Readonly<Record<string, string>> | null;
}

/** The device's own account, in events, as of `sentAt`: what lets the gateway show backlog and balance. */
export interface QueueState {
  readonly recorded: number;
  readonly queued: number;
  readonly quarantined: number;
  readonly gaps: number;
}

export interface BatchHeader {
  /** 16 bytes. */
  readonly stream: Uint8Array;
  /** Sequence of the first event; with none, the sequence that the next one will have. */
  readonly first: number;
  readonly count: number;
  /** The device's clock, epoch milliseconds, as corrected by the gateway's. */
  readonly sentAt: number;
  readonly queue: QueueState;
  readonly gaps: readonly DeclaredGap[];
}

export interface Batch extends BatchHeader {
  readonly table: EventTable;
}

/** The envelope with the columns element (from `encodeColumns`) put in as it is. */
export function encodeBatch(header: BatchHeader, columns: Uint8Array): Uint8Array {
  assert(header.stream.length === STREAM_BYTES, 'a stream id is 16 bytes');
  assert(header.gaps.length <= GAPS_MAX, 'gaps go over several batches');
  const { recorded, queued, quarantined, gaps } = header.queue;
  const envelope = encode({
    v: BATCH_VERSION,
    stream: header.stream,
    first: header.first,
    count: header.count,
    sent: header.sentAt,
    queue: [recorded, queued, quarantined, gaps],
    gaps: header.gaps.map(({ first, last, reason, sums }) => [first, last, reason, sums]),
  });
  const key = encode('columns');
  const bytes = new Uint8Array(envelope.length + key.length + columns.length);
  bytes.set(envelope);
  // One entry more than the envelope had: a fixmap's size is in its first byte.
  bytes[0] = envelope[0]! + 1;
  bytes.set(key, envelope.length);
  bytes.set(columns, envelope.length + key.length);
  return bytes;
}

/**
 * @throws CodecError `batch-malformed`, `batch-version`, `batch-limit` or `batch-column`
 */
export function decodeBatch(bytes: Uint8Array): Batch {
  return allAtOnce(decodeBatchInSteps(bytes));
}

/** As `decodeBatch`, with a step for each column. The table lies in `memory`. */
export function* decodeBatchInSteps(bytes: Uint8Array, memory = HEAP): Steps<Batch> {
  return yield* (yield* openBatchInSteps(bytes)).decodeInSteps(memory);
}

/** A batch whose columns are still packed. */
export interface PackedBatch {
  /** About what its table takes in memory at most, bytes: a constant column of any length takes ten on the wire. */
  readonly tableBytes: number;
  /** As `decodeBatchInSteps`. */
  decodeInSteps(memory?: Memory): Steps<Batch>;
}

/** @throws as `decodeBatch`; what is said of it is checked only once it is decoded */
export function* openBatchInSteps(bytes: Uint8Array): Steps<PackedBatch> {
  const map = yield* msgpackInSteps(bytes);
  return { tableBytes: tableBytesOf(map), decodeInSteps: (memory = HEAP) => batchFrom(map, memory) };
}

function tableBytesOf(map: unknown): number {
  const { columns } = (map ?? {}) as { readonly columns?: unknown };
  if (!Array.isArray(columns)) return 0;
  const [count, , , , fields] = columns as unknown[];
  if (typeof count !== 'number' || !(count <= BATCH_EVENTS_MAX) || !Array.isArray(fields)) return 0;
  // Every event has a time and a place in the order.
  return VALUE_BYTES * Math.min(count * (fields.length + 2), BATCH_CELLS_MAX + 2 * BATCH_EVENTS_MAX);
}

function* batchFrom(map: unknown, memory: Memory): Steps<Batch> {
  if (map === null || typeof map !== 'object' || Array.isArray(map) || map instanceof Uint8Array) {
    throw malformed('a batch is a map');
  }
  const batch = map as Record<string, unknown>;
  if (batch['v'] !== BATCH_VERSION) {
    // Not everything that may stand there has a text.
    const said = typeof batch['v'] === 'number' ? batch['v'] : `of type ${typeof batch['v']}`;
    throw new CodecError('batch-version', `version ${said}; this decoder reads ${BATCH_VERSION}`);
  }
  if (!(batch['stream'] instanceof Uint8Array) || batch['stream'].length !== STREAM_BYTES) throw malformed('stream');
  // A copy: a view would keep the whole inflated body alive.
  const stream = Uint8Array.from(batch['stream']);
  const first = sequence(batch['first'], 'first');
  const count = natural(batch['count'], 'count');
  if (count > BATCH_EVENTS_MAX)
    throw new CodecError('batch-limit', `${count} events; ${BATCH_EVENTS_MAX} are the most`);
  // Not added up, which would round.
  if (first - 1 > SEQUENCE_MAX - count) throw malformed('sequence range');
  const sentAt = batch['sent'];
  if (typeof sentAt !== 'number' || !Number.isInteger(sentAt) || Math.abs(sentAt) > INTEGER_MAX)
    throw malformed('sent');
  const table = yield* columnsInSteps(batch['columns'], memory);
  if (table.count !== count) throw malformed(`${count} events announced, ${table.count} in the columns`);
  return {
    stream,
    first,
    count,
    sentAt: sentAt + 0,
    queue: queueFrom(batch['queue']),
    gaps: yield* gapsFrom(batch['gaps']),
    table,
  };
}

function queueFrom(element: unknown): QueueState {
  if (!Array.isArray(element) || element.length !== 4) throw malformed('queue');
  const [recorded, queued, quarantined, gaps] = element.map((part) => natural(part, 'queue')) as [
    number,
    number,
    number,
    number,
  ];
  return { recorded, queued, quarantined, gaps };
}

function* gapsFrom(element: unknown): Steps<DeclaredGap[]> {
  if (!Array.isArray(element)) throw malformed('gaps');
  if (element.length > GAPS_MAX) throw new CodecError('batch-limit', `more than ${GAPS_MAX} gaps`);
  const gaps: DeclaredGap[] = [];
  for (const gap of element as unknown[]) {
    if (!Array.isArray(gap) || gap.length !== 4) throw malformed('gap');
    const first = sequence(gap[0], 'gap');
    const last = sequence(gap[1], 'gap');
    const reason = GAP_REASONS.find((known) => known === gap[2]);
    if (last < first || reason === undefined) throw malformed('gap');
    gaps.push({ first, last, reason, sums: yield* sumsFrom(gap[3]) });
  }
  return gaps;
}

function* sumsFrom(element: unknown): Steps<Record<string, string> | null> {
  if (element === null) return null;
  if (typeof element !== 'object' || Array.isArray(element) || element instanceof Uint8Array)
    throw malformed('gap sums');
  const sums = Object.entries(element);
  for (const [name, sum] of sums) {
    if (!isName(name) || typeof sum !== 'string' || !parseDecimal(sum)) throw malformed('gap sums');
    yield SUM_WEIGHT;
  }
  return Object.fromEntries(sums) as Record<string, string>;
}

function sequence(value: unknown, what: string): number {
  const number = natural(value, what);
  if (number === 0) throw malformed(`${what}: sequences start at 1`);
  return number;
}

function natural(value: unknown, what: string): number {
  // A float may say minus zero, which is zero.
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value + 0;
  throw malformed(what);
}

function malformed(what: string): CodecError {
  return new CodecError('batch-malformed', `batch: ${what}`);
}
