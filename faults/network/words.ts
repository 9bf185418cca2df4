/** Words: what each fault of the network is called in the table. */
import type { FaultName } from '../../rig/link/faults.ts';
import type { LorisKind } from './loris.ts';
import type { TlsFault } from './tls-relay.ts';

export type NetworkFault = FaultName | TlsFault | LorisKind;

/** In the order in which they are shown. */
export const WORDS: Readonly<Record<NetworkFault, string>> = {
  'reset-before': 'reset before the request',
  'reset-during': 'reset during the request',
  'reset-after': 'reset after the request',
  'reset-answer': 'reset during the answer',
  'drop-answer': 'answer dropped after the commit',
  'truncate-answer': 'answer cut off',
  delay: 'delay, at times beyond the device’s patience',
  'half-open-request': 'half-open connection, request lost',
  'half-open-answer': 'half-open connection, answer lost after the commit',
  'half-open-gateway': 'half-open connection, half a request left at the gateway',
  'corrupt-request': 'bit flipped in the request’s body',
  'corrupt-request-head': 'bit flipped in the request’s head',
  'corrupt-answer': 'bit flipped in the answer’s body',
  'corrupt-answer-head': 'bit flipped in the answer’s head',
  'twice-at-once': 'request doubled, at once',
  'twice-in-turn': 'request doubled, one after the other',
  'late-copy': 'request doubled, the copy behind later requests',
  'late-original': 'request overtaken by its own retry and later requests',
  'replay-answer': 'signed success of another request replayed',
  stranger: 'a stranger’s gateway, signing with another key',
  'answer-400': '400 by a proxy',
  'answer-401': '401 by a proxy',
  'answer-408': '408 by a proxy',
  'answer-413': '413 by a proxy',
  'answer-429': '429 by a proxy',
  'answer-429-retry-after': '429 by a proxy, with Retry-After',
  'answer-500': '500 by a proxy',
  'answer-500-retry-after': '500 by a proxy, with Retry-After',
  'answer-502': '502 by a proxy',
  'answer-502-retry-after': '502 by a proxy, with Retry-After',
  'answer-503': '503 by a proxy',
  'answer-503-retry-after': '503 by a proxy, with Retry-After',
  'forged-200': 'forged acknowledgement',
  'forged-400': 'forged refusal',
  'forged-clock': 'forged clock',
  'forged-409': 'forged collision',
  'portal-200': 'captive portal, 200 with a page',
  'portal-302': 'captive portal, 302',
  'portal-511': 'captive portal, 511',
  'outage-reset': 'outage that resets every connection',
  'outage-silence': 'outage without a word',
  'tls-authority': 'TLS: certificate by a wrong authority',
  'tls-expired': 'TLS: certificate expired',
  'tls-host': 'TLS: certificate for another host',
  'tls-plain-text': 'TLS: a peer that speaks plain text',
  'tls-cut-hello': 'TLS: handshake cut by the first message',
  'tls-cut-answer': 'TLS: handshake cut in the gateway’s answer',
  'tls-reset': 'TLS: connection reset in the middle of a message',
  'slow-head': 'slow loris: heads byte by byte',
  'slow-body': 'slow loris: half bodies of nobody',
  'slow-body-of-device': 'slow loris: half bodies in the device’s name',
  'crowd-of-device': 'a crowd of large bodies in the device’s name, none of them late',
};

export const NETWORK_FAULTS = Object.keys(WORDS) as NetworkFault[];
