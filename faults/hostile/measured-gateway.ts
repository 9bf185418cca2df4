/**
 * MeasuredGateway: a gateway in a process of its own that says for how long its event loop was held.
 *
 * It reads lines on standard input and answers each with a line of JSON on standard output: `begin` starts a
 * measurement, `end` says what was measured since. A hold is what the loop's own thread has run for between two turns
 * of the loop, so a machine that does something else meanwhile is not taken for a slow gateway. V8's collections, which
 * come when they come, are told apart.
 */
import type { AddressInfo } from 'node:net';
import { PerformanceObserver, performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '../../src/gateway/data.ts';
import { createGateway } from '../../src/gateway/index.ts';
import { threadMs } from './gauge.ts';

/** What one request, or whatever went on between `begin` and `end`, took. */
export interface Measured {
  /** The longest time between two turns of the event loop, in milliseconds of its thread. */
  readonly holdMs: number;
  /** The same without V8's collections in it. */
  readonly workMs: number;
  /** All of what the thread ran for. */
  readonly cpuMs: number;
  /** Bytes by which the process grew at most. */
  readonly grownBytes: number;
}

/** Less holds nobody. */
const LONG_MS = 2;

/** Turns between two looks at the memory, each of which takes some microseconds. */
const LOOKS = 16;

const [folder, secretHex] = process.argv.slice(2) as [string, string];
const secret = Buffer.from(secretHex, 'hex');
const store = await openStore(folder);
const keys = { lookup: () => ({ secret, revoked: false }) };
const app = await createGateway({ store, keys });
await app.listen({ host: '127.0.0.1', port: 0 });
const [{ port }] = app.addresses() as [AddressInfo];

let isMeasuring = false;
let begunMs = 0;
let last: Instant = { ms: 0, at: 0 };
let before = 0;
let most = 0;
/** The turns of the loop that took long. */
let long: { readonly from: number; readonly to: number; readonly ms: number }[] = [];
let collections: { readonly from: number; readonly to: number }[] = [];

/** What the thread has run for, and the time, both in milliseconds. */
interface Instant {
  readonly ms: number;
  readonly at: number;
}

new PerformanceObserver((list) => {
  for (const { startTime: from, duration } of list.getEntries()) collections.push({ from, to: from + duration });
}).observe({ entryTypes: ['gc'] });

function now(): Instant {
  return { ms: threadMs(), at: performance.now() };
}

function look(turn: number): void {
  if (!isMeasuring) return;
  const { ms, at } = now();
  if (ms - last.ms > LONG_MS) long.push({ from: last.at, to: at, ms: ms - last.ms });
  if (turn % LOOKS === 0) most = Math.max(most, process.memoryUsage.rss());
  last = now();
  setImmediate(look, turn + 1);
}

function begin(): void {
  (globalThis as { gc?: () => void }).gc?.();
  before = process.memoryUsage.rss();
  most = before;
  long = [];
  collections = [];
  last = now();
  begunMs = last.ms;
  isMeasuring = true;
  setImmediate(look, 1);
}

async function end(): Promise<Measured> {
  isMeasuring = false;
  const cpuMs = threadMs() - begunMs;
  most = Math.max(most, process.memoryUsage.rss());
  // Node tells of a collection a moment later.
  await sleep(5);
  const worked = long.map(({ from, to, ms }) => ms - collectingMs(from, to));
  return {
    holdMs: Math.max(0, ...long.map(({ ms }) => ms)),
    workMs: Math.max(0, ...worked),
    cpuMs,
    grownBytes: most - before,
  };
}

/** Milliseconds of a time in which V8 collected. */
function collectingMs(from: number, to: number): number {
  return collections.reduce((sum, one) => sum + Math.max(0, Math.min(to, one.to) - Math.max(from, one.from)), 0);
}

function say(what: unknown): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

say({ port });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'begin') begin();
  say(line === 'end' ? await end() : {});
}
await app.close();
await store.close();
