/**
 * vectors/exchanges.json: whole HTTP exchanges, at least one for each way in which a gateway answers a batch.
 *
 * Made from the pages by hand and node:crypto, not by the gateway and the device that are checked with them.
 */
import {
  CASES,
  type Case,
  CLOCK,
  DEVICE,
  example,
  KEYS,
  MEDIA_TYPE,
  type Said,
  secretOf,
  signatureOf,
  TOKEN,
} from './exchange-cases.ts';
import { answerSignature, headPrefix, sign } from './signatures.ts';

function headSignatureOf(said: Said, length: string): string {
  const { key = 'k1', encoding = 'identity', timestamp = CLOCK - 100 } = said;
  return sign(
    secretOf(key),
    headPrefix(DEVICE, key, timestamp, encoding, Number(length), signatureOf(said)),
    Buffer.alloc(0),
  );
}

function headOf(said: Said = {}): string {
  const { method = 'POST', path = '/v1/batches', body = example, key = 'k1', encoding, timestamp = CLOCK - 100 } = said;
  const length = said.headers?.['Content-Length'] ?? String(body.length);
  const headers = {
    Host: 'gateway.example',
    ...(method !== 'GET' && {
      'Content-Type': MEDIA_TYPE,
      'Content-Encoding': encoding,
      'Content-Length': length,
      'X-Device-Id': DEVICE,
      'X-Key-Id': key,
      'X-Timestamp': String(timestamp),
      'X-Signature': `v1=${signatureOf(said)}`,
      ...(said.signsHead && { 'X-Head-Signature': `v1=${headSignatureOf(said, length)}` }),
    }),
    ...said.headers,
  };
  const lines = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return [`${method} ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n');
}

function exchangeOf({ name, code, given, before, request, answer, device }: Case) {
  const { status, headers, key } = answer;
  const body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
  const signature = signatureOf(request);
  const keyId = request?.key ?? 'k1';
  const over = answer.over ?? [signature];
  const signatures =
    key === undefined ? [] : over.map((one) => answerSignature(secretOf(key), status, one, CLOCK, body));
  const type =
    typeof answer.body === 'string' ? 'text/html' : status === 200 ? 'application/json' : 'application/problem+json';
  const sent = (request?.method === 'GET' ? Buffer.alloc(0) : (request?.body ?? example)).subarray(0, request?.sent);
  return {
    name,
    code: code ?? null,
    ...(given && { given }),
    ...(before && { before }),
    request: { head: headOf(request), body: sent.toString('hex') },
    answer: {
      status,
      headers: {
        'Content-Type': type,
        ...headers,
        ...(key !== undefined && {
          'X-Key-Id': key,
          'X-Timestamp': String(CLOCK),
          'X-Signature': signatures.map((one) => `v1=${one}`).join(', '),
        }),
      },
      body,
    },
    signed: key !== undefined,
    ...(device && {
      device: { keyId, secret: secretOf(keyId).toString('hex'), signature, does: device },
    }),
  };
}

export function exchangeVectors() {
  return {
    about:
      'Whole exchanges between a device and a gateway (delivery.md), each with a gateway of its own that has ' +
      'counted nothing but what `before` names, whose clock stands at `clock`, and which has `keys` for the device. ' +
      'See README.md here.',
    clock: CLOCK,
    deviceId: DEVICE,
    adminToken: TOKEN.slice('Bearer '.length),
    keys: Object.fromEntries(
      Object.entries(KEYS).map(([id, { secret, revoked }]) => [id, { secret: secret.toString('hex'), revoked }]),
    ),
    exchanges: CASES.map(exchangeOf),
  };
}
