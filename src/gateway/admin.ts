/**
 * Admin: who may read.
 *
 * Owns the admin token and what one may be. Promises a comparison in constant time; that with a token configured every
 * read needs it; and that without one only this very machine can read, as far as the gateway knows for certain that it
 * is this machine: it listens on loopback alone and by itself, nothing says that the request was passed on, and the
 * client calls the server by a name of this machine, and is no page that was loaded from elsewhere. Never guards
 * ingest: batches have signatures.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type AddressInfo, isIPv4 } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GatewayError } from './errors.ts';
import { isOfProxy } from './proxy-headers.ts';
import { valuesOf } from './request-head.ts';

/** @throws GatewayError `token-invalid` */
export type AdminGate = (request: FastifyRequest) => void;

/** What can stand in a header as it is, and is too long to be guessed. */
const TOKEN_PATTERN = /^[\x21-\x7e]{16,512}$/;

export class AdminTokenError extends Error {
  override readonly name = 'AdminTokenError';
  readonly code = 'admin-token-invalid';
}

/** @throws AdminTokenError where this is no text that can be an admin token: 16 to 512 visible characters of ASCII */
export function assertAdminToken(token: unknown): asserts token is string {
  if (typeof token === 'string' && TOKEN_PATTERN.test(token)) return;
  throw new AdminTokenError(
    'an admin token is 16 to 512 characters of ASCII without spaces; `openssl rand -hex 32` makes a good one',
  );
}

/** @throws AdminTokenError */
export function createAdminGate(app: FastifyInstance, token: string | undefined): AdminGate {
  if (token !== undefined) assertAdminToken(token);
  const expected = token === undefined ? undefined : digestOf(token);
  return (request) => {
    if (expected !== undefined) {
      const offered = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1];
      if (offered === undefined) throw refusal('reading needs the admin token: Authorization: Bearer <token>');
      if (!timingSafeEqual(digestOf(offered), expected)) throw refusal('this is not the admin token');
      return;
    }
    const reason = reasonToRefuse(app, request);
    if (reason !== undefined) throw refusal(`${reason}: reading needs an admin token, and none is configured`);
  };
}

function refusal(message: string): GatewayError {
  return new GatewayError('token-invalid', message);
}

/** Digests are of one length whatever the tokens are. */
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Why this request may come from elsewhere; undefined where it is from this machine for certain. */
function reasonToRefuse(app: FastifyInstance, { raw }: FastifyRequest): string | undefined {
  if (!isOurLoopback(app, raw.socket)) return 'the gateway does not listen on loopback alone';
  // What passes requests on often speaks the older version, and may say nothing else of itself.
  // And a whole URL where the path is to stand is what a client sends to a proxy.
  if (raw.httpVersion === '1.0' || !raw.url?.startsWith('/') || Object.keys(raw.headers).some(isOfProxy)) {
    return 'the request was passed on';
  }
  const [host, ...more] = valuesOf(raw, 'host');
  if (host === undefined || more.length > 0 || !isNameOfLoopback(nameOf(host))) {
    return 'the gateway was called by another name';
  }
  // A browser says where the page is from that asks, older ones and web views by its address alone; others say nothing.
  const sites = valuesOf(raw, 'sec-fetch-site');
  const pages = [...valuesOf(raw, 'origin'), ...valuesOf(raw, 'referer')];
  const isOurs =
    sites.every((site) => site === 'same-origin' || site === 'none') && pages.every((at) => isAt(at, host));
  return isOurs ? undefined : 'a page of another site asks';
}

/** Whether a page is on the host that is asked; `null` is on none. */
function isAt(page: string, host: string): boolean {
  if (!URL.canParse(page)) return false;
  const { protocol, host: at } = new URL(page);
  const asked = `${protocol}//${host}`;
  return /^https?:$/.test(protocol) && URL.canParse(asked) && at === new URL(asked).host;
}

/**
 * Whether the connection came to an address on which the gateway itself listens, and it listens on loopback alone.
 * Mounted in another server it listens on none; and who writes to a socket in the file system is mostly a proxy.
 */
function isOurLoopback(app: FastifyInstance, { localAddress, localPort }: FastifyRequest['raw']['socket']): boolean {
  const addresses = app.addresses();
  return (
    addresses.every(isLoopbackAddress) &&
    addresses.some((at) => typeof at !== 'string' && at.address === localAddress && at.port === localPort)
  );
}

export function isLoopbackAddress(address: AddressInfo | string): boolean {
  return typeof address !== 'string' && (address.address === '::1' || isLoopbackIPv4(address.address));
}

/** What the client calls this server, without the port. */
function nameOf(host: string): string {
  return host.replace(/:\d+$/, '');
}

function isNameOfLoopback(name: string): boolean {
  return name === 'localhost' || name === '[::1]' || isLoopbackIPv4(name);
}

function isLoopbackIPv4(text: string): boolean {
  return isIPv4(text) && text.startsWith('127.');
}
