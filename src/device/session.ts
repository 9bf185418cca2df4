/**
 * Session: what has happened since the device was opened, in numbers.
 *
 * Owns the counters that `status()` shows. Promises nothing across restarts: what must last is in the account.
 */
export interface SessionCounters {
  readonly requests: number;
  readonly bodyBytes: number;
  readonly retries: number;
  /** Events that acknowledgements called new, and known already. */
  readonly inserted: number;
  readonly duplicates: number;
  readonly lastAcknowledgedAt: number | null;
}

export interface Session {
  readonly counters: SessionCounters;
  sent(bodyBytes: number): void;
  retried(): void;
  acknowledged(inserted: number, duplicates: number): void;
}

export function createSession(clock: () => number): Session {
  const counters = { requests: 0, bodyBytes: 0, retries: 0, inserted: 0, duplicates: 0 };
  let lastAcknowledgedAt: number | null = null;
  return {
    get counters() {
      return { ...counters, lastAcknowledgedAt };
    },
    sent(bodyBytes) {
      counters.requests += 1;
      counters.bodyBytes += bodyBytes;
    },
    retried() {
      counters.retries += 1;
    },
    acknowledged(inserted, duplicates) {
      counters.inserted += inserted;
      counters.duplicates += duplicates;
      lastAcknowledgedAt = clock();
    },
  };
}
