/**
 * Vigil: what a round waits for, and what it finds out meanwhile.
 *
 * Owns the list of what was found, and every wait. Promises that a wait ends when what it is for holds, when its time
 * is over, which is found out, when the campaign's time is over, or when a program that is followed is gone. Never
 * polls.
 */
import type { Program } from '../rig/programs.ts';

export interface Vigil {
  /** One line for each promise that did not hold. */
  readonly problems: readonly string[];
  /** The same again is not told again. */
  found(problem: string): void;
  /** Hears what the program says, a line of JSON each. Until `dismiss` its end is an error for whoever waits. */
  follow(program: Program, onLine: (line: Readonly<Record<string, unknown>>) => void): void;
  /** From now on what is followed may end. */
  dismiss(): void;
  /** Something has happened that somebody may wait for. */
  stir(): void;
  until(trouble: () => string, withinMs: number, holds: () => boolean): Promise<void>;
}

export function createVigil(signal: AbortSignal): Vigil {
  const problems: string[] = [];
  const watches = new Set<() => void>();
  let isDismissed = false;
  let gone: string | undefined;
  const vigil: Vigil = {
    problems,
    found(problem) {
      if (!problems.includes(problem)) problems.push(problem);
    },
    follow(program, onLine) {
      program.onLine((line) => {
        if (line.startsWith('{')) onLine(JSON.parse(line) as Record<string, unknown>);
      });
      void program.ended.then(({ status }) => {
        if (isDismissed) return;
        gone ??= `${program.name} ended with status ${status}: ${program.lastWords()}`;
        vigil.stir();
      });
    },
    dismiss() {
      isDismissed = true;
    },
    stir() {
      for (const look of watches) look();
    },
    until(trouble, withinMs, holds) {
      return new Promise((resolve, reject) => {
        const settle = (end: () => void): void => {
          clearTimeout(timeout);
          watches.delete(look);
          signal.removeEventListener('abort', look);
          end();
        };
        const look = (): void => {
          if (gone !== undefined) settle(() => reject(new Error(gone)));
          else if (holds() || signal.aborted) settle(resolve);
        };
        const timeout = setTimeout(() => {
          vigil.found(`${trouble()} after ${withinMs} ms`);
          settle(resolve);
        }, withinMs);
        watches.add(look);
        signal.addEventListener('abort', look);
        look();
      });
    },
  };
  return vigil;
}
