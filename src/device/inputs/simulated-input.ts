/**
 * SimulatedInput: events of sensors that do not exist, at a pace.
 *
 * Promises no more than one burst at a time, also after the machine has slept: the disk sets the pace.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Simulation } from '../simulation.ts';
import { type Chunk, type Input, NOTHING_LEFT, type Rest } from './input.ts';

export interface SimulatedOptions {
  readonly simulation: Simulation;
  /** Events a second; 0 for as fast as the disk takes them. */
  readonly rate: number;
  readonly eventsMax: number;
}

const TICK_MS = 20;
const BURST_EVENTS = 4_096;

export class SimulatedInput implements Input {
  readonly bytes = undefined;
  readonly skipped = 0;
  readonly isKept = true;
  readonly preamble = Buffer.alloc(0);
  readonly #options: SimulatedOptions;

  constructor(options: SimulatedOptions) {
    this.#options = options;
  }

  get isEndless(): boolean {
    return this.#options.eventsMax === Number.POSITIVE_INFINITY;
  }

  async *chunks(signal: AbortSignal): AsyncGenerator<Chunk, void, void> {
    const { simulation, rate, eventsMax } = this.#options;
    const started = performance.now();
    let done = 0;
    while (done < eventsMax && !signal.aborted) {
      const due = rate === 0 ? done + BURST_EVENTS : Math.floor(((performance.now() - started) / 1_000) * rate);
      const burst = Math.min(due - done, eventsMax - done, BURST_EVENTS);
      if (burst > 0) {
        const now = Date.now();
        const spacing = rate === 0 ? 0 : 1_000 / rate;
        const events = Array.from({ length: burst }, (_, i) =>
          simulation.next(now - Math.round((burst - 1 - i) * spacing)),
        );
        done += burst;
        yield { events, refused: [], rejected: [], rows: done, bytes: 0, marks: () => [] };
      }
      if (rate > 0) await sleep(TICK_MS, undefined, { signal }).catch(() => {});
    }
  }

  rest(): Rest {
    return NOTHING_LEFT;
  }
}
