/**
 * Life: one process of a side, from its start to its end.
 *
 * Owns what a side says while it lives, and how it ended. Promises to know a death by a trap from one by the campaign.
 * Never decides when to kill.
 */
import { statSync } from 'node:fs';
import { constants } from 'node:os';
import type { Program } from '../../rig/programs.ts';
import type { SideKind, Trap } from './steps.ts';

/** How many bytes of each device's journal were written. */
export type Marks = ReadonlyMap<string, number>;

export interface Life {
  readonly of: string;
  readonly side: SideKind;
  /** Counted from 0. */
  readonly number: number;
  readonly trap: Trap | undefined;
  readonly startedAt: number;
  readonly marksAtStart: Marks;
  /** Whether it has opened its queue, or listens. */
  readonly isReady: boolean;
  /** Resolves once it is ready, or has ended. */
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  /** Set once it has ended. */
  readonly end: LifeEnd | undefined;
  /** Asks it to end by itself, by SIGTERM. */
  warn(): void;
  kill(): Promise<void>;
}

/** `stopped` where it was warned and has ended before it was killed. */
export type LifeEnd = 'killed' | 'trapped' | 'stopped' | { readonly unasked: string };

export interface LifeOptions {
  readonly of: string;
  readonly side: SideKind;
  readonly number: number;
  readonly trap: Trap | undefined;
  readonly program: Program;
  readonly marks: Marks;
  readonly onAcknowledged: (life: Life) => void;
  /** It has said something that it should not have to say. */
  readonly onTrouble: (trouble: string) => void;
}

const KILLED = 128 + constants.signals.SIGKILL;
const TERMINATED = 128 + constants.signals.SIGTERM;

/** What a device may say that its disk or quota refused. */
const REFUSALS = ['queue-full', 'overloaded'];

/** Of log lines: what somebody has to look after. */
const ERROR_LEVEL = 50;

export function beginLife(options: LifeOptions): Life {
  return new WatchedLife(options);
}

class WatchedLife implements Life {
  readonly of: string;
  readonly side: SideKind;
  readonly number: number;
  readonly trap: Trap | undefined;
  readonly startedAt = performance.now();
  readonly marksAtStart: Marks;
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  isReady = false;
  end: LifeEnd | undefined;
  readonly #program: Program;
  #isWarned = false;
  #isAsked = false;

  constructor({ of, side, number, trap, program, marks, onAcknowledged, onTrouble }: LifeOptions) {
    this.of = of;
    this.side = side;
    this.number = number;
    this.trap = trap;
    this.marksAtStart = marks;
    this.#program = program;
    this.ended = program.ended.then(({ status }) => {
      this.end = this.#endOf(status);
    });
    this.ready = new Promise((resolve) => {
      void this.ended.then(resolve);
      program.onLine((line) => {
        const said = saidIn(line);
        if ('opened' in said || said['msg'] === 'listening') {
          this.isReady = true;
          resolve();
        } else if ('acknowledged' in said) onAcknowledged(this);
        else if ('fault' in said && !REFUSALS.includes(String(said['fault'])))
          onTrouble(`${of}: fault ${said['fault']}`);
        else if (Number(said['level']) >= ERROR_LEVEL) onTrouble(`${of}: ${line}`);
      });
    });
  }

  warn(): void {
    this.#isWarned = true;
    this.#program.kill('SIGTERM');
  }

  async kill(): Promise<void> {
    if (this.end === undefined) {
      this.#isAsked = true;
      this.#program.kill('SIGKILL');
    }
    await this.ended;
  }

  #endOf(status: number): LifeEnd {
    if (status === KILLED && this.#isAsked) return 'killed';
    if (status === KILLED && this.trap !== undefined) return 'trapped';
    // It may not have listened to the signal yet.
    if ((status === 0 || status === TERMINATED) && this.#isWarned) return 'stopped';
    return { unasked: `${this.of} ended with status ${status}: ${this.#program.lastWords()}` };
  }
}

export function marksOf(journals: ReadonlyMap<string, string>): Marks {
  return new Map([...journals].map(([of, path]) => [of, statSync(path, { throwIfNoEntry: false })?.size ?? 0]));
}

function saidIn(line: string): Record<string, unknown> {
  return line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : {};
}
