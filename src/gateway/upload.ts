/**
 * Upload: what a connection tells of a body on its way.
 *
 * Owns when a body counts as late, and which addresses count as one. Promises that a body which has just begun is not
 * late. Never ends a connection by itself.
 */
import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import { performance } from 'node:perf_hooks';
import { GatewayError } from './errors.ts';
import type { Upload } from './flow.ts';
import { HTTP, UPLOAD_GRACE_MS } from './limits.ts';

/** What the connection knows; whose body it is stands in the head. */
export type ConnectionUpload = Pick<Upload, 'network' | 'isLate' | 'drop'>;

export function uploadOf(request: IncomingMessage): ConnectionUpload {
  const { socket } = request;
  const begunAt = performance.now();
  const before = socket.bytesRead;
  return {
    network: networkOf(socket.remoteAddress ?? ''),
    isLate: (bytes) => isLate({ bytes, received: socket.bytesRead - before, elapsedMs: performance.now() - begunAt }),
    drop: () => void request.destroy(new GatewayError('overloaded', 'it came too slowly, and its room was wanted')),
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
