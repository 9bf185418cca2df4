/**
 * Explanation: why the gateway is not reached, in words.
 *
 * Owns what is said about each code of a failure, and the one sentence about a link: what, where, what is safe, what to
 * do, when next. Promises a sentence for any code, also one that Node has yet to invent. Never decides anything:
 * programs branch on codes.
 */
import { isUntrusted } from '../cli/index.ts';
import type { LinkStatus } from './link-status.ts';

interface Words {
  readonly reason: string;
  /** What a person can do about it. */
  readonly advice?: string;
}

/** What a sentence about a link is made from; a part of `DeviceStatus`. */
export interface LinkFacts {
  readonly gateway: string;
  readonly link: LinkStatus;
  readonly queued: { readonly events: number };
}

const UNTRUSTED: Words = {
  reason: 'its certificate is not signed by an authority that this device trusts',
  advice: 'give the certificate of your own authority with --ca FILE',
};
const NO_TLS: Words = { reason: 'what answers there does not speak TLS', advice: 'is it http:// or another port?' };
const NO_HTTP: Words = {
  reason: 'what answers there does not speak HTTP',
  advice: 'check the port, and whether it is https://',
};
const NO_ROUTE: Words = { reason: 'no route to it', advice: 'is this device’s network up?' };
const TIMED_OUT: Words = { reason: 'no answer in time' };
const CLOSED: Words = { reason: 'the connection was closed before there was an answer' };
const PROXY: Words = { reason: 'a proxy before it cannot reach it', advice: 'is the gateway running?' };
const CHECK_PATH = 'check address, port and path';
const SIGN_IN = 'does this network want somebody to sign in?';
const UPDATE: Words = {
  reason: 'it does not understand this device',
  advice: 'gateway and device are of versions that do not go together',
};

/** By code: errors of the system, of TLS and of undici, then our own. */
const WORDS: Readonly<Record<string, Words>> = {
  ECONNREFUSED: { reason: 'connection refused', advice: 'is the gateway running, and this its port?' },
  ECONNRESET: { reason: 'the connection was reset' },
  ECONNABORTED: { reason: 'the connection was reset' },
  EPIPE: CLOSED,
  UND_ERR_SOCKET: CLOSED,
  ENOTFOUND: { reason: 'its name is not known', advice: 'check the address, and this device’s name server' },
  EAI_NONAME: { reason: 'its name is not known', advice: 'check the address, and this device’s name server' },
  EAI_AGAIN: { reason: 'the name server does not answer', advice: 'is this device’s network up?' },
  EAI_FAIL: { reason: 'the name server does not answer', advice: 'is this device’s network up?' },
  ENETUNREACH: NO_ROUTE,
  ENETDOWN: NO_ROUTE,
  EHOSTUNREACH: NO_ROUTE,
  EHOSTDOWN: NO_ROUTE,
  EADDRNOTAVAIL: NO_ROUTE,
  EACCES: { reason: 'this device may not connect to it', advice: 'a firewall forbids it' },
  EPERM: { reason: 'this device may not connect to it', advice: 'a firewall forbids it' },
  EMFILE: { reason: 'this process has too many open files', advice: 'raise its limit (ulimit -n)' },
  ETIMEDOUT: TIMED_OUT,
  UND_ERR_CONNECT_TIMEOUT: { reason: 'no connection in time' },
  UND_ERR_HEADERS_TIMEOUT: TIMED_OUT,
  UND_ERR_BODY_TIMEOUT: TIMED_OUT,
  UND_ERR_RES_EXCEEDED_MAX_SIZE: { reason: 'what answered is no gateway: a page of more than 64 KiB', advice: SIGN_IN },
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: CLOSED,
  UND_ERR_HEADERS_OVERFLOW: NO_HTTP,

  CERT_REVOKED: { reason: 'its certificate was revoked', advice: 'give the gateway a new one' },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    reason: 'its certificate is for another name than this address has',
    advice: 'use the name in the certificate, or have one made for this address',
  },
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_UNSUPPORTED_PROTOCOL: { reason: 'it speaks no version of TLS that this device does' },
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: { reason: 'it speaks no version of TLS that this device does' },
  EPROTO: { reason: 'the TLS handshake failed', advice: 'is it http:// or another port?' },

  'key-unknown': {
    reason: 'it knows no such device, or not this key',
    advice: 'compare the device’s id and the key’s with `tidegate-gateway keys list`',
  },
  'signature-mismatch': {
    reason: 'the secret is not that of the key',
    advice: 'put a new key from `tidegate-gateway keys rotate` in the place of its --secret-file',
  },
  'key-revoked': {
    reason: 'the key was revoked',
    advice: 'put one from `tidegate-gateway keys rotate` in the place of its --secret-file',
  },
  'interval-limit': {
    reason: 'too many of this device’s events are missing in between',
    advice: 'look at `gaps` and `quarantine`, or raise --ranges-max at the gateway',
  },
  'stream-limit': {
    reason: 'this device has begun as many streams as the gateway allows by now',
    advice: 'does it start over and over? Else raise --streams-max at the gateway',
  },
  'storage-limit': {
    reason: 'the sums of this device take as much as the gateway allows by now',
    advice: 'does each event have names of its own? Else raise --page-bytes at the gateway',
  },
  'token-invalid': UPDATE,
  'batch-version': UPDATE,
  'headers-invalid': UPDATE,
  'query-invalid': UPDATE,
  'encoding-unsupported': { reason: 'it takes none of this device’s content encodings' },
  overloaded: { reason: 'it is busy' },
  'store-unavailable': { reason: 'its disk takes nothing now', advice: 'look at the gateway’s log' },
  internal: { reason: 'something went wrong in it', advice: 'look at the gateway’s log' },
  'clock-skew': {
    reason: 'the clocks do not agree, also after a correction',
    advice: 'is there more than one gateway, with clocks that differ?',
  },
  'request-damaged': { reason: 'the request arrived damaged' },
  'answer-other': { reason: 'it acknowledged something else than was sent' },
  'problem-unknown': UPDATE,
  'problem-incomplete': UPDATE,
  'collision-elsewhere': UPDATE,
  'collision-again': { reason: 'it knows other events under ids that are new' },
};

/** Answers without the gateway's signature: whoever gave them, it was not the gateway for certain. */
function unsignedWords(status: number, said: string | undefined): Words {
  if (said !== undefined) {
    if (said === 'not-found') return { reason: 'a gateway, but nothing at this path', advice: CHECK_PATH };
    const words = WORDS[said];
    const reason = `an answer without a signature: ${words?.reason ?? said}`;
    return words?.advice === undefined ? { reason } : { reason, advice: words.advice };
  }
  const reason = `something else answered ${status}`;
  if (status < 400 || status === 511) return { reason, advice: SIGN_IN };
  if (status === 401 || status === 403 || status === 407) {
    return { reason, advice: `a proxy or firewall in between, or ${SIGN_IN}` };
  }
  if (status === 404 || status === 405) return { reason, advice: `no gateway is there: ${CHECK_PATH}` };
  if (status === 413) return { reason, advice: 'a proxy in between has a limit: make --batch-bytes smaller' };
  if (status === 429) return { reason: 'a proxy before it asks for less' };
  if (status === 502 || status === 503 || status === 504) return { ...PROXY, reason: `${status}: ${PROXY.reason}` };
  return { reason, advice: 'is this the gateway’s address?' };
}

/** @param detail what else is known: of an unsigned answer the code that it gave, of an odd error its message */
function wordsFor(code: string, detail: string | undefined, now: number): Words {
  if (Object.hasOwn(WORDS, code)) return WORDS[code]!;
  if (isUntrusted(code)) return UNTRUSTED;
  const unsigned = /^unsigned-(\d{3})$/.exec(code);
  if (unsigned) return unsignedWords(Number(unsigned[1]), detail);
  const clock = `by this device’s clock, which says ${new Date(now).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  if (code === 'CERT_HAS_EXPIRED') {
    const advice = 'set the clock if that is wrong, else renew the certificate at the gateway';
    return { reason: `its certificate has expired ${clock}`, advice };
  }
  if (code === 'CERT_NOT_YET_VALID') {
    return { reason: `its certificate is not valid yet ${clock}`, advice: 'set the clock if that is wrong' };
  }
  if (code.startsWith('HPE_')) return NO_HTTP;
  if (code.startsWith('ERR_SSL_')) return { reason: `the TLS handshake failed: ${code}` };
  if (code.startsWith('CERT_') || code.startsWith('ERR_TLS_CERT'))
    return { reason: `its certificate is refused: ${code}` };
  return { reason: detail === undefined ? code : `${detail} (${code})` };
}

/** Why, in a few words: `connection refused`. */
export function reasonOf(code: string, detail: string | undefined, now: number): string {
  return wordsFor(code, detail, now).reason;
}

/** Everything a person needs to know about the link, in one line. `now` is of the clock that the status is of. */
export function linkSentence({ gateway, link, queued }: LinkFacts, now: number): string {
  const { state, code, nextAttemptAt } = link;
  const safe = `${eventsText(queued.events)} safe on disk`;
  if (state === 'connecting') return `connecting to ${gateway}; ${safe}`;
  if (code === null) return `connected to ${gateway}; ${eventsText(queued.events)} to deliver`;
  const advice = adviceOn(link, gateway, now);
  const why = `(${link.reason ?? code}${advice === undefined ? '' : `: ${advice}`})`;
  const next = waitText(nextAttemptAt === null ? 0 : nextAttemptAt - now);
  if (state === 'paused') return `${gateway} refuses this device ${why}; ${safe}; asks again ${next}`;
  if (state === 'online') return `${gateway} asks to wait ${why}; ${safe}; next try ${next}`;
  return `cannot reach ${gateway} ${why}; ${safe}; next try ${next}`;
}

function adviceOn({ code, detail }: LinkStatus, gateway: string, now: number): string | undefined {
  const words = wordsFor(code!, detail ?? undefined, now);
  // A server that waits for a handshake hangs up on a request.
  if (words === CLOSED && gateway.startsWith('http:')) return 'is it https:// there?';
  return words.advice;
}

function eventsText(count: number): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? 'event' : 'events'}`;
}

function waitText(ms: number): string {
  if (ms < 1_000) return 'within a second';
  if (ms < 120_000) return `in ${Math.round(ms / 1_000)} s`;
  return ms < 7_200_000 ? `in ${Math.round(ms / 60_000)} min` : `in ${Math.round(ms / 3_600_000)} h`;
}
