/**
 * Campaign: one kind of fault, tried many times, and what came of it.
 *
 * Owns the words: a campaign injects faults round by round, and says for each fault how often it struck, what was at
 * stake and what was lost. Promises that a finding names the seed that has it again. Never decides how long it may go
 * on: the size and the signal say so.
 */
import type { Programs } from '../rig/programs.ts';

/** What a file in `campaigns/` exports as `campaign`. Each runs in a process of its own, out of a build of its own. */
export interface Campaign {
  readonly title: string;
  /** What its size counts: `kills`, `cuts`, `seeds`, `inputs` … */
  readonly unit: string;
  readonly sizes: Readonly<Record<Scale, number>>;
  /** Its share of a full run's time, relative to the other campaigns'. */
  readonly weight: number;
  /** Why it cannot run on this machine, with the command that would provide what is missing; undefined where it can. */
  obstacle?(): Promise<string | undefined>;
  /**
   * Resolves with what was found, also after the signal has aborted: with the rounds done by then. Rejects only where
   * the campaign itself is broken, never for what it finds.
   */
  run(ground: Ground): Promise<CampaignResult>;
}

/** `ci` is what every landing must pass, `full` what RELIABILITY.md reports. */
export type Scale = 'ci' | 'full';

/** Where a campaign takes place. */
export interface Ground {
  /** Decides everything that is random. */
  readonly seed: number;
  /** How many units to do. */
  readonly size: number;
  /** Aborts when the time is over: the round under way is finished, or given up where that takes long. */
  readonly signal: AbortSignal;
  /** An empty folder that is removed afterwards. */
  readonly folder: string;
  /** Starts programs of the build, such as `bin/tidegate-gateway.js` or `faults/recorder.js`. */
  readonly programs: Programs;
  /** Says how many units are done. */
  progress(done: number): void;
}

/** One line of the table. */
export interface FaultRow {
  /** In the reader's words: `SIGKILL of the device`. */
  readonly fault: string;
  /** How often it struck. */
  readonly injected: number;
  /** Resolved events that it could have lost or doubled. */
  readonly events: number;
  readonly lost: number;
  readonly doubled: number;
  /** From the fault's end to the first event counted again, milliseconds, one for each time that was measured. */
  readonly recoveriesMs: readonly number[];
  /** What else there is to say: `caught losing 12 of 200, as it must`. */
  readonly note?: string;
}

/** A promise that did not hold. */
export interface Finding {
  readonly fault: string;
  /** The seed of the round; with it `npm run faults -- NAME --seed SEED --size 1` has it again. */
  readonly seed: number;
  /** One line: what should have been, and what was. */
  readonly what: string;
}

export interface CampaignResult {
  readonly rows: readonly FaultRow[];
  readonly findings: readonly Finding[];
  /** Units done. */
  readonly done: number;
}

/** The seed of one round; the first round's is the campaign's own, so that a finding's seed has that round again. */
export function roundSeed(seed: number, round: number): number {
  return (seed + Math.imul(round, 0x9e3779b9)) >>> 0;
}
