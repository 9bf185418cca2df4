/**
 * MeasuredGateway: a gateway in a process of its own that says for how long its event loop was held.
 *
 * It reads lines on standard input and answers each with a line of JSON on standard output: `begin` starts a measurement,
 * `end` says what was measured since. A hold is what the loop's own thread has run for between two turns of the loop, so
 * a machine that does something else meanwhile is not taken for a slow gateway.
 */
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { openStore } from '../../src/gateway/data.ts';
import { createGateway } from '../../src/gateway/index.ts';
import { threadMs } from './gauge.ts';

/** What one request, or whatever went on between `begin` and `end`, took. */
export interface Measured {
  /** The longest time between two turns of the event loop, in milliseconds of its thread. */
  readonly holdMs: number;
  /** All of what the thread ran for. */
  readonly cpuMs: number;
  /** Bytes by which the process grew at most. */
  readonly grownBytes: number;
}

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
let lastMs = 0;
let holdMs = 0;
let before = 0;
let most = 0;

function look(turn: number): void {
  if (!isMeasuring) return;
  const now = threadMs();
  holdMs = Math.max(holdMs, now - lastMs);
  if (turn % LOOKS === 0) most = Math.max(most, process.memoryUsage.rss());
  lastMs = threadMs();
  setImmediate(look, turn + 1);
}

function begin(): void {
  (globalThis as { gc?: () => void }).gc?.();
  before = process.memoryUsage.rss();
  most = before;
  holdMs = 0;
  begunMs = threadMs();
  lastMs = begunMs;
  isMeasuring = true;
  setImmediate(look, 1);
}

function end(): Measured {
  isMeasuring = false;
  most = Math.max(most, process.memoryUsage.rss());
  return { holdMs, cpuMs: threadMs() - begunMs, grownBytes: most - before };
}

function say(what: unknown): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

say({ port });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'begin') begin();
  say(line === 'end' ? end() : {});
}
await app.close();
await store.close();
