/**
 * Patience: how often a device may ask a gateway that it does not hear.
 *
 * Owns the bound. A wait after a failure is random up to a cap, so in a time so many times as long as the mean wait a
 * device asks about as many times; promises that a breach is no chance, with six standard deviations to spare. Never
 * counts a wait that a gateway has asked for as too long.
 */
import type { TransportAnswer } from '../../src/device/index.ts';
import type { Time } from './time.ts';

export interface PatienceOptions {
  readonly time: Time;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  readonly inFlightMax: number;
  breach(what: string): void;
}

export interface Patience {
  /** A request was sent. */
  asked(): void;
  /** An answer of the gateway's came back whole. */
  heard(answer: TransportAnswer): void;
  /** The program asked for an attempt at once. */
  probed(): void;
}

export function createPatience(options: PatienceOptions): Patience {
  const { time, retryBaseMs, retryMaxMs, inFlightMax, breach } = options;
  const ramp = Math.max(0, Math.ceil(Math.log2(retryMaxMs / retryBaseMs))) + 2;
  let since = 0;
  let asked = 0;
  let probed = 0;
  let corrected = 0;
  const begin = (): void => {
    since = time.now;
    [asked, probed, corrected] = [0, 0, 0];
  };
  begin();
  return {
    asked() {
      asked += 1;
      const mean = (time.now - since) / (retryMaxMs / 2);
      const waits = ramp + mean + 6 * Math.sqrt(mean + 1);
      // A clock that was put right is tried at once, by all that are under way, and then there is a wait again.
      const atOnce = Math.min(corrected, (inFlightMax + 1) * (waits + 1));
      const most = 2 * inFlightMax + waits + atOnce + probed;
      if (asked > most) breach(`asks ${asked} times in ${Math.round(time.now - since)} ms without an answer`);
    },
    heard({ status }) {
      // A device that is not let in, or not yet, waits like one that hears nothing.
      if (![401, 403, 429, 500, 503].includes(status)) begin();
      else if (status === 401) corrected += 1;
    },
    probed() {
      probed += 1;
    },
  };
}
