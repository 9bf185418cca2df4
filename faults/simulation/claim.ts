/**
 * Claim: what one request says, and what its answer may do (promises 2 to 4).
 *
 * Owns the law of the wire: nothing is sent that is not on disk; nothing is acknowledged that does not count; and what
 * a device may do with an answer follows from that answer alone. Promises to read each request once.
 */
import { HEADER, parseAcknowledgement, parseProblem } from '../../src/codec/index.ts';
import type { TransportAnswer, TransportRequest } from '../../src/device/index.ts';
import { envelopeOf } from './body.ts';
import type { Books } from './books.ts';
import type { Custody } from './custody.ts';
import type { Fact } from './facts.ts';

export interface Claim {
  readonly deviceId: string;
  readonly stream: string;
  readonly first: number;
  readonly count: number;
  readonly facts: readonly Fact[];
  /** First sequences of the gaps that it declares. */
  readonly gaps: readonly number[];
}

/** Reads a request as it leaves the device; what the events in it are shows when they are counted. */
export function claimOf({ headers, body }: TransportRequest, custody: Custody, breach: (what: string) => void): Claim {
  const { stream, first, count, gaps } = envelopeOf(headers['content-encoding']!, body);
  const facts: Fact[] = [];
  for (let sequence = first; sequence < first + count; sequence++) {
    const fact = custody.kept(sequence);
    if (fact === undefined) breach(`${sequence} was sent, and is not on disk`);
    else facts.push(fact);
  }
  return {
    ...{ first, count, facts, stream: Buffer.from(stream).toString('hex'), deviceId: headers[HEADER.device]! },
    gaps: gaps.map(([from]) => from),
  };
}

/** Judges what the gateway itself has answered, in the moment in which it does. */
export function judgeAnswer(
  { deviceId, stream, first, facts, gaps }: Claim,
  answer: TransportAnswer,
  books: Books,
  breach: (what: string) => void,
): void {
  if (answer.status !== 200) return;
  facts.forEach((fact, i) => {
    if (books.counted(deviceId, stream, first + i) === fact) return;
    breach(`event ${fact.serial} was acknowledged as ${deviceId}/${stream}/${first + i}, and does not count so`);
  });
  for (const gap of gaps) {
    if (!books.isDeclared(deviceId, stream, gap))
      breach(`the gap at ${gap} was acknowledged, and is not in the ledger`);
  }
}

/** Tells the custodian what the device may do now that it has heard this very answer of the gateway's. */
export function hear({ first, count, gaps }: Claim, { status, body }: TransportAnswer, custody: Custody): void {
  if (status === 200 && parseAcknowledgement(body) !== undefined) custody.acknowledged(first, count, gaps);
  const problem = parseProblem(body);
  if (problem === undefined || count !== 1) return;
  if ([400, 413, 422].includes(problem.status) && problem.code !== 'headers-invalid') custody.refused(first);
}
