/**
 * Trace: what happened, line by line, and the digest by which two courses of events are told apart.
 *
 * Owns the digest. Promises the same one for the same lines. Never keeps a line.
 */
import { createHash } from 'node:crypto';

export interface Trace {
  add(line: string): void;
  /** Hexadecimal; of all lines so far. */
  digest(): string;
}

export function createTrace(now: () => number, onLine?: (line: string) => void): Trace {
  const hash = createHash('sha256');
  return {
    add(line) {
      const timed = `${now().toFixed(3)} ${line}`;
      hash.update(timed);
      onLine?.(timed);
    },
    digest: () => hash.copy().digest('hex').slice(0, 32),
  };
}
