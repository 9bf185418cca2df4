/**
 * Body: what a request carries, read by whoever watches it go by.
 *
 * Owns inflating on the spot. Promises to read whatever a device has sent. Never used for what came damaged.
 */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { type Batch, decodeBatch } from '../../src/codec/index.ts';
import { decodeMsgpack } from '../../src/codec/msgpack.ts';

const INFLATE: Readonly<Record<string, (body: Uint8Array) => Uint8Array>> = {
  br: (body) => brotliDecompressSync(body),
  gzip: (body) => gunzipSync(body),
  identity: (body) => body,
};

export function batchOf(encoding: string, body: Uint8Array): Batch {
  return decodeBatch(inflated(encoding, body));
}

/** What stands around the events. */
export interface Envelope {
  readonly stream: Uint8Array;
  readonly first: number;
  readonly count: number;
  readonly gaps: readonly (readonly [first: number, last: number])[];
}

export function envelopeOf(encoding: string, body: Uint8Array): Envelope {
  return decodeMsgpack(inflated(encoding, body)) as Envelope;
}

function inflated(encoding: string, body: Uint8Array): Uint8Array {
  const inflate = INFLATE[encoding];
  if (inflate === undefined) throw new Error(`no device sends ${encoding}`);
  return inflate(body);
}
