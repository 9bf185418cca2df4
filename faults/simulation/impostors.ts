/**
 * Impostors: answers of those who are not the gateway, or not the one that this device knows.
 *
 * Owns what they say: whatever would do harm if it were believed. Promises that none of it is signed with the device's
 * key for the request that it answers.
 */
import { encodeAnswer, formatSignatures, HEADER, problemOf, signAnswer } from '../../src/codec/index.ts';
import type { TransportAnswer, TransportRequest } from '../../src/device/index.ts';
import type { Claim } from './claim.ts';

type Headers = TransportAnswer['headers'];

const PAGE = Buffer.from('<!doctype html><h1>Welcome to our network</h1>');

/** What some box on the way answers. */
export function impostorAnswer(claim: Claim, random: () => number): TransportAnswer {
  const { first, count } = claim;
  const refusals = ['body-corrupt', 'batch-column', 'sensor-limit', 'key-revoked', 'clock-skew'] as const;
  const answers: (() => TransportAnswer)[] = [
    () => unsigned(200, PAGE, { 'content-type': 'text/html' }),
    () => unsigned(200, encodeAnswer({ stream: claim.stream, first, count, inserted: count, duplicates: 0 })),
    () => {
      const problem = problemOf(refusals[Math.floor(random() * refusals.length)]!, 'says who?', { clock: 0 });
      return unsigned(problem.status, encodeAnswer(problem));
    },
    () => unsigned(409, encodeAnswer(problemOf('sequence-collision', 'no', { collisions: [[first, first + count]] }))),
    () => unsigned(413, encodeAnswer(problemOf('batch-limit', 'no', { eventsMax: 1 }))),
    () => unsigned(429, PAGE, { 'retry-after': String(Math.floor(random() * 1_000)) }),
    () => unsigned(503, PAGE, { 'retry-after': String(Math.floor(random() * 100)) }),
    () =>
      unsigned([302, 404, 500, 502, 504, 511][Math.floor(random() * 6)]!, PAGE, { location: 'http://portal.invalid' }),
  ];
  return answers[Math.floor(random() * answers.length)]!();
}

/** What a gateway answers that has the wrong key for this device. */
export function strangerAnswer(claim: Claim, request: TransportRequest, clock: number): TransportAnswer {
  const { stream, first, count } = claim;
  const body = encodeAnswer({ stream, first, count, inserted: count, duplicates: 0 });
  return signed(request, Buffer.alloc(32, 0xee), { status: 200, body, clock });
}

/** An answer signed with a secret. */
export function signed(
  { headers }: Pick<TransportRequest, 'headers'>,
  secret: Uint8Array,
  { status, body, clock }: { readonly status: number; readonly body: Uint8Array; readonly clock: number },
): TransportAnswer {
  const requestSignature = headers[HEADER.signature]!.slice('v1='.length);
  const signature = signAnswer(secret, { status, requestSignature, timestamp: clock }, body);
  return unsigned(status, body, {
    [HEADER.timestamp]: String(clock),
    [HEADER.signature]: formatSignatures([signature]),
  });
}

function unsigned(status: number, body: Uint8Array, headers: Headers = {}): TransportAnswer {
  return { status, body, headers };
}
