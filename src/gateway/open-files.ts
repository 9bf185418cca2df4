/** OpenFiles: how many connections fit beside the files that the gateway itself needs. */
import { readFile } from 'node:fs/promises';

/** The database's files, keys and certificates, and the sockets it listens on, with room to spare. */
const FILES_KEPT = 512;

/** Where the system does not say how many files a process may have open, there is no bound. */
export async function connectionsThatFit(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  return connectionsWithin(limits);
}

/** @param limits what Linux says in `/proc/PID/limits` */
export function connectionsWithin(limits: string): number {
  const files = /^Max open files +(\d+) /m.exec(limits)?.[1];
  if (files === undefined) return Number.POSITIVE_INFINITY;
  // Half of few: a gateway with hardly any files may still serve somebody.
  return Math.max(Math.floor(Number(files) / 2), Number(files) - FILES_KEPT);
}
