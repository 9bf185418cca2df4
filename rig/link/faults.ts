/**
 * Faults: everything that the link between device and gateway may do to a request.
 *
 * Owns their names and what each of them does, as one short function over a passage. Promises that a fault touches its
 * own request only, save for outages. Never chooses when it strikes.
 */
import { withBitTurned } from './bits.ts';
import type { Answer, Passage } from './passage.ts';

export interface FaultTools {
  readonly passage: Passage;
  /** A gateway that has other keys for the same devices. */
  readonly stranger: URL | undefined;
  /** Uniform in [0, 1), for choices within a fault. */
  readonly random: () => number;
  /** Resolves after a random time up to the longest delay. */
  readonly pause: () => Promise<void>;
  /** Nothing gets through from now on, for a while. */
  readonly outage: (kind: OutageKind) => void;
  /** Resolves when a few later requests have been answered, or the link has healed. */
  readonly later: () => Promise<void>;
  /** Resolves when the link has healed. */
  readonly healed: () => Promise<void>;
  /** The last success that the gateway has answered another request with. */
  readonly earlier: () => Answer | undefined;
}

/** Connections are reset at once, or packets vanish and the connections are found dead at the end. */
export type OutageKind = 'reset' | 'silence';

type Fault = (tools: FaultTools) => Promise<void> | void;

/** No clock of any device or gateway here comes near it. */
export const FORGED_CLOCK = Date.UTC(2600, 0, 1);

const html = (text: string): string => `<!doctype html><title>${text}</title><h1>${text}</h1>`;

/** Those that answer in the gateway's place cannot sign: that is how a device tells. */
const FAULTS = {
  /** Before the body has been read. */
  'reset-before': ({ passage }) => passage.reset(),
  /** The gateway gets half a body. */
  'reset-during': async ({ passage }) => {
    await passage.forwardHalf();
    passage.reset();
  },
  /** All of the request has been taken, and none of it passed on. */
  'reset-after': async ({ passage }) => {
    await passage.receive();
    passage.reset();
  },
  /** The gateway has committed; half of its answer arrives, or less. */
  'reset-answer': async ({ passage }) => {
    await passage.answerHalf(await passage.forward());
    passage.reset();
  },
  /** The gateway has committed; the device sees the connection close without a word. */
  'drop-answer': async ({ passage }) => {
    await passage.forward();
    passage.hangUp();
  },
  /** The gateway has committed; its answer ends too early, in good order. */
  'truncate-answer': async ({ passage }) => {
    await passage.answerHalf(await passage.forward());
    passage.hangUp();
  },
  delay: async ({ passage, pause }) => {
    await passage.receive();
    await pause();
    passage.answer(await passage.forward());
  },
  /** Nothing comes back, and nothing tells so: what forwarded this connection has forgotten it. */
  'half-open-request': async ({ passage, healed }) => {
    await passage.receive();
    await Promise.race([passage.over(), healed()]);
    passage.reset();
  },
  /** The same, after the gateway has committed. */
  'half-open-answer': async ({ passage, healed }) => {
    await passage.forward();
    await Promise.race([passage.over(), healed()]);
    passage.reset();
  },
  /** The same on the gateway's side: half a body is there, and the rest will never come. */
  'half-open-gateway': async ({ passage, healed }) => {
    const stalled = passage.forwardHalf(healed());
    await passage.receive();
    passage.reset();
    await stalled;
  },
  /** One bit of the request's body is turned. */
  'corrupt-request': async ({ passage, random }) => {
    await passage.damage(random);
    passage.answer(await passage.forward());
  },
  /** One bit of its head: the line, a name, a value, the line ends. */
  'corrupt-request-head': ({ passage, random }) => passage.forwardDamaged(random),
  /** One bit of the answer's body is turned. */
  'corrupt-answer': async ({ passage, random }) => {
    const answer = await passage.forward();
    passage.answer({ ...answer, body: withBitTurned(answer.body, random) });
  },
  'corrupt-answer-head': async ({ passage, random }) => {
    passage.answerDamaged(await passage.forward(), random);
  },
  /** Two copies race. */
  'twice-at-once': async ({ passage, random }) => {
    const answers = await Promise.all([passage.forward(), passage.forward()]);
    passage.answer(answers[random() < 0.5 ? 0 : 1]);
  },
  /** The copy follows when the first has been answered; the answer to the copy is the one that is passed on. */
  'twice-in-turn': async ({ passage }) => {
    await passage.forward();
    passage.answer(await passage.forward());
  },
  /** The first is answered; the copy turns up behind later requests, and nobody hears its answer. */
  'late-copy': async ({ passage, later }) => {
    passage.answer(await passage.forward());
    await passage.over();
    await later();
    await passage.forward();
  },
  /** The client sees a reset and sends again, and then what it had given up turns up all the same. */
  'late-original': async ({ passage, later }) => {
    await passage.receive();
    passage.reset();
    await later();
    await passage.forward();
  },
  /** The gateway's own signed success, which was for another request. */
  'replay-answer': async ({ passage, earlier }) => {
    await passage.receive();
    const answer = earlier();
    if (answer) passage.answer(answer);
    else passage.reset();
  },
  /** Another gateway, which signs with another key. */
  stranger: async ({ passage, stranger }) => {
    passage.answer(await passage.forward(stranger));
  },
  'answer-400': instead(400, 'text/plain', 'Bad Request'),
  'answer-401': instead(401, 'text/plain', 'Unauthorized', 'www-authenticate', 'Basic realm="proxy"'),
  'answer-408': instead(408, 'text/plain', 'Request Timeout'),
  'answer-413': instead(413, 'text/html', html('413 Request Entity Too Large')),
  'answer-429': instead(429, 'text/plain', 'Too Many Requests'),
  'answer-429-retry-after': instead(429, 'text/plain', 'Too Many Requests', 'retry-after', '1'),
  'answer-500': instead(500, 'text/plain', 'Internal Server Error'),
  'answer-500-retry-after': instead(500, 'text/plain', 'Internal Server Error', 'retry-after', '1'),
  'answer-502': instead(502, 'text/html', html('502 Bad Gateway')),
  'answer-502-retry-after': instead(502, 'text/html', html('502 Bad Gateway'), 'retry-after', '1'),
  'answer-503': instead(503, 'text/html', html('503 Service Unavailable')),
  'answer-503-retry-after': instead(503, 'text/plain', 'Back in a second', 'retry-after', '1'),
  /** Word for word what a gateway says, under a signature that is none. */
  'forged-200': forged(200, { stream: '00'.repeat(16), first: 1, count: 1, inserted: 1, duplicates: 0 }),
  'forged-400': forged(400, { code: 'batch-malformed' }),
  'forged-clock': forged(401, { code: 'clock-skew', clock: FORGED_CLOCK }),
  'forged-409': forged(409, { code: 'sequence-collision', collisions: [[1, 2 ** 53 - 1]] }),
  'portal-200': instead(200, 'text/html', html('Welcome to our guest network')),
  'portal-302': instead(302, 'text/html', html('Found'), 'location', 'http://login.portal.invalid/'),
  'portal-511': instead(511, 'text/html', html('Network Authentication Required')),
  'outage-reset': ({ outage }) => outage('reset'),
  'outage-silence': ({ outage }) => outage('silence'),
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

/** Does to the request what the fault is about; `none` passes it on. Rejects where a connection breaks by itself. */
export async function commit(fault: FaultName | 'none', tools: FaultTools): Promise<void> {
  const { passage } = tools;
  if (fault === 'none') passage.answer(await passage.forward());
  else await FAULTS[fault](tools);
}

/** An answer that the gateway never hears of. The request is read first, so that the connection stays in step. */
function instead(status: number, mediaType: string, text: string, ...headers: string[]): Fault {
  const answer: Answer = { status, headers: ['content-type', mediaType, ...headers], body: Buffer.from(text) };
  return async ({ passage }) => {
    await passage.receive();
    passage.answer(answer);
  };
}

function forged(status: number, body: object): Fault {
  const signature = ['x-key-id', 'k1', 'x-timestamp', String(FORGED_CLOCK), 'x-signature', `v1=${'5a'.repeat(32)}`];
  return instead(status, 'application/problem+json', JSON.stringify({ status, ...body }), ...signature);
}
