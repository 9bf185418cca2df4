/**
 * Fleet: devices that have signed everything beforehand and do nothing but send.
 *
 * Owns the packing of a workload into batches, and the sending of them over one connection per device, one after
 * another as on a real link. Promises that an answer counts only where its signature is right for that very request.
 * Never sends anything twice.
 */
import assert from 'node:assert';
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { Client } from 'undici';
import {
  BATCH_MEDIA_TYPE,
  type Credential,
  compressBody,
  createTableBuilder,
  encodeBatch,
  encodeColumns,
  formatSignatures,
  HEADER,
  parseAcknowledgement,
  parseSignatures,
  type RequestHead,
  STREAM_BYTES,
  signRequest,
  verifyAnswer,
} from '../src/codec/index.ts';
import type { Workload } from './workload.ts';

/** One request, ready to be sent. */
export interface SignedBatch {
  readonly head: RequestHead;
  readonly signature: string;
  readonly body: Uint8Array;
  readonly count: number;
}

export interface Delivery {
  /** Events that acknowledgements called new. */
  readonly inserted: number;
  readonly duplicates: number;
  readonly elapsedMs: number;
}

export interface Fleet {
  /** The workload as batches, device by device, each continuing where its last one ended. */
  sign(workload: Workload, batchEvents: number): Promise<SignedBatch[][]>;
  /** The same, but every batch begins a stream of its own. */
  signStreams(workload: Workload, batchEvents: number): Promise<SignedBatch[][]>;
  /** The whole workload for each device, packed only once: a great many events in a short time. */
  signCopies(workload: Workload, batchEvents: number): Promise<SignedBatch[][]>;
  /** Sends them all; rejects where anything but a signed acknowledgement comes back. */
  send(batches: readonly (readonly SignedBatch[])[]): Promise<Delivery>;
  close(): Promise<void>;
}

interface Packed {
  readonly count: number;
  readonly columns: Uint8Array;
}

/** Of the batches that the goals speak of; a device packs up to four times as many events. */
export const BATCH_EVENTS = 4_096;

/** Best first; what devices use unless a gateway refuses it. */
const ENCODING = 'br';

export function createFleet(url: string, credentials: ReadonlyMap<string, Credential>): Fleet {
  const members = Array.from(credentials, ([deviceId, credential]) => createMember(url, deviceId, credential));
  const signShares = async (workload: Workload, batchEvents: number, ownStreams: boolean) => {
    const batches = Math.ceil(workload.count / batchEvents);
    const share = Math.ceil(batches / members.length) * batchEvents;
    const signed: SignedBatch[][] = [];
    for (const [at, member] of members.entries()) {
      const from = Math.min(workload.count, at * share);
      const packed = pack(workload, from, Math.min(workload.count, from + share), batchEvents);
      signed.push(await member.sign(packed, ownStreams));
    }
    return signed;
  };
  return {
    sign: (workload, batchEvents) => signShares(workload, batchEvents, false),
    signStreams: (workload, batchEvents) => signShares(workload, batchEvents, true),
    async signCopies(workload, batchEvents) {
      const packed = pack(workload, 0, workload.count, batchEvents);
      const signed: SignedBatch[][] = [];
      for (const member of members) signed.push(await member.sign(packed, false));
      return signed;
    },
    async send(batches) {
      const startedAt = performance.now();
      const deliveries = await Promise.all(members.map((member, at) => member.send(batches[at]!)));
      const elapsedMs = performance.now() - startedAt;
      const sum = (of: 'inserted' | 'duplicates') => deliveries.reduce((total, delivery) => total + delivery[of], 0);
      return { inserted: sum('inserted'), duplicates: sum('duplicates'), elapsedMs };
    },
    async close() {
      await Promise.all(members.map((member) => member.close()));
    },
  };
}

function createMember(url: string, deviceId: string, { keyId, secret }: Credential) {
  const client = new Client(url, { pipelining: 1 });
  let stream = randomBytes(STREAM_BYTES);
  let next = 1;
  return {
    async sign(packed: readonly Packed[], ownStreams: boolean): Promise<SignedBatch[]> {
      const signed: SignedBatch[] = [];
      for (const { count, columns } of packed) {
        if (ownStreams) {
          stream = randomBytes(STREAM_BYTES);
          next = 1;
        }
        const queue = { recorded: next + count - 1, queued: count, quarantined: 0, gaps: 0 };
        const header = { stream, first: next, count, sentAt: Date.now(), queue, gaps: [] };
        const body = await compressBody(ENCODING, encodeBatch(header, columns));
        const head = { deviceId, keyId, timestamp: Date.now(), contentEncoding: ENCODING };
        signed.push({ head, signature: signRequest(secret, head, body), body, count });
        next += count;
      }
      return signed;
    },
    async send(batches: readonly SignedBatch[]): Promise<Omit<Delivery, 'elapsedMs'>> {
      let inserted = 0;
      let duplicates = 0;
      for (const batch of batches) {
        const {
          statusCode: status,
          headers,
          body,
        } = await client.request({
          path: '/v1/batches',
          method: 'POST',
          headers: headersOf(batch),
          body: batch.body,
        });
        const answer = new Uint8Array(await body.arrayBuffer());
        const offered = parseSignatures(headers[HEADER.signature] as string | undefined) ?? [];
        const timestamp = Number(headers[HEADER.timestamp]);
        const isSigned = verifyAnswer(
          secret,
          { status, requestSignature: batch.signature, timestamp },
          answer,
          offered,
        );
        assert(isSigned, `status ${status} without a right signature: ${Buffer.from(answer).toString()}`);
        const acknowledgement = parseAcknowledgement(answer);
        assert(status === 200 && acknowledgement, `status ${status}: ${Buffer.from(answer).toString()}`);
        assert.equal(acknowledgement.count, batch.count);
        inserted += acknowledgement.inserted;
        duplicates += acknowledgement.duplicates;
      }
      return { inserted, duplicates };
    },
    close: () => client.close(),
  };
}

function pack(workload: Workload, from: number, to: number, batchEvents: number): Packed[] {
  const packed: Packed[] = [];
  for (let at = from; at < to; at += batchEvents) {
    const count = Math.min(batchEvents, to - at);
    packed.push({ count, columns: columnsOf(workload, at, at + count) });
  }
  return packed;
}

/** The events `from` … `to` - 1 as packed columns. */
export function columnsOf(workload: Pick<Workload, 'event'>, from: number, to: number): Uint8Array {
  const builder = createTableBuilder();
  for (let at = from; at < to; at++) assert(builder.add(workload.event(at)), 'a batch takes them all');
  return encodeColumns(builder.build());
}

function headersOf({ head, signature }: SignedBatch): Record<string, string> {
  return {
    'content-type': BATCH_MEDIA_TYPE,
    'content-encoding': head.contentEncoding,
    [HEADER.device]: head.deviceId,
    [HEADER.key]: head.keyId,
    [HEADER.timestamp]: String(head.timestamp),
    [HEADER.signature]: formatSignatures([signature]),
  };
}
