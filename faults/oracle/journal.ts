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
  readonly ts: number;
  readonly sensor: string;
  readonly measures: Readonly<Record<string, string>>;
  /** Texts and flags. */
  readonly notes: Readonly<Record<string, string | boolean>>;
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

export type JournalLine = AttemptLine | ResolvedLine | RejectedLine;

export interface Journal {
  readonly attempts: ReadonlyMap<number, AttemptLine>;
  readonly resolved: ReadonlyMap<number, ResolvedLine>;
  readonly rejected: ReadonlyMap<number, RejectedLine>;
}

/** @param bytes how much of it counts; default all. A last line that was cut off by a SIGKILL does not count. */
export function readJournal(path: string, bytes?: number): Journal {
  const text = existsSync(path) ? readFileSync(path).subarray(0, bytes).toString() : '';
  const attempts = new Map<number, AttemptLine>();
  const resolved = new Map<number, ResolvedLine>();
  const rejected = new Map<number, RejectedLine>();
  for (const line of text.split('\n').slice(0, -1)) {
    const entry = JSON.parse(line) as JournalLine;
    if (entry.kind === 'attempt') attempts.set(entry.serial, entry);
    else if (entry.kind === 'resolved') resolved.set(entry.serial, entry);
    else rejected.set(entry.serial, entry);
  }
  return { attempts, resolved, rejected };
}
