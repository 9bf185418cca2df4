/**
 * The kinds of value that a setting can have, as schemas over what a person writes.
 *
 * Owns the notation: `250ms`, `64KiB`, `127.0.0.1:8080`. Promises that every schema accepts both the text of a flag or
 * an environment variable and the JSON of a config file, and that its message says what was expected. Never guesses a
 * unit: a duration without one is refused.
 */
import assert from 'node:assert/strict';
import { z } from 'zod';

const DURATION_UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE_UNITS = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };

/** Both ends are allowed values. */
export interface Bounds<T> {
  readonly min?: T;
  readonly max?: T;
}

/** Where a server listens. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** A length of time with its unit, bounds in the same notation. Gives milliseconds, possibly with a fraction. */
export function duration(bounds: Bounds<string> = {}): z.ZodType<number> {
  return quantity('a duration such as 250ms, 5s, 1m, 2h or 7d', readDuration, bounds);
}

/** A number of bytes, with or without a unit; bounds in the same notation. Gives whole bytes. */
export function size(bounds: Bounds<string> = {}): z.ZodType<number> {
  return quantity('a size such as 512, 64KiB or 1MB', readSize, bounds);
}

/** A whole number. Without bounds any safe integer. */
export function integer(bounds: Bounds<number> = {}): z.ZodType<number> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = bounds;
  return parsed(`a whole number${boundsText(bounds)}`, (raw) => {
    const value = typeof raw === 'string' && /^[+-]?\d+$/.test(raw) ? Number(raw) : raw;
    return Number.isSafeInteger(value) && within(value as number, min, max) ? (value as number) : undefined;
  });
}

/** An absolute http or https address. One with a user name or password is refused: secrets are never arguments. */
export function httpUrl(): z.ZodType<URL> {
  return parsed('an http:// or https:// address without user name, query or fragment', (raw) => {
    if (typeof raw !== 'string' || !URL.canParse(raw)) return undefined;
    const url = new URL(raw);
    const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
    return plain && (url.protocol === 'http:' || url.protocol === 'https:') ? url : undefined;
  });
}

/** `HOST:PORT`, `[IPV6]:PORT`, or a bare `PORT`, which stays on loopback. Port 0 takes a free one. */
export function listenAddress(): z.ZodType<ListenAddress> {
  return parsed('an address such as 127.0.0.1:8080, [::1]:8080 or 8080', (raw) => {
    const parts = /^(?:(?:\[([\da-f:.]+)\]|([\w.-]+)):)?(\d{1,5})$/i.exec(written(raw));
    if (parts === null || Number(parts[3]) > 65_535) return undefined;
    return { host: parts[1] ?? parts[2] ?? '127.0.0.1', port: Number(parts[3]) };
  });
}

/** Text that is not empty; the name of a file or folder, an id. */
export function text(): z.ZodType<string> {
  return parsed('text', (raw) => (typeof raw === 'string' && raw !== '' ? raw : undefined));
}

/** One of the given words. */
export function choice<const T extends string>(...words: readonly T[]): z.ZodType<T> {
  return parsed(`one of ${words.join(', ')}`, (raw) => words.find((word) => word === raw));
}

/** A switch: a flag without a value, `true`/`false` in a file, and also `1`/`0` in the environment. */
export function toggle(): z.ZodType<boolean> {
  const meanings = new Map<unknown, boolean>([
    [true, true],
    ['true', true],
    ['1', true],
    [false, false],
    ['false', false],
    ['0', false],
  ]);
  return parsed('true or false', (raw) => meanings.get(raw));
}

function quantity(expected: string, read: (raw: unknown) => number | undefined, bounds: Bounds<string>) {
  const limit = (notation: string) => {
    const value = read(notation);
    assert(value !== undefined, `the bound ${notation} is not ${expected}`);
    return value;
  };
  const min = bounds.min === undefined ? 0 : limit(bounds.min);
  const max = bounds.max === undefined ? Number.MAX_SAFE_INTEGER : limit(bounds.max);
  return parsed(`${expected}${boundsText(bounds)}`, (raw) => {
    const value = read(raw);
    return value !== undefined && within(value, min, max) ? value : undefined;
  });
}

function readDuration(raw: unknown): number | undefined {
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(written(raw));
  return parts === null ? undefined : Number(parts[1]) * DURATION_UNITS[parts[2] as keyof typeof DURATION_UNITS];
}

function readSize(raw: unknown): number | undefined {
  const parts = /^(\d+(?:\.\d+)?) ?((?:[kmg]i?)?b)?$/i.exec(written(raw));
  if (parts === null) return undefined;
  const unit = SIZE_UNITS[(parts[2] ?? 'b').toLowerCase() as keyof typeof SIZE_UNITS];
  return Math.round(Number(parts[1]) * unit);
}

/** A value as somebody wrote it. A config file may hold anything, and not everything has a text. */
function written(raw: unknown): string {
  return typeof raw === 'string' || typeof raw === 'number' ? String(raw) : '';
}

function boundsText({ min, max }: Bounds<string | number>): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return `, at least ${min}`;
  return max === undefined ? '' : `, at most ${max}`;
}

function within(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}

function parsed<T>(expected: string, read: (raw: unknown) => T | undefined): z.ZodType<T> {
  return z.unknown().transform((raw, context) => {
    const value = read(raw);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `expected ${expected}` });
    return z.NEVER;
  });
}
