/**
 * Outcome: what one answer means for the batch that it answers (proto-spec/delivery.md, "What a device does").
 *
 * Owns the table from answers to outcomes. Promises that only an answer signed by the gateway for that very request can
 * release, split for good, quarantine or bar anything. Never acts: it only reads.
 */
import {
  HEADER,
  type Problem,
  parseAcknowledgement,
  parseProblem,
  parseSignatures,
  verifyAnswer,
} from '../codec/index.ts';
import type { TransportAnswer } from './transport.ts';

export type Outcome =
  /** Counted, now or before. */
  | { readonly kind: 'delivered'; readonly inserted: number; readonly duplicates: number }
  /** Too large as it is. Without a problem, the word of some proxy. */
  | { readonly kind: 'split'; readonly problem?: Problem }
  /** Will never be accepted as it is. */
  | { readonly kind: 'refused'; readonly problem: Problem }
  /** Some of its ids stand for other events at the gateway. */
  | { readonly kind: 'collision'; readonly ranges: readonly (readonly [first: number, last: number])[] }
  /** Our clock is off; this is the gateway's, epoch milliseconds. */
  | { readonly kind: 'skew'; readonly clock: number }
  /** The gateway cannot inflate this encoding; the problem says which it can. */
  | { readonly kind: 'encoding'; readonly problem: Problem }
  /** The gateway knows us and says no until someone changes something. */
  | { readonly kind: 'barred'; readonly problem: Problem }
  /** The gateway is there, but not now. */
  | { readonly kind: 'wait'; readonly waitMs: number; readonly code: string }
  /** Taken back before it left, though the gateway could be reached; nothing was sent. */
  | { readonly kind: 'unsent' }
  /** No answer that means anything: the link, a proxy, a captive portal, a gateway in trouble. It may ask for time. */
  | {
      readonly kind: 'failed';
      /** Stable: of the system, of undici, or one of ours such as `unsigned-502`. */
      readonly code: string;
      /** What else is known: the code of an unsigned problem, the message of an odd error. */
      readonly detail?: string;
      readonly waitMs?: number;
    };

/** What was sent, as far as reading the answer needs it. */
export interface Sent {
  readonly secret: Uint8Array;
  readonly signature: string;
  /** 32 hex digits. */
  readonly stream: string;
  readonly first: number;
  readonly count: number;
}

/** An unsigned `Retry-After` may come from anyone: it is a courtesy, within bounds. */
const UNSIGNED_WAIT_MAX_MS = 300_000;

const WAIT_DEFAULT_MS = 1_000;

/** Whoever asks for more has made a mistake: nobody would be there to take it back. */
const WAIT_MAX_MS = 86_400_000;

export function outcomeOf(sent: Sent, answer: TransportAnswer): Outcome {
  if (!isSigned(sent, answer)) return unsignedOutcome(answer);
  if (answer.status === 200) return acknowledgedOutcome(sent, answer);
  const problem = parseProblem(answer.body);
  if (!problem || problem.status !== answer.status) return failed('problem-unknown');
  return problemOutcome(problem);
}

function isSigned(sent: Sent, answer: TransportAnswer): boolean {
  const signatures = parseSignatures(single(answer, HEADER.signature));
  const timestamp = Number(single(answer, HEADER.timestamp));
  if (!signatures || !Number.isSafeInteger(timestamp)) return false;
  const head = { status: answer.status, requestSignature: sent.signature, timestamp };
  return verifyAnswer(sent.secret, head, answer.body, signatures);
}

function acknowledgedOutcome(sent: Sent, answer: TransportAnswer): Outcome {
  const said = parseAcknowledgement(answer.body);
  if (!said || said.stream !== sent.stream || said.first !== sent.first || said.count !== sent.count) {
    return failed('answer-other');
  }
  return { kind: 'delivered', inserted: said.inserted, duplicates: said.duplicates };
}

function problemOutcome(problem: Problem): Outcome {
  switch (problem.code) {
    case 'body-too-large':
    case 'batch-limit':
      return { kind: 'split', problem };
    case 'sequence-collision':
      if (!problem.collisions || problem.collisions.length === 0) return failed('problem-incomplete');
      return { kind: 'collision', ranges: problem.collisions };
    case 'clock-skew':
      return problem.clock === undefined ? failed('problem-incomplete') : { kind: 'skew', clock: problem.clock };
    case 'encoding-unsupported':
      return { kind: 'encoding', problem };
    // What the device has at the gateway has reached a bound there; the events of this batch are not at fault.
    case 'interval-limit':
    case 'stream-limit':
    case 'storage-limit':
    case 'key-unknown':
    case 'key-revoked':
    case 'token-invalid':
    case 'batch-version':
    case 'headers-invalid':
    case 'query-invalid':
      return { kind: 'barred', problem };
    case 'signature-mismatch':
      // The gateway has our secret, or this answer would not verify: the request was damaged on its way.
      return failed('request-damaged');
    case 'overloaded':
    case 'store-unavailable':
      return {
        kind: 'wait',
        waitMs: Math.min(problem.retryAfterMs ?? WAIT_DEFAULT_MS, WAIT_MAX_MS),
        code: problem.code,
      };
    default:
      return problem.status === 400 || problem.status === 422 ? { kind: 'refused', problem } : failed(problem.code);
  }
}

function unsignedOutcome(answer: TransportAnswer): Outcome {
  const { status } = answer;
  const code = `unsigned-${status}`;
  // A proxy with a smaller limit than the gateway's: a smaller batch may pass, and trying one costs nothing.
  if (status === 413) return { kind: 'split' };
  const waitMs = status === 429 || status === 503 ? retryAfterMs(answer) : undefined;
  // Whoever it was, a person may want to know what was said.
  const spoken = parseProblem(answer.body)?.code;
  return {
    kind: 'failed',
    code,
    ...(spoken !== undefined && { detail: spoken }),
    ...(waitMs !== undefined && { waitMs }),
  };
}

function retryAfterMs(answer: TransportAnswer): number | undefined {
  const seconds = single(answer, 'retry-after');
  if (seconds === undefined || !/^\d{1,9}$/.test(seconds)) return undefined;
  return Math.min(Number(seconds) * 1_000, UNSIGNED_WAIT_MAX_MS);
}

function single(answer: TransportAnswer, name: string): string | undefined {
  const value = answer.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function failed(code: string): Outcome {
  return { kind: 'failed', code };
}
