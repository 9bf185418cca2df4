/**
 * Exchange: one request and its answer.
 *
 * Owns the outgoing half of the way of an event: batch → compress → sign → post, and hands the answer to `outcomeOf`.
 * Promises a fresh timestamp and signature at every attempt, and that the network can only ever yield an `Outcome`.
 * Never retries.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  BATCH_MEDIA_TYPE,
  type ContentEncoding,
  type Credential,
  compressBody,
  type DeclaredGap,
  encodeBatch,
  formatSignatures,
  HEADER,
  type QueueState,
  signHead,
  signRequest,
} from '../codec/index.ts';
import type { GatewayClock } from './clock.ts';
import { Withdrawn } from './link.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import type { Transport } from './transport.ts';

/** One batch as it is to be sent. */
export interface Message {
  readonly stream: Uint8Array;
  readonly first: number;
  readonly count: number;
  readonly gaps: readonly DeclaredGap[];
  readonly columns: Uint8Array;
}

export interface ExchangeOptions {
  readonly deviceId: string;
  /** Asked at every attempt, for a key may be replaced. */
  readonly credential: () => Credential;
  readonly transport: Transport;
  readonly clock: GatewayClock;
  /** The device's account as of now. */
  readonly queueState: () => QueueState;
  readonly onSent: (bodyBytes: number) => void;
}

export interface Exchange {
  /**
   * `leave` is asked before anything is sent: it may have to put that on record first, and throws `Withdrawn` where
   * nothing is to be sent any more. Rejects with any other error of it.
   */
  attempt(
    message: Message,
    encoding: ContentEncoding,
    signal: AbortSignal,
    leave?: () => Promise<void> | undefined,
  ): Promise<Outcome>;
}

export function createExchange(options: ExchangeOptions): Exchange {
  const { deviceId, clock } = options;
  return {
    async attempt(message, encoding, signal, leave) {
      try {
        await options.transport.reach?.();
      } catch (error) {
        return signal.aborted ? { kind: 'unsent' } : failureOf(error);
      }
      try {
        const marking = leave?.();
        if (marking !== undefined) await marking;
      } catch (error) {
        if (error instanceof Withdrawn) return { kind: 'unsent' };
        throw error;
      }
      // failpoint: leave-granted
      const { columns, ...range } = message;
      const batch = encodeBatch({ ...range, sentAt: clock.timestamp(), queue: options.queueState() }, columns);
      // failpoint: batch-packed
      // Sensors have their turn before and after the longest piece of work on a batch.
      await nextTurn();
      const body = await compressBody(encoding, batch);
      await nextTurn();
      // failpoint: batch-compressed
      const { keyId, secret } = options.credential();
      const timestamp = clock.timestamp();
      const head = { deviceId, keyId, timestamp, contentEncoding: encoding };
      const signature = signRequest(secret, head, body);
      const headSignature = signHead(secret, { ...head, contentLength: body.length, requestSignature: signature });
      // failpoint: batch-signed
      const headers = {
        'content-type': BATCH_MEDIA_TYPE,
        'content-encoding': encoding,
        [HEADER.device]: deviceId,
        [HEADER.key]: keyId,
        [HEADER.timestamp]: String(timestamp),
        [HEADER.signature]: formatSignatures([signature]),
        [HEADER.headSignature]: formatSignatures([headSignature]),
      };
      const stream = Buffer.from(message.stream).toString('hex');
      const sent = { secret, signature, stream, first: message.first, count: message.count };
      options.onSent(body.length);
      try {
        const answer = await options.transport.post({ headers, body, signal });
        // failpoint: answer-received
        const outcome = outcomeOf(sent, answer);
        // failpoint: answer-verified
        return outcome;
      } catch (error) {
        return failureOf(error);
      }
    },
  };
}

function failureOf(error: unknown): Outcome {
  if (!(error instanceof Error)) return { kind: 'failed', code: 'unexpected', detail: String(error) };
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string'
    ? { kind: 'failed', code }
    : { kind: 'failed', code: 'unexpected', detail: error.message || error.name };
}
