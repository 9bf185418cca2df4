/**
 * SharedAnswers: answers about a device that cost much to make and little to keep, made once for all who ask.
 *
 * A chart adds up the pages of all sensors, of which there may be ten thousand, and each viewer of the page asks for it
 * again and again. Owns the texts, and the order in which they are made: of each device one at a time, and those of
 * several devices side by side, so that a device with much to add up makes its own viewers wait and no others. Promises
 * that an answer is as of when it was asked for, unless who asks takes an older one; and that what nobody waits for any
 * more is not made to its end.
 */
import { performance } from 'node:perf_hooks';
import { SHARED_TURNS, type Turns } from '../store/index.ts';

export interface SharedAnswer {
  readonly text: string;
  /** Since it was begun, milliseconds. */
  readonly ageMs: number;
  /** What it took to make, milliseconds. */
  readonly tookMs: number;
}

export interface SharedAnswers {
  /**
   * @param query what is asked about the device
   * @param change grows whenever the answer may be another
   * @param ageMaxMs how old an answer may be that is not of the latest change, milliseconds
   * @param gone whether the client is
   */
  get(
    deviceId: string,
    query: string,
    change: number,
    ageMaxMs: number,
    gone: AbortSignal,
    make: Maker,
  ): Promise<SharedAnswer>;
}

/** Given turns that end where nobody waits any more. What it gives comes to some 100 KB at most. */
export type Maker = (turns: Turns) => AsyncIterable<string>;

/** Texts that are held, of those asked for latest. */
const HELD_MAX = 64;

export function createSharedAnswers(
  turns: Turns = SHARED_TURNS,
  now: () => number = () => performance.now(),
): SharedAnswers {
  /** Least recently asked for first. */
  const held = new Map<string, Shared>();
  /** By device, until the last of its answers that were asked for is made. */
  const lasts = new Map<string, Promise<void>>();

  function begin(deviceId: string, name: string, change: number, make: Maker): Shared {
    const waiting = new Set<AbortSignal>();
    const throwIfAlone = () => {
      for (const gone of waiting) if (!gone.aborted) return;
      throw new Error('nobody waits for this answer any more');
    };
    const watched: Turns = {
      isOver: () => turns.isOver(),
      async next() {
        await turns.next();
        throwIfAlone();
      },
    };
    const made = (lasts.get(deviceId) ?? Promise.resolve()).then(async () => {
      throwIfAlone();
      const begunAt = now();
      let text = '';
      for await (const part of make(watched)) {
        text += part;
        if (turns.isOver()) await watched.next();
      }
      return { text, tookMs: now() - begunAt };
    });
    const last = made.then(over, over);
    lasts.set(deviceId, last);
    function over(): void {
      if (lasts.get(deviceId) === last) lasts.delete(deviceId);
    }
    const shared: Shared = { change, askedAt: now(), waiting, made };
    made.then(
      () => waiting.clear(),
      () => {
        if (held.get(name) === shared) held.delete(name);
      },
    );
    return shared;
  }

  return {
    async get(deviceId, query, change, ageMaxMs, gone, make) {
      // No device id has a space.
      const name = `${deviceId} ${query}`;
      const there = held.get(name);
      const isGood =
        there !== undefined &&
        (there.change === change || now() - there.askedAt <= ageMaxMs) &&
        (there.waiting.size === 0 || [...there.waiting].some((one) => !one.aborted));
      const shared = isGood ? there : begin(deviceId, name, change, make);
      if (!isGood || shared.waiting.size > 0) shared.waiting.add(gone);
      held.delete(name);
      held.set(name, shared);
      if (held.size > HELD_MAX) held.delete(held.keys().next().value!);
      const { text, tookMs } = await shared.made;
      return { text, tookMs, ageMs: now() - shared.askedAt };
    },
  };
}

interface Shared {
  readonly change: number;
  readonly askedAt: number;
  /** Those who wait for it; none once it is made. */
  readonly waiting: Set<AbortSignal>;
  readonly made: Promise<{ readonly text: string; readonly tookMs: number }>;
}
