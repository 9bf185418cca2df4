/**
 * Journal: what the recorder wrote down, before anything else could see it.
 *
 * Owns the lines. The recorder writes them with one system call each, so they outlive its SIGKILL: an attempt before
 * `record()` is called, and its end as soon as that settles. Shares no code with what it judges.
 */
import { existsSync, readFileSync } from 'node:fs';

/** An event about to be recorded. Numbers are the text that the recorder made its double from. */
export interface AttemptLine {
  readonly kind: 'attempt';
  /** Unique within a device; also recorded as the measure `serial`. */
  readonly serial: number;
  /** Null where it is recorded without a time: it then has what the device's clock says. */
  readonly ts: number | null;
  readonly sensor: string;
  readonly measures: Readonly<Record<string, string>>;
  /** Texts and flags. */
  readonly notes: Readonly<Record<string, string | boolean>>;
}

/** What the device's clock said right before and after an event was recorded without a time. */
export interface ClockedLine {
  readonly kind: 'clocked';
  readonly serial: number;
  readonly from: number;
  readonly to: number;
}

export interface ResolvedLine {
  readonly kind: 'resolved';
  readonly serial: number;
  readonly stream: string;
  readonly sequence: number;
}

export interface RejectedLine {
  readonly kind: 'rejected';
  readonly serial: number;
  readonly code: string;
}

/** The recorder has started: what follows is of this life, until the next one begins. */
export interface OpenedLine {
  readonly kind: 'opened';
}

/** The recorder was asked for the random bytes of a stream; events appended from now on are under it. */
export interface StreamLine {
  readonly kind: 'stream';
  readonly stream: string;
}

export type JournalLine = AttemptLine | ClockedLine | ResolvedLine | RejectedLine | OpenedLine | StreamLine;

/** One process of the recorder. */
export interface Life {
  readonly streams: readonly string[];
  /** Serials, in the order in which they were recorded. */
  readonly attempts: readonly number[];
}

export interface Journal {
  readonly lives: readonly Life[];
  readonly attempts: ReadonlyMap<number, AttemptLine>;
  readonly clocked: ReadonlyMap<number, ClockedLine>;
  readonly resolved: ReadonlyMap<number, ResolvedLine>;
  readonly rejected: ReadonlyMap<number, RejectedLine>;
}

/** @param bytes how much of it counts; default all. A last line that was cut off by a SIGKILL does not count. */
export function readJournal(path: string, bytes?: number): Journal {
  const text = existsSync(path) ? readFileSync(path).subarray(0, bytes).toString() : '';
  const attempts = new Map<number, AttemptLine>();
  const clocked = new Map<number, ClockedLine>();
  const resolved = new Map<number, ResolvedLine>();
  const rejected = new Map<number, RejectedLine>();
  let life = { streams: [] as string[], attempts: [] as number[] };
  const lives = [life];
  for (const line of text.split('\n').slice(0, -1)) {
    const entry = JSON.parse(line) as JournalLine;
    switch (entry.kind) {
      case 'opened':
        life = { streams: [], attempts: [] };
        lives.push(life);
        break;
      case 'stream':
        life.streams.push(entry.stream);
        break;
      case 'attempt':
        attempts.set(entry.serial, entry);
        life.attempts.push(entry.serial);
        break;
      case 'clocked':
        clocked.set(entry.serial, entry);
        break;
      case 'resolved':
        resolved.set(entry.serial, entry);
        break;
      case 'rejected':
        rejected.set(entry.serial, entry);
        break;
    }
  }
  return { attempts, clocked, resolved, rejected, lives };
}
