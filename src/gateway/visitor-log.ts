/**
 * VisitorLog: who comes to a gateway, and who is turned away.
 *
 * Owns these lines of the log, one each: the first batch of a device since the start, and refusals, with their
 * throttle. Promises that no client floods the log: of a device and code a line a minute with how often it happened
 * meanwhile, strangers count as one, and there is a bound on all of them together. Never says what a client has sent,
 * but for ids that the gateway knows.
 */
import { performance } from 'node:perf_hooks';
import type { FastifyBaseLogger } from 'fastify';
import { printable } from '../cli/index.ts';
import type { GatewayError } from './errors.ts';

export interface Visitor {
  /** Of a device that has a key here; undefined for whoever only says so. */
  readonly deviceId?: string | undefined;
  readonly address: string | undefined;
}

export interface VisitorLog {
  accepted(visitor: Visitor & { readonly deviceId: string }): void;
  refused(visitor: Visitor, error: Pick<GatewayError, 'code' | 'message'>): void;
}

export interface VisitorLogOptions {
  readonly logger: Pick<FastifyBaseLogger, 'info' | 'warn'>;
  /** Milliseconds that only go forward. */
  readonly clock?: () => number;
}

/** How long a refusal keeps its like from being said. */
const EVERY_MS = 60_000;

/** Lines in that time, whoever causes them: a page of a terminal or two. */
const LINES_MAX = 100;

export function createVisitorLog({ logger, clock = () => performance.now() }: VisitorLogOptions): VisitorLog {
  const known = new Set<string>();
  /** Of this minute: how often by device and code. At most as many as there are lines. */
  let refusals = new Map<string, number>();
  /** Of the minute before, with which a line says how often there was no other. */
  let before = new Map<string, number>();
  let unsaid = 0;
  let begunAt = clock();

  function beginMinute(): void {
    const minutes = Math.floor((clock() - begunAt) / EVERY_MS);
    if (minutes === 0) return;
    if (unsaid > 0)
      logger.warn({ code: 'refusals-unsaid', times: unsaid }, 'more refusals than were logged one by one');
    begunAt += minutes * EVERY_MS;
    before = minutes === 1 ? refusals : new Map();
    refusals = new Map();
    unsaid = 0;
  }

  return {
    accepted({ deviceId, address }) {
      if (known.has(deviceId)) return;
      known.add(deviceId);
      logger.info({ device: deviceId, address }, 'first batch of a device since the start');
    },

    refused({ deviceId, address }, { code, message }) {
      beginMinute();
      // No id has a space in it.
      const name = `${deviceId ?? ''} ${code}`;
      const times = refusals.get(name);
      if (times !== undefined) {
        refusals.set(name, times + 1);
        return;
      }
      if (refusals.size >= LINES_MAX) {
        unsaid++;
        return;
      }
      refusals.set(name, 1);
      const timesBefore = before.get(name);
      const said = {
        code,
        device: deviceId,
        address,
        ...(timesBefore !== undefined && { timesInMinuteBefore: timesBefore }),
      };
      logger.warn(said, `refused: ${printable(message)}`);
    },
  };
}
