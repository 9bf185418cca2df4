/**
 * vectors/requests.json, answers.json, credentials.json: made from the text of signing.md by hand and node:crypto, not
 * by the code that they check.
 */
import { createHmac } from 'node:crypto';
import { bytesOf, EXAMPLE, HEADER } from './example.ts';

export const SECRET = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
export const OTHER = Buffer.alloc(16, 0xfe);

const batch = bytesOf({ header: HEADER, events: EXAMPLE });

const REQUESTS = [
  {
    name: 'the example of the specification',
    keyId: 'k1',
    secret: SECRET,
    deviceId: 'pump-7',
    timestamp: 1_700_000_000_500,
    contentEncoding: 'identity',
    body: batch,
  },
  {
    name: 'an empty body',
    keyId: 'k1',
    secret: SECRET,
    deviceId: 'd',
    timestamp: 0,
    contentEncoding: 'gzip',
    body: Buffer.alloc(0),
  },
  {
    name: 'a clock before 1970',
    keyId: 'k1',
    secret: SECRET,
    deviceId: 'd',
    timestamp: -5,
    contentEncoding: 'br',
    body: Buffer.from('x'),
  },
  {
    name: 'ids with every character',
    keyId: 'K-2.b_c:9',
    secret: OTHER,
    deviceId: 'Site:4.Pump_7-b',
    timestamp: 2 ** 53 - 1,
    contentEncoding: 'zstd',
    body: Buffer.from('line\nline\n\0'),
  },
  {
    name: 'a secret longer than a block',
    keyId: 'k1',
    secret: Buffer.alloc(128, 0x5a),
    deviceId: 'd',
    timestamp: 1,
    contentEncoding: 'identity',
    body: Buffer.from('x'),
  },
];

export function sign(secret: Buffer, prefix: string, body: Buffer): string {
  return createHmac('sha256', secret)
    .update(Buffer.concat([Buffer.from(prefix), body]))
    .digest('hex');
}

export function requestSignature(
  secret: Buffer,
  deviceId: string,
  keyId: string,
  timestamp: number,
  encoding: string,
  body: Buffer,
): string {
  return sign(secret, ['tidegate-request-v1', deviceId, keyId, timestamp, encoding, ''].join('\n'), body);
}

export function headPrefix(
  deviceId: string,
  keyId: string,
  timestamp: number,
  encoding: string,
  length: number,
  signature: string,
): string {
  return ['tidegate-head-v1', deviceId, keyId, timestamp, encoding, length, signature, ''].join('\n');
}

export function answerSignature(
  secret: Buffer,
  status: number,
  requestSigned: string,
  timestamp: number,
  body: string | Buffer,
): string {
  return sign(secret, ['tidegate-answer-v1', status, requestSigned, timestamp, ''].join('\n'), Buffer.from(body));
}

export function requestVectors() {
  const [example] = REQUESTS as [(typeof REQUESTS)[number]];
  const { deviceId, timestamp, body } = example;
  const under = (secret: Buffer, keyId: string): string =>
    requestSignature(secret, deviceId, keyId, timestamp, 'identity', body);
  const first = under(SECRET, 'k1');
  const second = under(OTHER, 'k2');
  const foreign = under(Buffer.alloc(32, 9), 'k1');
  const head = { 'X-Device-Id': deviceId, 'X-Timestamp': String(timestamp), 'Content-Encoding': 'identity' };
  const checked: readonly (readonly [
    name: string,
    keyIds: string,
    signatures: string,
    matched: string | null,
    changed?: Record<string, string | undefined>,
    revoked?: readonly string[],
  ])[] = [
    ['one key', 'k1', `v1=${first}`, 'k1'],
    ['the other key', 'k2', `v1=${second}`, 'k2'],
    ['both keys of a rotation', 'k1,k2', `v1=${first},v1=${second}`, 'k1'],
    ['spaces around commas', 'k2 , k1', `v1=${second} , v1=${first}`, 'k2'],
    ['two keys, signed under the second alone', 'k1, k2', `v1=${second}`, 'k2'],
    ['a key that the gateway does not have beside one that it has', 'k0, k2', `v1=${foreign}, v1=${second}`, 'k2'],
    ['a scheme of the future', 'k1', `v2=future, v1=${first}`, 'k1'],
    ['four signatures', 'k1', `v1=${foreign}, v1=${second}, v1=${'0'.repeat(64)}, v1=${first}`, 'k1'],
    [
      'four signatures, and values that are none',
      'k1',
      `a, v1=${foreign}, v2=x, v1=${second}, b=c, v1=${'0'.repeat(64)}, v3, v1=${first}`,
      'k1',
    ],
    ['tabs around commas', 'k2\t,\tk1', `v1=${second}\t,\tv1=${first}`, 'k2'],
    ['of two keys the live one', 'k1,k2', `v1=${first},v1=${second}`, 'k2', {}, ['k1']],
    ['of two keys the live one, whatever the order', 'k2,k1', `v1=${second},v1=${first}`, 'k1', {}, ['k2']],
    ['a live key that did not sign beside a revoked one that did', 'k1,k2', `v1=${first}`, 'k1', {}, ['k1']],
    ['two revoked keys', 'k2,k1', `v1=${first},v1=${second}`, 'k2', {}, ['k1', 'k2']],
    [
      'a content encoding of another spelling, signed as it stands',
      'k1',
      `v1=${requestSignature(SECRET, deviceId, 'k1', timestamp, 'GZIP, br', body)}`,
      'k1',
      { 'Content-Encoding': 'GZIP, br' },
    ],
    ['no content encoding means identity', 'k1', `v1=${first}`, 'k1', { 'Content-Encoding': undefined }],
    ['signed under a key that was not named', 'k1', `v1=${second}`, null],
    ['signed under the id of the other key', 'k2', `v1=${under(OTHER, 'k1')}`, null],
    ['both ids in the signed line', 'k1,k2', `v1=${under(SECRET, 'k1,k2')}`, null],
    ['another secret', 'k1', `v1=${foreign}`, null],
    ['another device', 'k1', `v1=${first}`, null, { 'X-Device-Id': 'pump-8' }],
    ['another time', 'k1', `v1=${first}`, null, { 'X-Timestamp': String(timestamp + 1) }],
    ['another content encoding', 'k1', `v1=${first}`, null, { 'Content-Encoding': 'gzip' }],
  ];
  const headOf = (secret: Buffer, keyId: string, signature: string, length = body.length): string =>
    sign(secret, headPrefix(deviceId, keyId, timestamp, 'identity', length, signature), Buffer.alloc(0));
  const ours = headOf(SECRET, 'k1', first);
  const theirs = headOf(OTHER, 'k2', second);
  const length = String(body.length);
  const heads: readonly (readonly [
    name: string,
    keyIds: string,
    signatures: string,
    headSignatures: string,
    matched: string | null,
    changed?: Record<string, string | undefined>,
  ])[] = [
    ['one key', 'k1', `v1=${first}`, `v1=${ours}`, 'k1'],
    ['both keys of a rotation', 'k1, k2', `v1=${first}, v1=${second}`, `v1=${ours}, v1=${theirs}`, 'k1'],
    ['in another order', 'k2, k1', `v1=${first}, v1=${second}`, `v1=${theirs}, v1=${ours}`, 'k2'],
    ['a scheme of the future', 'k1', `v1=${first}`, `v2=future, v1=${ours}`, 'k1'],
    ['no content encoding means identity', 'k1', `v1=${first}`, `v1=${ours}`, 'k1', { 'Content-Encoding': undefined }],
    ['two keys, the head signed under the second alone', 'k1, k2', `v1=${first}, v1=${second}`, `v1=${theirs}`, 'k2'],
    ['the request’s own signature', 'k1', `v1=${first}`, `v1=${first}`, null],
    ['over a signature that is not there', 'k1, k2', `v1=${first}`, `v1=${theirs}`, null],
    ['over the signature of another key', 'k1', `v1=${second}`, `v1=${headOf(OTHER, 'k1', second)}`, null],
    ['another signature beside it', 'k1', `v1=${foreign}`, `v1=${ours}`, null],
    ['another secret', 'k1', `v1=${first}`, `v1=${headOf(OTHER, 'k1', first)}`, null],
    ['another device', 'k1', `v1=${first}`, `v1=${ours}`, null, { 'X-Device-Id': 'pump-8' }],
    ['another time', 'k1', `v1=${first}`, `v1=${ours}`, null, { 'X-Timestamp': String(timestamp + 1) }],
    ['another content encoding', 'k1', `v1=${first}`, `v1=${ours}`, null, { 'Content-Encoding': 'gzip' }],
    ['another length', 'k1', `v1=${first}`, `v1=${ours}`, null, { 'Content-Length': String(body.length - 1) }],
    ['no length', 'k1', `v1=${first}`, `v1=${ours}`, null, { 'Content-Length': undefined }],
  ];
  const malformed: readonly (readonly [name: string, keyIds: string, signatures: string])[] = [
    ['no signature', 'k1', ''],
    ['a signature without its scheme', 'k1', first],
    ['only schemes of the future', 'k1', `v2=${first}`],
    ['a signature of 63 digits', 'k1', `v1=${first.slice(1)}`],
    ['upper case', 'k1', `v1=${'AB'.repeat(32)}`],
    ['one that is not of the form', 'k1', `v1=${first}, v1=no`],
    ['a signature in capitals', 'k1', `V1=${first}`],
    ['five signatures', 'k1', Array.from({ length: 5 }, () => `v1=${first}`).join(', ')],
    ['no key', '', `v1=${first}`],
    ['three keys', 'k1,k2,k3', `v1=${first}`],
    ['a key id with a space', 'k 1', `v1=${first}`],
    ['a key id that begins with a dot', '.k1', `v1=${first}`],
    ['a key id too long', 'k'.repeat(65), `v1=${first}`],
  ];
  return {
    about:
      'Requests (signing.md). `signed` is what the signature is over, without the body. `checked`: whether a ' +
      'gateway with `keys`, of which those in `revoked` are so, takes such headers with `body` for authentic, and ' +
      'under which key. `heads`: whether it takes the head for authentic before there is a body. ' +
      '`malformed`: headers that are not of their form.',
    requests: REQUESTS.map((request) => {
      const { secret, ...rest } = request;
      const prefix = [
        'tidegate-request-v1',
        request.deviceId,
        request.keyId,
        request.timestamp,
        request.contentEncoding,
        '',
      ].join('\n');
      const signature = sign(secret, prefix, request.body);
      const { length: bytes } = request.body;
      const head = headPrefix(rest.deviceId, rest.keyId, rest.timestamp, rest.contentEncoding, bytes, signature);
      return {
        ...rest,
        secret: secret.toString('hex'),
        body: request.body.toString('hex'),
        signed: Buffer.from(prefix).toString('hex'),
        signature,
        headSigned: Buffer.from(head).toString('hex'),
        headSignature: sign(secret, head, Buffer.alloc(0)),
      };
    }),
    keys: { k1: SECRET.toString('hex'), k2: OTHER.toString('hex') },
    body: body.toString('hex'),
    checked: checked.map(([name, keyIds, signatures, matched, changed, revoked]) => ({
      name,
      headers: { ...head, 'X-Key-Id': keyIds, 'X-Signature': signatures, ...changed },
      matched,
      ...(revoked && { revoked }),
    })),
    heads: heads.map(([name, keyIds, signatures, headSignatures, matched, changed]) => ({
      name,
      headers: {
        ...head,
        'Content-Length': length,
        'X-Key-Id': keyIds,
        'X-Signature': signatures,
        'X-Head-Signature': headSignatures,
        ...changed,
      },
      matched,
    })),
    malformed: malformed.map(([name, keyIds, signatures]) => ({
      name,
      headers: { ...head, 'X-Key-Id': keyIds, 'X-Signature': signatures },
    })),
  };
}

export function answerVectors() {
  const ours = requestSignature(SECRET, 'pump-7', 'k1', 1_700_000_000_500, 'identity', batch);
  const acknowledgement = Buffer.from(
    '{"stream":"000102030405060708090a0b0c0d0e0f","first":1,"count":3,"inserted":3,"duplicates":0}',
  );
  const skew = Buffer.from(
    '{"type":"urn:tidegate:problem:clock-skew",' +
      '"title":"clock skew","status":401,"code":"clock-skew","clock":1700000000600}',
  );
  const timestamp = 1_700_000_000_600;
  const answer = (
    name: string,
    status: number,
    body: Buffer,
    changed: { readonly said?: number; readonly to?: string; readonly secret?: Buffer } = {},
  ) => {
    const signature = answerSignature(changed.secret ?? SECRET, status, changed.to ?? ours, timestamp, body);
    const authentic = Object.keys(changed).length === 0;
    return { name, status: changed.said ?? status, timestamp, body: body.toString('hex'), signature, authentic };
  };
  return {
    about:
      'Answers (signing.md) to the request with the signature `request`, under `secret`. `authentic`: whether the ' +
      'device takes the answer for signed.',
    secret: SECRET.toString('hex'),
    request: ours,
    answers: [
      answer('the example of the specification', 200, acknowledgement),
      answer('the clock of the gateway', 401, skew),
      answer('an empty body', 503, Buffer.alloc(0)),
      answer('the answer to another request', 200, acknowledgement, { to: 'ab'.repeat(32) }),
      answer('another status than was signed', 503, acknowledgement, { said: 200 }),
      answer('under another secret', 200, acknowledgement, { secret: OTHER }),
    ],
  };
}

export function credentialVectors() {
  const encoded = SECRET.toString('base64url');
  const dashes = Buffer.alloc(17, 0xfb);
  return {
    about: 'Credentials (signing.md, "Keys").',
    valid: [
      { text: `k1.${encoded}`, keyId: 'k1', secret: SECRET.toString('hex') },
      { text: `pump.7.2024.${encoded}`, keyId: 'pump.7.2024', secret: SECRET.toString('hex') },
      { text: `K-2_b:c.${OTHER.toString('base64url')}`, keyId: 'K-2_b:c', secret: OTHER.toString('hex') },
      { text: `k1.${dashes.toString('base64url')}`, keyId: 'k1', secret: dashes.toString('hex') },
      {
        text: `k1.${Buffer.alloc(128, 1).toString('base64url')}`,
        keyId: 'k1',
        secret: Buffer.alloc(128, 1).toString('hex'),
      },
    ],
    invalid: [
      '',
      'k1',
      'k1.',
      encoded,
      `.${encoded}`,
      `-k.${encoded}`,
      `k 1.${encoded}`,
      `${'k'.repeat(65)}.${encoded}`,
      `k1.${encoded}=`,
      ` k1.${encoded}`,
      `k1.${dashes.toString('base64')}`,
      `k1.${encoded.slice(0, -1)}9`,
      `k1.${Buffer.alloc(15, 1).toString('base64url')}`,
      `k1.${Buffer.alloc(129, 1).toString('base64url')}`,
    ],
  };
}
