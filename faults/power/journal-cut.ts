/**
 * JournalCut: a journal that ends where the power did.
 *
 * Owns the ends of its lines. The recorder writes an attempt before it calls `record()`, and an end before anything
 * else learns of it, so what was not in the journal at that instant was neither recorded nor resolved. Promises whole
 * lines.
 */
import { existsSync, readFileSync, statSync, truncateSync } from 'node:fs';

const RESOLVED = Buffer.from('{"kind":"resolved"');
const NEWLINE = 10;

/** How long it is now. */
export function journalBytes(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

/** Takes off what came behind so many bytes, and a line that they cut in two. Gives what is left. */
export function cutJournal(path: string, bytes: number): number {
  if (bytes === 0 && !existsSync(path)) return 0;
  const whole = readFileSync(path).subarray(0, bytes).lastIndexOf(NEWLINE) + 1;
  truncateSync(path, whole);
  return whole;
}

/** How many events are said to be resolved between two places. */
export function countResolved(path: string, from: number, to: number): number {
  if (from === to) return 0;
  const lines = readFileSync(path).subarray(from, to);
  let count = 0;
  for (let at = lines.indexOf(RESOLVED); at >= 0; at = lines.indexOf(RESOLVED, at + 1)) count += 1;
  return count;
}
