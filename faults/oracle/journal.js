/**
 * Journal: what the recorder wrote down, before anything else could see it.
 *
 * Owns the lines. The recorder writes them with one system call each, so they outlive its SIGKILL: an attempt before
 * `record()` is called, and its end as soon as that settles. Shares no code with what it judges.
 */
import { existsSync, readFileSync } from 'node:fs';
/** @param bytes how much of it counts; default all. A last line that was cut off by a SIGKILL does not count. */
export function readJournal(path, bytes) {
  const text = existsSync(path) ? readFileSync(path).subarray(0, bytes).toString() : '';
  const attempts = new Map();
  const resolved = new Map();
  const rejected = new Map();
  for (const line of text.split('\n').slice(0, -1)) {
    const entry = JSON.parse(line);
    if (entry.kind === 'attempt') attempts.set(entry.serial, entry);
    else if (entry.kind === 'resolved') resolved.set(entry.serial, entry);
    else rejected.set(entry.serial, entry);
  }
  return { attempts, resolved, rejected };
}
