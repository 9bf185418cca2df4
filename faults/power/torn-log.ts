/**
 * TornLog: the last write of a log, of which only a part reached the disk.
 *
 * Owns what is behind the log's last whole record. A disk that loses power in the middle of a write leaves the
 * beginning of it, or sectors in it that read as zeros; a device over loop rarely does that by itself. Promises to
 * touch nothing that was synced, and never to complete the record: what it holds was not resolved, and must not count.
 * Leaves out what a file system shows only if it is told not to order its writes (ext4 with `data=writeback`): what
 * others had in those blocks.
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

/** A disk writes a sector whole or not at all. */
const SECTOR_BYTES = 512;

/** Kinds of a record that ends a write: whole, or the last of its parts. The recycled ones are never made here. */
const ENDS = [1, 4];

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
        appendFileSync(path, random() < 0.5 ? cutOff(next, random) : withHoles(next, synced.length, random));
        torn += 1;
      }
      return torn;
    },
  };
}

function cutOff(write: Buffer, random: () => number): Buffer {
  return write.subarray(0, 1 + Math.floor(random() * (write.length - 1)));
}

/** The file has grown, but some sectors in it were not written yet. */
function withHoles(write: Buffer, at: number, random: () => number): Buffer {
  const torn = Buffer.from(write);
  const ends = [];
  for (let end = SECTOR_BYTES - (at % SECTOR_BYTES); end < write.length + SECTOR_BYTES; end += SECTOR_BYTES)
    ends.push(end);
  const certain = Math.floor(random() * ends.length);
  ends.forEach((end, i) => {
    if (i === certain || random() < 0.3) torn.fill(0, Math.max(0, end - SECTOR_BYTES), Math.min(end, write.length));
  });
  // Where there were zeros anyway nothing is torn.
  return torn.equals(write) ? cutOff(write, random) : torn;
}

function logsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^(\d+\.log|MANIFEST-\d+)$/.test(entry.name))
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

/** Behind the last write: a record that could have come next, of which the disk has the header right. */
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
