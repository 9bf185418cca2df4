/**
 * Admin: who may read.
 *
 * Owns the admin token. Promises a comparison in constant time; that with a token configured every read needs it; and that
 * without one only this very machine can read, also where a page in its browser was told another name for it. Never
 * guards ingest: batches have signatures.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIPv4 } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GatewayError } from './errors.ts';

/** @throws GatewayError `token-invalid` */
export type AdminGate = (request: FastifyRequest) => void;

export function createAdminGate(app: FastifyInstance, token: string | undefined): AdminGate {
  const expected = token === undefined ? undefined : digestOf(token);
  return (request) => {
    if (expected !== undefined) {
      const offered = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1];
      if (offered !== undefined && timingSafeEqual(digestOf(offered), expected)) return;
      throw new GatewayError('token-invalid', 'reading needs the admin token: Authorization: Bearer <token>');
    }
    if (isLocal(app) && isLoopback(hostOf(request))) return;
    throw new GatewayError('token-invalid', 'reading over the network needs an admin token, and none is configured');
  };
}

/** Digests are of one length whatever the tokens are. */
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** A socket in the file system is as local as it gets. */
function isLocal(app: FastifyInstance): boolean {
  return app.addresses().every((address) => typeof address === 'string' || isLoopback(address.address));
}

/** What the client calls this server, without the port. */
function hostOf(request: FastifyRequest): string {
  return (request.headers.host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
