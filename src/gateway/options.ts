/**
 * Options: what a program may give to `createGateway`, checked before anything is opened.
 *
 * Promises that what cannot be right is refused by name with a stable code, also where no compiler has looked. Never
 * quotes a value: it may be a token or a private key.
 */
import { createSecureContext } from 'node:tls';
import { printable } from '../cli/index.ts';

/** `options-invalid`: an option is missing, unknown, or of another kind than it must be; the message names it. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
  readonly code = 'options-invalid';
}

const NAMES = ['data', 'store', 'keys', 'adminToken', 'tls', 'limits', 'clock', 'logger'];

/** @throws OptionsError */
export function checkOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null) {
    throw new OptionsError('createGateway wants an object with data, or with store and keys');
  }
  checkNames('option', options, NAMES);
  const given = options as Readonly<Record<string, unknown>>;
  const { data, store, keys, adminToken, clock, logger } = given;
  if (data === undefined) {
    if (!hasMethods(store, 'page', 'devices'))
      throw new OptionsError('option data must name a directory; it is missing');
    if (!hasMethods(keys, 'lookup')) throw new OptionsError('option keys must be a key ring; store is of no use alone');
  } else if (typeof data !== 'string' || !/^[^\0]+$/.test(data)) {
    throw new OptionsError('option data must name a directory');
  }
  if (adminToken !== undefined && typeof adminToken !== 'string')
    throw new OptionsError('option adminToken must be a text');
  if (clock !== undefined && typeof clock !== 'function') throw new OptionsError('option clock must be a function');
  if (logger !== undefined && !hasMethods(logger, 'child', 'info', 'error')) {
    throw new OptionsError('option logger must be a pino logger');
  }
  checkTls(given['tls']);
}

/** @throws OptionsError where one is no number, or no limit of this name is known */
export function checkLimitNames(limits: unknown, known: readonly string[]): void {
  if (typeof limits !== 'object' || limits === null) throw new OptionsError('option limits must be an object');
  checkNames('limit', limits, known);
  for (const [name, value] of Object.entries(limits)) {
    if (typeof value !== 'number' || !(value >= 0))
      throw new OptionsError(`limit ${name} must be a number, at least 0`);
  }
}

function checkNames(what: string, object: object, known: readonly string[]): void {
  for (const name of Object.keys(object)) {
    if (!known.includes(name))
      throw new OptionsError(`${what} ${printable(name)} is not known; known are ${known.join(', ')}`);
  }
}

function checkTls(tls: unknown): void {
  if (tls === undefined) return;
  const { cert, key } = Object(tls) as { readonly cert?: unknown; readonly key?: unknown };
  if (typeof cert !== 'string' || typeof key !== 'string')
    throw new OptionsError('option tls must hold the PEM texts cert and key');
  try {
    createSecureContext({ cert, key });
  } catch {
    throw new OptionsError('option tls: cert and key must be a PEM certificate and its private key');
  }
}

function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
  );
}
