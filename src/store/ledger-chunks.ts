/**
 * A ledger as records: whole under its stream's key, or, where it has become large, a head there and chunks behind it.
 *
 *     head   version 2; chunks; recent: count, then the first sequence of each, oldest acceptance first; segments; gaps
 *     chunk  version 3; segments: count, then each: skip, length - 1, digest; gaps: count, then each: skip, length - 1
 *
 * Numbers and digests are as in `ledger-bytes.ts`, which has the whole form; a skip counts from behind the range before
 * it, in a chunk's first from where the chunk begins. Anything else is `corrupt`, and so are chunks that are not those
 * of the head.
 */
import { ledgerChunkKey } from './gateway-keys.ts';
import { lengthOf, type Range } from './intervals.ts';
import { type Ledger, RECENT_MAX } from './ledger.ts';
import { assertMerged, corrupt, decodeLedger, encodeLedger, LedgerReader, LedgerWriter } from './ledger-bytes.ts';
import type { Operation } from './rocks.ts';
import type { Entry } from './rocks-handle.ts';
import { seal, unsealOrThrow } from './seal.ts';
import { buildLedger } from './segment-ledger.ts';
import { SHARED_TURNS, type Turns } from './time-slicing.ts';

const HEAD_VERSION = 2;
const CHUNK_VERSION = 3;

/** What stores a ledger's changes since they were last taken. */
export function ledgerWrites(key: Buffer, ledger: Ledger): Operation[] {
  const { cuts, changed, dropped } = ledger.takeChange();
  if (cuts.length === 0) return [{ type: 'put', key, value: seal(key, encodeLedger(ledger)) }];
  const operations: Operation[] = [{ type: 'put', key, value: seal(key, encodeHead(ledger, cuts.length)) }];
  for (const { first, end } of changed) {
    const chunkKey = ledgerChunkKey(key, first);
    operations.push({
      type: 'put',
      key: chunkKey,
      value: seal(chunkKey, encodeChunk(first, ledger.chunk(first, end))),
    });
  }
  for (const first of dropped) operations.push({ type: 'del', key: ledgerChunkKey(key, first) });
  return operations;
}

/** Whether the record under a stream's key, without its seal, is a head, whose ledger lies in chunks behind it. */
export function isCut(body: Uint8Array): boolean {
  return body[0] === HEAD_VERSION;
}

/** The ledger that is stored whole, or in these chunks, ascending. Throws `StoreError` `corrupt`. */
export async function readLedger(
  body: Uint8Array,
  chunks: () => AsyncIterable<Entry>,
  turns: Turns = SHARED_TURNS,
): Promise<Ledger> {
  if (!isCut(body)) return decodeLedger(body);
  const head = decodeHead(body);
  const ledger = createChunkReader();
  for await (const [key, value] of chunks()) {
    ledger.add(Number(key.readBigUInt64BE(key.length - 8)), unsealOrThrow(key, value));
    if (turns.isOver()) await turns.next();
  }
  return ledger.finish(head);
}

function encodeHead(ledger: Ledger, chunks: number): Buffer {
  const writer = new LedgerWriter(0, 0, HEAD_VERSION);
  writer.varint(chunks);
  writer.varint(ledger.recent.length);
  for (const first of ledger.recent) writer.varint(first);
  writer.varint(ledger.segmentCount);
  writer.varint(ledger.gapRanges);
  return writer.bytes();
}

function decodeHead(body: Uint8Array) {
  const reader = new LedgerReader(body, HEAD_VERSION);
  const chunks = reader.varint();
  const recent: number[] = [];
  for (let left = reader.count(); left > 0; left -= 1) recent.push(reader.varint());
  const head = { chunks, recent, segments: reader.varint(), gaps: reader.varint() };
  reader.end();
  return head;
}

function encodeChunk(start: number, { segments, gaps }: ReturnType<Ledger['chunk']>): Buffer {
  const writer = new LedgerWriter(segments.length, gaps.length, CHUNK_VERSION);
  writer.varint(segments.length);
  let next = start;
  for (const segment of segments) {
    writer.varint(segment.first - next);
    writer.varint(lengthOf(segment) - 1);
    writer.digest(segment.digest);
    next = segment.last + 1;
  }
  writer.varint(gaps.length);
  next = start;
  for (const gap of gaps) {
    writer.varint(gap.first - next);
    writer.varint(lengthOf(gap) - 1);
    next = gap.last + 1;
  }
  return writer.bytes();
}

function createChunkReader() {
  const ledger = buildLedger();
  const cuts: number[] = [];
  const joints: number[] = [];
  let segments = 0;
  let gaps = 0;
  let latest = -1;
  let segmentEnd = -1;
  let gapEnd = -1;
  const range = (reader: LedgerReader, next: number): Range => {
    const first = reader.sum(next, reader.varint());
    latest = Math.max(latest, first);
    return { first, last: reader.sum(first, reader.varint()) };
  };
  return {
    /** Adds what a chunk holds to what the chunks before it held. */
    add(start: number, body: Uint8Array): void {
      if (cuts.length === 0 ? start !== 0 : start <= latest) throw corrupt('chunks that overlap');
      cuts.push(start);
      const reader = new LedgerReader(body, CHUNK_VERSION);
      let next = start;
      for (let left = reader.count(); left > 0; left -= 1, segments += 1) {
        const { first, last } = range(reader, next);
        if (first <= segmentEnd) throw corrupt('segments that overlap');
        if (first === segmentEnd + 1) joints.push(segments);
        ledger.append({ first, last, digest: reader.digest() });
        next = last + 1;
        segmentEnd = last;
      }
      next = start;
      for (let left = reader.count(); left > 0; left -= 1, gaps += 1) {
        const gap = range(reader, next);
        if (gap.first <= gapEnd + 1) throw corrupt('gaps that are one');
        ledger.addGap(gap);
        next = gap.last + 1;
        gapEnd = gap.last;
      }
      reader.end();
    },
    finish(head: ReturnType<typeof decodeHead>): Ledger {
      if (cuts.length !== head.chunks || segments !== head.segments || gaps !== head.gaps) {
        throw corrupt('other chunks than its head says');
      }
      const recent = head.recent.map((first) => ledger.placeOf(first) ?? -1);
      if (recent.includes(-1) || recent.length > RECENT_MAX) throw corrupt('recent segments');
      assertMerged(joints, recent);
      return ledger.finish(recent, cuts);
    },
  };
}
