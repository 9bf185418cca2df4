/**
 * WireBytes: what this process sends and receives over TCP, by the counters of its own sockets.
 *
 * Owns the count over every connection that this process opens, whichever library opens it: Node tells of each.
 * Promises that headers, acknowledgements and handshakes are counted, in both directions, at no cost to what is
 * measured. Never counts what the kernel adds: headers of TCP and IP, and repeated segments.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

export interface WireBytes {
  readonly sent: number;
  readonly received: number;
}

/** From now on; what it gives says how much so far. */
export function countWireBytes(): () => WireBytes {
  const sockets: Socket[] = [];
  subscribe('net.client.socket', (message) => void sockets.push((message as { readonly socket: Socket }).socket));
  return () => ({
    sent: sockets.reduce((bytes, socket) => bytes + socket.bytesWritten, 0),
    received: sockets.reduce((bytes, socket) => bytes + socket.bytesRead, 0),
  });
}

export function wireBytesSince(before: WireBytes, after: WireBytes): WireBytes {
  return { sent: after.sent - before.sent, received: after.received - before.received };
}
