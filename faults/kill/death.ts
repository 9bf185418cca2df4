/**
 * Death: who was killed together, where, and what was at stake.
 *
 * Owns the words for it and the count of resolved events that it could have lost. Never judges whether it has lost any.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { Life, Marks } from './life.ts';

export interface Death {
  readonly lives: readonly Life[];
  /** The steps at which some of them died; the others did at a random moment. */
  readonly steps: readonly string[];
  readonly marksAtEnd: Marks;
  /** From the restart to the first event that was counted again, where nobody died meanwhile. */
  recoveryMs?: number;
}

const RESOLVED = Buffer.from('"kind":"resolved"');

export function hasGateway({ lives }: Death): boolean {
  return lives.some(({ side }) => side === 'gateway');
}

export function hasDevice({ lives }: Death): boolean {
  return lives.some(({ side }) => side === 'device');
}

/** In the reader's words. */
export function faultOf(death: Death): string {
  if (!hasGateway(death)) return 'SIGKILL of the device';
  return hasDevice(death) ? 'SIGKILL of both' : 'SIGKILL of the gateway';
}

/** The row of its step. */
export function stepFaultOf(step: string): string {
  return `SIGKILL at ${step}`;
}

/** How many events were resolved during the lives that it ended; `journals` are paths by device. */
export function eventsAtStake({ lives, marksAtEnd }: Death, journals: ReadonlyMap<string, string>): number {
  let events = 0;
  for (const [device, path] of journals) {
    const starts = lives
      .filter(({ of, side }) => side === 'gateway' || of === device)
      .map(({ marksAtStart }) => marksAtStart.get(device) ?? 0);
    if (starts.length === 0 || !existsSync(path)) continue;
    const journal = readFileSync(path).subarray(Math.min(...starts), marksAtEnd.get(device));
    for (let at = journal.indexOf(RESOLVED); at >= 0; at = journal.indexOf(RESOLVED, at + 1)) events++;
  }
  return events;
}
