/**
 * Device: a durable queue, and the loop that drains it.
 *
 * Owns the surface that a program sees. Promises that `record()` and the drain share nothing but the disk and the event
 * loop, and that no fault of either ends the process. Never reads the environment or the command line.
 */
import type { EventEmitter } from 'node:events';
import type { DeclaredGap, FieldValue, TelemetryEvent } from '../codec/index.ts';
import type { AccountReport } from './account.ts';
import type { LinkStatus } from './link.ts';
import type { QuarantinedEvent } from './quarantine.ts';
import type { Mark, Receipt } from './recorder.ts';
import type { SessionCounters } from './session.ts';

export interface RecordOptions {
  /** What observed it. Default `default`. */
  readonly sensor?: string;
  /** When: epoch milliseconds or a Date. Default: the device's clock, as it is. */
  readonly at?: number | Date;
}

export type Fields = Readonly<Record<string, FieldValue | null | undefined>>;

export interface DeviceStatus extends AccountReport {
  readonly id: string;
  /** The gateway's address. */
  readonly gateway: string;
  readonly link: LinkStatus;
  /** True until what the last run left in the queue is summed; until then `queued` and `recorded` lack its sums. */
  readonly counting: boolean;
  readonly queueBytes: number;
  /** Batches under way. */
  readonly inFlight: number;
  readonly clockOffsetMs: number;
  /** Since the device was opened. */
  readonly session: SessionCounters;
}

export interface DeviceEvents {
  /** The link's state or its code changed. */
  link: [LinkStatus];
  /** A batch was acknowledged. */
  acknowledged: [{ readonly inserted: number; readonly duplicates: number }];
  quarantined: [readonly QuarantinedEvent[]];
  gap: [DeclaredGap];
  /** The disk, or the quota, refused something; the device goes on. */
  fault: [Error];
}

export interface Device extends EventEmitter<DeviceEvents> {
  readonly id: string;
  /** Resolves once the event is fsynced. Rejects with CodecError, DeviceError or StoreError where it is not stored. */
  record(fields: Fields, options?: RecordOptions): Promise<Receipt>;
  /** All of them in one commit, or none; with marks, stored in that commit too. Resolves with the first's receipt. */
  recordAll(events: readonly TelemetryEvent[], marks?: readonly Mark[]): Promise<Receipt>;
  /** Stores marks without events, once everything recorded before is on disk. */
  note(marks: readonly Mark[]): Promise<void>;
  /** The mark of that name as stored last. */
  mark(name: string): Promise<Uint8Array | undefined>;
  status(): DeviceStatus;
  /**
   * Resolves once everything recorded before is acknowledged or in quarantine, without lingering. Rejects with an
   * AbortError (`ABORT_ERR`) when the signal aborts or the device is closed before.
   */
  drain(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Ends the current wait after a failure: the program knows that the network is back. */
  probe(): void;
  /**
   * Signs with another key from now on, such as one that was rotated, and ends the current wait.
   * @throws DeviceError `options-invalid` where it is no credential
   */
  setCredential(credential: string): void;
  quarantine(): AsyncIterable<QuarantinedEvent>;
  /**
   * Has everything in quarantine sent again, each under its own id; resolves with how many events had not been asked
   * for before, once that is on disk. They stay in quarantine until the gateway has acknowledged them.
   */
  retryQuarantine(): Promise<number>;
  /** Stops sending at once, commits what is pending, closes the queue. What is queued stays there. */
  close(): Promise<void>;
}
