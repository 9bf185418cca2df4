/**
 * Link: whether the gateway can be reached, and when to try next.
 *
 * Owns the circuit that all batches under way share: after a failure, or where the gateway is busy, one attempt at a
 * time probes, after a wait that is random up to twice the last bound (full jitter). Promises that an outage is never
 * hammered and never given up on, that only a signed answer ends it, and that no wait is shorter than the gateway asks
 * for. Never looks into a batch.
 */
import { reasonOf } from './explanation.ts';
import type { LinkState, LinkStatus } from './link-status.ts';
import type { Outcome } from './outcome.ts';
import { pause, type Timer } from './timer.ts';

export type { LinkState, LinkStatus };

/** What an outcome says about the link. */
interface Cause {
  readonly code: string;
  readonly detail?: string;
}

export interface LinkOptions {
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  readonly pauseMaxMs: number;
  readonly clock: () => number;
  readonly timer: Timer;
  readonly random: () => number;
  readonly onChange: (status: LinkStatus) => void;
}

export interface Link {
  readonly status: LinkStatus;
  /** Runs one attempt once the link lets it; several at once only while the link is up. Rejects only when aborted. */
  pass(attempt: () => Promise<Outcome>, signal: AbortSignal): Promise<Outcome>;
  /** Ends the current wait, for a program that knows that the network is back. */
  probe(): void;
}

/** Why an attempt was given up although the device goes on: what was to be sent is not to be any more. */
export class Withdrawn extends Error {}

export function createLink(options: LinkOptions): Link {
  return new Circuit(options);
}

class Circuit implements Link {
  readonly #options: LinkOptions;
  readonly #waiting = new Set<() => void>();
  #status: LinkStatus;
  /** In a row, with the times that the gateway said it was busy. */
  #failures = 0;
  #isBusy = false;
  /** The clock has been put right, and nothing was waited for since. */
  #isCorrected = false;
  #notBefore = 0;
  #lastChangeAt = 0;
  #probing = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#status = {
      ...{ state: 'connecting', code: null, reason: null, detail: null },
      ...{ since: options.clock(), nextAttemptAt: null },
    };
  }

  get status(): LinkStatus {
    return this.#status;
  }

  async pass(attempt: () => Promise<Outcome>, signal: AbortSignal): Promise<Outcome> {
    const probing = await this.#turn(signal);
    const { timer, retryBaseMs, random } = this.#options;
    const begun = timer.now();
    try {
      const outcome = await attempt();
      // What was cut off by closing says nothing; what was taken back has learnt whether the gateway can be reached.
      if (!(signal.reason instanceof Withdrawn)) signal.throwIfAborted();
      const isNews = probing || begun >= this.#lastChangeAt;
      if (!this.#learn(outcome, isNews)) await pause(timer, random() * retryBaseMs, signal);
      return outcome;
    } finally {
      if (probing) this.#probing = false;
      this.#wake();
    }
  }

  probe(): void {
    this.#notBefore = 0;
    this.#wake();
  }

  /**
   * Resolves when it is this caller's turn, with whether it probes. The checks run anew after every wait, and the turn
   * is taken with the last of them, for another may have been first.
   */
  async #turn(signal: AbortSignal): Promise<boolean> {
    for (;;) {
      signal.throwIfAborted();
      const waitMs = this.#notBefore - this.#options.timer.now();
      const probing = this.#isBusy || this.#status.state !== 'online';
      if (waitMs <= 0 && !(probing && this.#probing)) {
        if (probing) this.#probing = true;
        return probing;
      }
      await this.#sleep(waitMs > 0 ? waitMs : undefined, signal);
    }
  }

  #sleep(waitMs: number | undefined, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel?.();
        signal.removeEventListener('abort', done);
        this.#waiting.delete(done);
        resolve();
      };
      const cancel = waitMs === undefined ? undefined : this.#options.timer.after(waitMs, done);
      signal.addEventListener('abort', done, { once: true });
      this.#waiting.add(done);
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  /**
   * False where the attempt failed but began before the link was last heard of: that is the attempt's own affair, and
   * it waits a little by itself.
   */
  #learn(outcome: Outcome, isNews: boolean): boolean {
    const { retryMaxMs, pauseMaxMs } = this.#options;
    if (outcome.kind === 'failed' || outcome.kind === 'barred' || (outcome.kind === 'split' && !outcome.problem)) {
      if (!isNews) return false;
      if (outcome.kind === 'barred') this.#hold('paused', outcome.problem, this.#jitter(pauseMaxMs));
      else if (outcome.kind === 'split') this.#hold('offline', { code: 'unsigned-413' }, this.#jitter(retryMaxMs));
      else this.#hold('offline', outcome, Math.max(this.#jitter(retryMaxMs), outcome.waitMs ?? 0));
      return true;
    }
    if (outcome.kind === 'unsent') return true;
    if (outcome.kind === 'wait') {
      this.#beBusy(outcome, isNews);
      return true;
    }
    if (outcome.kind === 'skew') {
      // Gateways that do not agree on the time would otherwise be asked in turn, without end and without a wait, which
      // grows. Behind a wait it is believed again: a clock that stands still is off by as much as that.
      if (!isNews) return true;
      if (this.#isCorrected) {
        this.#hold('offline', { code: 'clock-skew' }, this.#jitter(retryMaxMs));
        return true;
      }
      this.#isCorrected = true;
    } else {
      this.#failures = 0;
      this.#isBusy = false;
      this.#isCorrected = false;
    }
    // An older success does not end a wait that the gateway has asked for since.
    if (isNews || this.#status.state !== 'online') this.#enter('online', null, 0);
    return true;
  }

  /** A gateway that is busy for hours is not sent a window of batches every few seconds: a metered link costs. */
  #beBusy({ code, waitMs }: Extract<Outcome, { kind: 'wait' }>, isNews: boolean): void {
    const { timer, retryMaxMs } = this.#options;
    this.#isBusy = true;
    if (isNews) this.#hold('online', { code }, Math.max(waitMs, this.#jitter(retryMaxMs)));
    // One that was asked before the others knew does not end their wait, nor count once more.
    else this.#enter('online', { code }, Math.max(waitMs, this.#notBefore - timer.now()));
  }

  #hold(state: LinkState, cause: Cause, waitMs: number): void {
    this.#failures++;
    this.#enter(state, cause, waitMs);
  }

  /** Full jitter: uniform between nothing and a bound that doubles. */
  #jitter(maxMs: number): number {
    return this.#options.random() * Math.min(maxMs, this.#options.retryBaseMs * 2 ** Math.min(this.#failures, 40));
  }

  #enter(state: LinkState, cause: Cause | null, waitMs: number): void {
    const now = this.#options.clock();
    const before = this.#status;
    this.#lastChangeAt = this.#options.timer.now();
    if (waitMs > 0) this.#isCorrected = false;
    this.#notBefore = waitMs > 0 ? this.#lastChangeAt + waitMs : 0;
    const since = before.state === state ? before.since : now;
    const { code, detail } = cause ?? {};
    this.#status = {
      state,
      code: code ?? null,
      reason: code === undefined ? null : reasonOf(code, detail, now),
      detail: detail ?? null,
      since,
      nextAttemptAt: waitMs > 0 ? Math.round(now + waitMs) : null,
    };
    if (before.state !== state || before.code !== this.#status.code) this.#options.onChange(this.#status);
  }
}
