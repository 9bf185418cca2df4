/**
 * Requests: hostile HTTP, over connections of their own.
 *
 * Owns heads with a header missing, doubled, oversized or misspelt, bodies whose length is a lie, requests within
 * requests, and questions that make no sense. Promises to say each so that it ends, and that no batch which nobody has
 * asked to count is counted. Never sends what a device would.
 */
import { createHmac } from 'node:crypto';
import { BATCH_MEDIA_TYPE, HEADER } from '../../src/codec/index.ts';
import { batchOf, randomEvents } from './corpus.ts';
import type { Dice } from './dice.ts';
import { Breach, describe, type Kind, REFUSED, TAKEN } from './kind.ts';
import { KEY_ID, SECRET, type Target } from './target.ts';
import { assertKnown, talk, type WireAnswer } from './wire.ts';

export const HEADS = 'heads with headers missing, doubled, oversized, misspelt';
export const BODIES_CUT = 'bodies cut off, chunked wrongly, of other lengths';
export const SMUGGLED = 'requests within requests';
export const QUESTIONS = 'hostile ids and queries of read routes';

/** Brings nothing but what is smuggled in: it must never be counted. */
const CANARY = 'd999999';

export function requestKinds(target: Target): Kind[] {
  return [
    { name: HEADS, share: 60, strike: (dice) => say(target, headsOf(target, dice), assertRefused) },
    { name: BODIES_CUT, share: 40, strike: (dice) => say(target, cutBody(target, dice), assertRefused) },
    { name: SMUGGLED, share: 40, strike: (dice) => say(target, smuggled(target, dice), assertOnce) },
    { name: QUESTIONS, share: 50, strike: (dice) => say(target, question(target, dice), () => {}) },
  ];
}

/** Throws where something smuggled was counted after all. */
export async function assertNothingSmuggled(target: Target): Promise<void> {
  if ((await target.read(`/v1/devices/${CANARY}`)) !== undefined) throw new Breach('a smuggled batch was counted');
}

async function say(target: Target, pieces: readonly Buffer[], judge: (answers: readonly WireAnswer[]) => void) {
  try {
    const { answers } = await talk(target.port, pieces);
    for (const answer of answers) assertKnown(answer);
    judge(answers);
    return answers.some(({ status }) => status >= 400) || answers.length === 0 ? REFUSED : TAKEN;
  } catch (error) {
    throw new Breach(
      `${describe(error)}; request ${JSON.stringify(Buffer.concat(pieces).toString('latin1')).slice(0, 900)}`,
    );
  }
}

function assertRefused(answers: readonly WireAnswer[]): void {
  const taken = answers.find(({ status }) => status < 400);
  if (taken !== undefined) throw new Breach(`answered ${taken.status}: ${taken.body.toString().slice(0, 200)}`);
}

/** Where it is not clear where one request ends, nothing may be taken for the next. */
function assertOnce(answers: readonly WireAnswer[]): void {
  assertRefused(answers);
  if (answers.length > 1) throw new Breach(`${answers.length} answers`);
}

type Line = readonly [name: string, value: string];

interface Signed {
  readonly lines: readonly Line[];
  readonly body: Buffer;
}

function signed(target: Target, dice: Dice, deviceId = target.deviceId): Signed {
  const body = batchOf(randomEvents(dice), { stream: dice.bytes(16) });
  const timestamp = Date.now();
  const head = `tidegate-request-v1\n${deviceId}\n${KEY_ID}\n${timestamp}\nidentity\n`;
  const signature = createHmac('sha256', SECRET).update(head).update(body).digest('hex');
  const lines: Line[] = [
    ['Host', 'x'],
    ['Content-Type', BATCH_MEDIA_TYPE],
    [HEADER.device, deviceId],
    [HEADER.key, KEY_ID],
    [HEADER.timestamp, `${timestamp}`],
    [HEADER.signature, `v1=${signature}`],
    ['Content-Length', `${body.length}`],
  ];
  return { lines, body };
}

function request(lines: readonly Line[], body: Uint8Array, first = 'POST /v1/batches HTTP/1.1'): Buffer {
  const head = [first, ...lines.map(([name, value]) => `${name}: ${value}`)].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), body]);
}

/** One header is wrong, so that the batch is not to be counted. */
function headsOf(target: Target, dice: Dice): Buffer[] {
  const { lines, body } = signed(target, dice);
  // All but the host, which is nobody's business here, and the length, which has a kind of its own.
  const at = dice.between(1, lines.length - 2);
  const [name, value] = lines[at]!;
  const with_ = (...instead: Line[]): Buffer[] => [
    request([...lines.slice(0, at), ...instead, ...lines.slice(at + 1)], body),
  ];
  switch (dice.below(8)) {
    case 0:
      return with_();
    case 1:
      return with_([name, value], [name.toUpperCase(), value]);
    case 2:
      return with_([name, value + 'x'.repeat(dice.pick([100, 1_024, 20_000, 200_000]))]);
    case 3:
      return with_([`${name} `, value]);
    case 4:
      return with_([name, '']);
    case 5:
      return with_([name, dice.pick(['\0', 'é', '"', '{}', '-', ',', ';', 'v1=', '0', '%00', '\u007f', 'a\tb'])]);
    case 6:
      // Far too many of them.
      return with_(...Array.from({ length: 4_000 }, (_, i): Line => [`x-${i}`, 'y']));
    default:
      // The value goes on in the next line, as it once could.
      return with_([name, `${value}\r\n ${value}`]);
  }
}

/** The body that was signed is not the one that comes. */
function cutBody(target: Target, dice: Dice): Buffer[] {
  const { lines, body } = signed(target, dice);
  const others = lines.slice(0, -1);
  const cut = body.subarray(0, dice.below(body.length));
  switch (dice.below(7)) {
    case 0:
      return [request(lines, cut)];
    case 1:
      return [
        request(
          [...others, ['Content-Length', dice.pick(['-1', '1e3', '0x10', '+5', '', '9'.repeat(30), '4194305', '5 5'])]],
          body,
        ),
      ];
    case 2:
      return [request([...others, ['Content-Length', `${cut.length}`]], cut)];
    case 3:
      // A chunk that says it is longer, or no number, and one that never ends.
      return [
        request([...others, ['Transfer-Encoding', 'chunked']], Buffer.alloc(0)),
        Buffer.from(
          dice.pick([
            `${(body.length + 9).toString(16)}\r\n`,
            'zz\r\n',
            '-1\r\n',
            `${'f'.repeat(20)}\r\n`,
            '5;x="\r\n',
          ]),
        ),
        body,
      ];
    case 4:
      return [
        request(
          [...others, ['Transfer-Encoding', 'chunked']],
          Buffer.from(`${cut.length.toString(16)}\r\n${cut.toString('latin1')}`, 'latin1'),
        ),
      ];
    case 5:
      return [request([...others, ['Expect', dice.pick(['100-continue', '200-ok'])], ['Content-Length', '10']], cut)];
    default:
      return [
        request(
          others,
          body,
          dice.pick([
            'POST /v1/batches HTTP/1.0',
            'POST /v1/batches',
            'POST  /v1/batches HTTP/1.1',
            'post /v1/batches HTTP/1.1',
          ]),
        ),
      ];
  }
}

/** A whole batch of the canary's where some would see the rest of another request, and some another request. */
function smuggled(target: Target, dice: Dice): Buffer[] {
  const canary = signed(target, dice, CANARY);
  const inner = request(canary.lines, canary.body);
  const { lines } = signed(target, dice);
  const others = lines.slice(0, -1);
  const zero = Buffer.concat([Buffer.from('0\r\n\r\n'), inner]);
  const length = ['Content-Length', `${zero.length}`] as const;
  const ambiguous: readonly (readonly Line[])[] = [
    [length, ['Transfer-Encoding', 'chunked']],
    [['Transfer-Encoding', 'chunked'], length],
    [['Transfer-Encoding', 'xchunked'], length],
    [['Transfer-Encoding', 'chunked, identity']],
    [['Transfer-Encoding', 'identity'], length],
    [
      ['Transfer-Encoding', 'chunked'],
      ['Transfer-Encoding', 'cow'],
    ],
    [['Transfer-Encoding ', 'chunked'], length],
    [['Transfer-Encoding', '\u000bchunked'], length],
    [
      ['Content-Length', '5'],
      ['Content-Length', '6'],
    ],
    [['Content-Length', '5, 5']],
    [['Content-Length', `0${zero.length}x`]],
    [['X', 'y\nContent-Length: 0'], length],
    [['X', 'y\rContent-Length: 0'], length],
  ];
  return [request([...others, ...dice.pick(ambiguous)], zero)];
}

const IDS = [
  'd1',
  '..',
  '.',
  '%2e%2e',
  '%00',
  '%',
  '%zz',
  'a/b',
  'a%2Fb',
  'x'.repeat(300),
  '__proto__',
  'é',
  '%F0%9F%8C%8A',
  'd1%0d%0aX:%20y',
  "d1'--",
  '',
];
const PATHS = [
  '/v1/devices/ID',
  '/v1/devices/ID/buckets',
  '/v1/devices/ID/events',
  '/v1/devices',
  '/v1/totals',
  '/metrics',
  '/ID',
  '/',
  '//v1/totals',
  '/v1/batches',
];
const NAMES = ['from', 'to', 'sensor', 'measure', 'granularity', 'limit', 'after', '__proto__', 'constructor', 'x', ''];
const VALUES = [
  '0',
  '-1',
  '1e400',
  '9'.repeat(20),
  '-9007199254740993',
  'NaN',
  '',
  '%00',
  '%',
  '[]',
  'minute',
  'week',
  '2024-01-01',
  'banana%201',
  '4503599627370495',
  '-4503599627370495',
  'x'.repeat(5_000),
  '%ef%bb%bf',
  '%ed%a0%80',
];

function question(target: Target, dice: Dice): Buffer[] {
  const id = dice.chance(0.3) ? target.deviceId : dice.pick(IDS);
  const path = dice.pick(PATHS).replace('ID', id);
  const queries = Array.from({ length: dice.below(4) }, () => `${dice.pick(NAMES)}=${dice.pick(VALUES)}`);
  const method = dice.chance(0.85)
    ? 'GET'
    : dice.pick(['HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'PROPFIND', 'CONNECT', 'FOO']);
  // An answer to HEAD has a length and no body, which a reader has to know.
  const query = queries.length > 0 ? `?${queries.join('&')}` : '';
  const first = `${method === 'HEAD' ? 'GET' : method} ${path}${query} HTTP/1.1`;
  const host = dice.chance(0.9)
    ? '127.0.0.1'
    : dice.pick(['evil.example', '', '127.0.0.1@evil', '[::1', 'localhost.evil']);
  return [
    request(
      [
        ['Host', host],
        ['Connection', 'close'],
      ],
      Buffer.alloc(0),
      first.replaceAll(' ', ' '),
    ),
  ];
}
