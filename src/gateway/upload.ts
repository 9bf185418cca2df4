/**
 * Upload: what a connection tells of a body on its way.
 *
 * Owns when a body counts as late, and which addresses count as one. Promises that a body which has just begun is not
 * late. Never ends a connection by itself.
 */
import { isIPv6, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Upload } from './flow.ts';
import { HTTP, UPLOAD_GRACE_MS } from './limits.ts';

/** What the connection knows; whose body it is stands in the head. */
export type ConnectionUpload = Pick<Upload, 'network' | 'isLate' | 'drop'>;

/** Of a body that begins now. */
export function paceOf(socket: Socket): Omit<ConnectionUpload, 'drop'> {
  const begunAt = performance.now();
  const before = socket.bytesRead;
  return {
    network: networkOf(socket.remoteAddress ?? ''),
    isLate: (bytes) => isLate({ bytes, received: socket.bytesRead - before, elapsedMs: performance.now() - begunAt }),
  };
}

/** Whether at its pace, after the first seconds, a body will not be whole when the request's time is over. */
export function isLate(progress: {
  readonly bytes: number;
  readonly received: number;
  readonly elapsedMs: number;
}): boolean {
  const { bytes, received, elapsedMs } = progress;
  return received * (HTTP.requestTimeoutMs - UPLOAD_GRACE_MS) < bytes * (elapsedMs - UPLOAD_GRACE_MS);
}

/** Whoever has one IPv6 address has the 2^64 beside it as well. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [head = '', tail] = address.split('%', 1)[0]!.toLowerCase().split('::');
  const groups = head === '' ? [] : head.split(':');
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length);
  return [...groups, ...Array<string>(Math.max(0, missing)).fill('0'), ...(tail ?? '').split(':')]
    .slice(0, 4)
    .join(':');
}
