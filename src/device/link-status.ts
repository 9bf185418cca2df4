/** What is known about the way to the gateway, for programs (`code`) and for people (`reason`). */

export type LinkState = 'connecting' | 'online' | 'offline' | 'paused';

export interface LinkStatus {
  readonly state: LinkState;
  /**
   * Why the last attempt was no success; null where it was one. Stable: a code of the system (`ECONNREFUSED`), of
   * undici, of a problem (`key-revoked`), or `unsigned-<status>` for an answer that the gateway did not sign.
   */
  readonly code: string | null;
  /** The same in a few words for a person: `connection refused`. */
  readonly reason: string | null;
  /** What else is known: of an unsigned answer the code that it gave, of an error without a code its message. */
  readonly detail: string | null;
  /** When the state began, epoch milliseconds. */
  readonly since: number;
  /** When the next attempt may start, epoch milliseconds; null for at once. */
  readonly nextAttemptAt: number | null;
}
