/**
 * TornLog: the last write of a write-ahead log, of which only a part reached the disk.
 *
 * Owns what is behind the log's last whole record. A disk that loses power in the middle of a write leaves its beginning,
 * or a file that has grown already with nothing or something else in it; ext4 rarely shows that by itself. Promises to
 * touch nothing that was synced, and never to complete the record: what it holds was not resolved, and must not count.
 */
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface LogTear {
  /** Tears what is now where the logs were. Gives how many it tore. */
  apply(): number;
}

/** RocksDB's log: blocks of this size, and in them records behind a header of checksum, length and kind. */
const BLOCK_BYTES = 32 << 10;
const HEADER_BYTES = 7;

/** Kinds of a record that ends a write: whole, or the last of its parts. The recycled ones are never made here. */
const ENDS = [1, 4];

type Tear = (next: Buffer, random: () => number) => Buffer;

const TEARS: readonly Tear[] = [
  /** Cut off. */
  (next) => next,
  /** The file has grown; its last blocks were never written. */
  (next, random) => Buffer.concat([next, Buffer.alloc(1 + Math.floor(random() * 8_192))]),
  /** The same, with what somebody had in those blocks before. */
  (next, random) => Buffer.concat([next, noise(1 + Math.floor(random() * 8_192), random)]),
];

/**
 * Takes the logs as the program that was killed has left them, behind what the cut left of them.
 *
 * @param folder of the databases, searched to the bottom
 */
export function takeLogs(folder: string, random: () => number): LogTear {
  const logs = logsIn(folder).map((path) => [path, readFileSync(path)] as const);
  return {
    apply() {
      const left = new Set(logsIn(folder));
      let torn = 0;
      for (const [path, written] of logs) {
        if (!left.has(path)) continue;
        const synced = readFileSync(path);
        // A log that the cut has torn by itself.
        if (!written.subarray(0, synced.length).equals(synced) || !isWhole(synced)) continue;
        const end = endOfWrite(written, synced.length);
        const next = end > synced.length ? written.subarray(synced.length, end) : madeUp(synced.length, random);
        const part = next.subarray(0, 1 + Math.floor(random() * (next.length - 1)));
        appendFileSync(path, TEARS[Math.floor(random() * TEARS.length)]!(part, random));
        torn += 1;
      }
      return torn;
    },
  };
}

function logsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^\d+\.log$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Where the write that begins at a place ends; that place itself where there is no whole one. */
function endOfWrite(log: Buffer, from: number): number {
  for (let at = from; ; ) {
    const room = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (room < HEADER_BYTES) at += room;
    if (at + HEADER_BYTES > log.length) return from;
    const end = at + HEADER_BYTES + log.readUInt16LE(at + 4);
    const kind = log[at + 6]!;
    if (kind === 0 || end > log.length) return from;
    if (ENDS.includes(kind)) return end;
    at = end;
  }
}

function isWhole(log: Buffer): boolean {
  for (let at = 0; at < log.length; ) {
    const end = endOfWrite(log, at);
    if (end === at) return false;
    at = end;
  }
  return true;
}

/** Where nothing was written any more: a record that could have come next, of which the disk has got the header right. */
function madeUp(at: number, random: () => number): Buffer {
  const room = BLOCK_BYTES - (at % BLOCK_BYTES);
  if (room <= HEADER_BYTES) return Buffer.alloc(room);
  const record = noise(HEADER_BYTES + Math.floor(random() * Math.min(room - HEADER_BYTES, 2_048)), random);
  record.writeUInt16LE(record.length - HEADER_BYTES, 4);
  record[6] = 1;
  return record;
}

function noise(bytes: number, random: () => number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, () => Math.floor(random() * 256)));
}
