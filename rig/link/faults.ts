/**
 * Faults: everything that the link between device and gateway may do to a request.
 *
 * Owns their names and what each of them does, as one short function over a passage. Promises that a fault touches its
 * own request only, save for outages. Never chooses when it strikes.
 */
import type { Answer, Passage } from './passage.ts';

export interface FaultTools {
  readonly passage: Passage;
  /** Uniform in [0, 1), for choices within a fault. */
  readonly random: () => number;
  /** Resolves after a random time up to the longest delay. */
  readonly pause: () => Promise<void>;
  /** Nothing gets through from now on, for a while. */
  readonly outage: (kind: OutageKind) => void;
}

/** Connections are reset at once, or packets vanish and the connections are found dead at the end. */
export type OutageKind = 'reset' | 'silence';

type Fault = (tools: FaultTools) => Promise<void> | void;

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
  /** One bit of the request's body is turned. */
  'corrupt-request': async ({ passage }) => {
    await passage.damage();
    passage.answer(await passage.forward());
  },
  /** One bit of the answer's body is turned. */
  'corrupt-answer': async ({ passage }) => {
    const answer = await passage.forward();
    passage.answer({ ...answer, body: withBitTurned(answer.body) });
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
  'answer-400': instead(400, 'text/plain', 'Bad Request'),
  'answer-401': instead(401, 'text/plain', 'Unauthorized', 'www-authenticate', 'Basic realm="proxy"'),
  'answer-500': instead(500, 'text/plain', 'Internal Server Error'),
  'answer-502': instead(502, 'text/html', html('502 Bad Gateway')),
  'answer-503': instead(503, 'text/html', html('503 Service Unavailable')),
  'answer-503-retry-after': instead(503, 'text/plain', 'Back in a second', 'retry-after', '1'),
  'portal-200': instead(200, 'text/html', html('Welcome to our guest network')),
  'portal-302': instead(302, 'text/html', html('Found'), 'location', 'http://login.portal.invalid/'),
  'portal-511': instead(511, 'text/html', html('Network Authentication Required')),
  'outage-reset': ({ outage }) => outage('reset'),
  'outage-silence': ({ outage }) => outage('silence'),
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

/** Does to the request what the fault is about; `none` passes it on. Rejects where either connection breaks by itself. */
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

function withBitTurned(body: Buffer): Buffer {
  const turned = Buffer.from(body);
  if (turned.length > 0) turned[turned.length >> 1]! ^= 1;
  return turned;
}
