/**
 * Link: whether the gateway can be reached, and when to try next.
 *
 * Owns the circuit that all batches under way share: after a failure one attempt at a time probes, after a wait that is
 * random up to twice the last bound (full jitter). Promises that an outage is never hammered and never given up on.
 * Never looks into a batch.
 */
import type { Outcome } from './outcome.ts';
import type { Timer } from './timer.ts';

export type LinkState = 'connecting' | 'online' | 'offline' | 'paused';

export interface LinkStatus {
  readonly state: LinkState;
  /** What was answered last, where that is not success. */
  readonly reason: string | null;
  /** When the state began, epoch milliseconds. */
  readonly since: number;
  /** When the next attempt may start, epoch milliseconds; null for at once. */
  readonly nextAttemptAt: number | null;
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

export function createLink(options: LinkOptions): Link {
  return new Circuit(options);
}

class Circuit implements Link {
  readonly #options: LinkOptions;
  readonly #waiting = new Set<() => void>();
  #status: LinkStatus;
  #failures = 0;
  #notBefore = 0;
  #lastChangeAt = 0;
  #probing = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#status = { state: 'connecting', reason: null, since: options.clock(), nextAttemptAt: null };
  }

  get status(): LinkStatus {
    return this.#status;
  }

  async pass(attempt: () => Promise<Outcome>, signal: AbortSignal): Promise<Outcome> {
    await this.#turn(signal);
    const probing = this.#status.state !== 'online';
    if (probing) this.#probing = true;
    const begun = this.#options.timer.now();
    try {
      const outcome = await attempt();
      // A failure that began before the last change says nothing about the link as it is now.
      if (outcome.kind !== 'failed' || begun >= this.#lastChangeAt || probing) this.#learn(outcome);
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

  /** Resolves when it is this caller's turn. The checks run anew after every wait, for another may have been first. */
  async #turn(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const waitMs = this.#notBefore - this.#options.timer.now();
      if (waitMs <= 0 && !(this.#status.state !== 'online' && this.#probing)) return;
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

  #learn(outcome: Outcome): void {
    if (outcome.kind === 'failed') this.#hold('offline', outcome.reason, this.#options.retryMaxMs);
    else if (outcome.kind === 'barred') this.#hold('paused', outcome.problem.code, this.#options.pauseMaxMs);
    else {
      this.#failures = 0;
      if (outcome.kind === 'wait') this.#enter('online', outcome.reason, outcome.waitMs);
      else this.#enter('online', null, 0);
    }
  }

  #hold(state: LinkState, reason: string, maxMs: number): void {
    const waitMs = this.#jitter(maxMs);
    this.#failures++;
    this.#enter(state, reason, waitMs);
  }

  /** Full jitter: uniform between nothing and a bound that doubles. */
  #jitter(maxMs: number): number {
    return this.#options.random() * Math.min(maxMs, this.#options.retryBaseMs * 2 ** Math.min(this.#failures, 40));
  }

  #enter(state: LinkState, reason: string | null, waitMs: number): void {
    const now = this.#options.clock();
    const before = this.#status;
    this.#lastChangeAt = this.#options.timer.now();
    this.#notBefore = waitMs > 0 ? this.#lastChangeAt + waitMs : 0;
    const since = before.state === state ? before.since : now;
    this.#status = { state, reason, since, nextAttemptAt: waitMs > 0 ? Math.round(now + waitMs) : null };
    if (before.state !== state || before.reason !== reason) this.#options.onChange(this.#status);
  }
}
