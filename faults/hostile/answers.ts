/**
 * Answers: what a device may be told, by anyone, and by somebody who has the right key.
 *
 * Owns answers that are almost right, and what must hold of each: nothing that is not signed for the very request does
 * more than make a device wait, and what is signed is within what the specification allows. Promises signatures of its
 * own making.
 */
import { createHmac } from 'node:crypto';
import { HEADER, INTEGER_MAX, PROBLEM_STATUS, type ProblemCode } from '../../src/codec/index.ts';
import { createGatewayClock } from '../../src/device/clock.ts';
import { type Outcome, outcomeOf, type Sent } from '../../src/device/outcome.ts';
import type { TransportAnswer } from '../../src/device/transport.ts';
import type { Dice } from './dice.ts';
import type { Gauge } from './gauge.ts';
import { Breach, hexOf, type Kind } from './kind.ts';
import { mutated } from './mutation.ts';

export const ANSWERS = 'answers to a device, signed and not';

const SECRET = Buffer.alloc(32, 7);
const SENT: Sent = { secret: SECRET, signature: 'ab'.repeat(32), stream: '5a'.repeat(16), first: 11, count: 4 };
const CODES = Object.keys(PROBLEM_STATUS) as ProblemCode[];
const WAIT_MAX_MS = 86_400_000;

/** What an answer that nobody has signed may come to. */
const HARMLESS: ReadonlySet<Outcome['kind']> = new Set(['failed', 'split']);

export interface HostileAnswer extends TransportAnswer {
  readonly isSigned: boolean;
}

export function answerKinds(gauge: Gauge): Kind[] {
  return [
    {
      name: ANSWERS,
      share: 8_000,
      strike(dice) {
        const answer = hostileAnswer(dice, SENT);
        try {
          const outcome = gauge.time(ANSWERS, () => outcomeOf(SENT, answer));
          assertOutcome(outcome, answer);
          return { isRefused: HARMLESS.has(outcome.kind) };
        } catch (error) {
          throw new Breach(
            `${String(error)}; ${answer.status} ${JSON.stringify(answer.headers)} ${hexOf(answer.body)}`,
          );
        }
      },
    },
  ];
}

function assertOutcome(outcome: Outcome, { isSigned, body }: HostileAnswer): void {
  if (!isSigned) {
    if (!HARMLESS.has(outcome.kind)) throw new Breach(`an unsigned answer is taken for ${outcome.kind}`);
    if (outcome.kind === 'split' && outcome.problem !== undefined) throw new Breach('an unsigned split is final');
  }
  if ('waitMs' in outcome && !(outcome.waitMs! >= 0 && outcome.waitMs! <= WAIT_MAX_MS)) {
    throw new Breach(`a wait of ${outcome.waitMs} ms`);
  }
  if (outcome.kind === 'skew') {
    const clock = createGatewayClock(Date.now);
    clock.correct(outcome.clock);
    if (Math.abs(clock.timestamp()) > INTEGER_MAX + 60_000) throw new Breach(`a clock of ${outcome.clock}`);
  }
  if (outcome.kind === 'delivered') {
    const { stream, first, count } = JSON.parse(Buffer.from(body).toString()) as Record<string, unknown>;
    if (stream !== SENT.stream || first !== SENT.first || count !== SENT.count)
      throw new Breach('delivered something else');
  }
}

/** An answer to what was sent; one in two is signed as only the gateway could. Never the due acknowledgement. */
export function hostileAnswer(dice: Dice, sent: Sent): HostileAnswer {
  const said = sayings(dice, sent);
  const status = dice.chance(0.8) ? said.status : dice.pick([100, 200, 204, 302, 400, 401, 409, 413, 429, 503, 599]);
  const plain = Buffer.from(typeof said.body === 'string' ? said.body : JSON.stringify(said.body));
  const body = dice.chance(0.3) ? mutated(plain, dice, [plain]) : plain;
  const headers: Record<string, string | string[]> = {};
  if (dice.chance(0.3)) headers['retry-after'] = dice.pick(['0', '1', '-1', '999999999', '99999999999', 'soon', '1.5']);
  const isSigned = dice.chance(0.5) && !isDue(body, status, sent);
  const timestamp = isSigned
    ? dice.pick([0, -1, Date.now(), Number.MAX_SAFE_INTEGER])
    : dice.pick(['', 'now', 1e300, 0]);
  const signature = macOf(sent, status, timestamp, body);
  if (isSigned || dice.chance(0.7)) headers[HEADER.timestamp] = String(timestamp);
  if (isSigned) headers[HEADER.signature] = `v1=${signature}`;
  else if (dice.chance(0.7)) headers[HEADER.signature] = wrongSignature(dice, signature);
  return { status, headers, body, isSigned };
}

function isDue(body: Uint8Array, status: number, sent: Sent): boolean {
  if (status !== 200) return false;
  try {
    const { stream, first, count } = JSON.parse(Buffer.from(body).toString()) as Record<string, unknown>;
    return stream === sent.stream && first === sent.first && count === sent.count;
  } catch {
    return false;
  }
}

function macOf({ secret, signature }: Sent, status: number, timestamp: number | string, body: Uint8Array): string {
  const head = `tidegate-answer-v1\n${status}\n${signature}\n${timestamp}\n`;
  return createHmac('sha256', secret).update(head).update(body).digest('hex');
}

function wrongSignature(dice: Dice, right: string): string | string[] {
  const flipped = `${right[0] === '0' ? '1' : '0'}${right.slice(1)}`;
  return dice.pick<string | string[]>([
    ...['', 'v1=', right, `v2=${right}`, `v1=${right.toUpperCase()}x`, `v1=${right.slice(1)}`, `v1=${flipped}`],
    `${`v1=${flipped},`.repeat(5)}v1=${right}`,
    [`v1=${right}`, `v1=${flipped}`],
    `v1=${flipped}, `.repeat(200),
  ]);
}

const ABSURD: readonly unknown[] = [
  ...[0, -1, 1.5, 2 ** 52, 2 ** 53, 1e300, -1e300, null, true, '', '1', [], {}, [[]], [[2, 1]], [[1, 2 ** 53]]],
  { toString: null },
];

function sayings(dice: Dice, sent: Sent): { readonly status: number; readonly body: unknown } {
  const absurd = (): unknown => dice.pick(ABSURD);
  const { stream, first, count } = sent;
  switch (dice.below(4)) {
    case 0: {
      const said: Record<string, unknown> = { stream, first, count, inserted: count, duplicates: 0 };
      said[dice.pick(['stream', 'first', 'count', 'inserted', 'duplicates'])] = absurd();
      return { status: 200, body: said };
    }
    case 1:
    case 2: {
      const code = dice.pick(CODES);
      const problem: Record<string, unknown> = { code, status: PROBLEM_STATUS[code] };
      for (const member of ['clock', 'retryAfterMs', 'eventsMax', 'bodyBytesMax', 'collisions', 'acceptEncoding']) {
        if (dice.chance(0.3)) problem[member] = absurd();
      }
      if (code === 'sequence-collision')
        problem['collisions'] = dice.pick([[[first, first]], [[1, 2 ** 53 - 1]], [[5, 4]]]);
      if (dice.chance(0.1)) problem[dice.pick(['code', 'status', 'detail', 'type'])] = absurd();
      return { status: PROBLEM_STATUS[code], body: problem };
    }
    default:
      return {
        status: dice.pick([200, 302, 400, 403, 511]),
        body: dice.pick([
          ...['<html>Welcome</html>', '', 'null', '[]', '"text"', '{', '{"__proto__":{"code":"internal"}}'],
          `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
          `{"code":"${'x'.repeat(60_000)}"}`,
        ]),
      };
  }
}
