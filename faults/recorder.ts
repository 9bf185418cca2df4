/**
 * Recorder: the device that campaigns attack, a program around the library as a user would write it.
 *
 * Owns the journal's writing: with one system call each, an attempt before `record()` is called, and its end before
 * anything else learns of it. Promises to record as fast as the disk takes, in bursts of random size, while it drains.
 * SIGTERM has it record no more and drain. Its standard error says what it is at, a line of JSON each.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownTask } from '../rig/programs.ts';
import { createRandom } from '../rig/random.ts';
import { type DeviceOptions, openDevice, type Receipt } from '../src/device/index.ts';
import type { AttemptLine, JournalLine, ResolvedLine } from './oracle/journal.ts';
import { type Reading, telemetry } from './telemetry.ts';

export interface RecorderTask {
  readonly options: Pick<DeviceOptions, 'id' | 'data'> & {
    readonly gateway: string;
  } & Partial<Omit<DeviceOptions, 'gateway' | 'credential' | 'ca'>>;
  readonly secretFile: string;
  readonly caFile?: string;
  readonly journal: string;
  readonly seed: number;
  /** Serial of the first event; the caller sees to it that none comes twice. */
  readonly serial: number;
  /** How many to record before draining; null for no end. */
  readonly events: number | null;
  /** The longest pause between bursts, milliseconds. Default 4. */
  readonly pauseMaxMs?: number;
  /** The most events of a burst. Default 64. */
  readonly burstMax?: number;
  /** Epoch milliseconds around which event times lie. */
  readonly around: number;
  /** As `telemetry` has it. */
  readonly strays?: number;
  readonly scatter?: number;
  /** How many of the events that are recorded one by one have no time of their own, from 0 to 1. Default 0. */
  readonly timeless?: number;
  /** Has what is in quarantine sent again, meanwhile. */
  readonly retryQuarantine?: boolean;
  /** Decides every stream: two starts with the same dice begin the same one. Default: no two streams are alike. */
  readonly dice?: number;
}

const STREAM_BYTES = 16;

const task = ownTask<RecorderTask>();
const { seed, serial, events, around, strays = 0, scatter = 0, timeless = 0, pauseMaxMs = 4, burstMax = 64 } = task;
const random = createRandom(seed);
const dice = task.dice === undefined ? undefined : createRandom(task.dice);
const journal = openSync(task.journal, 'a', 0o600);
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());

/** Where `clock/warp.mjs` was preloaded. */
const { warpedClock } = globalThis as { readonly warpedClock?: () => number };
const clock = warpedClock ?? Date.now;

write([{ kind: 'opened' }]);
const device = await openDevice({
  ...task.options,
  ...(warpedClock !== undefined && { clock: warpedClock }),
  randomBytes: (count) => (count === STREAM_BYTES ? streamBytes() : randomBytes(count)),
  credential: (await readFile(task.secretFile, 'utf8')).trim(),
  ...(task.caFile !== undefined && { ca: await readFile(task.caFile) }),
});
let acknowledged = 0;
let hasResolved = false;
device.on('acknowledged', ({ inserted }) => {
  acknowledged += inserted;
  if (inserted > 0) say({ acknowledged });
});
device.on('fault', (error) => say({ fault: (error as { code?: string }).code ?? error.message }));
device.on('link', ({ state, code }) => say({ link: state, code }));
say({ opened: device.status().queued.events });

const retried = task.retryQuarantine ? device.retryQuarantine() : undefined;
const source = telemetry({ random, serial, around, strays, scatter });
let left = events ?? Number.POSITIVE_INFINITY;
let refused = 0;
let allSettled: Promise<unknown> = Promise.resolve();
while (left > 0 && !stop.signal.aborted) {
  const burst = Array.from({ length: Math.min(left, 1 + Math.floor(random() * burstMax)) }, () => source.next().value);
  left -= burst.length;
  const isTogether = random() < 0.3;
  const attempts = isTogether || timeless === 0 ? burst : burst.map(withoutTime);
  write(attempts);
  const settled = isTogether ? [recordTogether(burst)] : attempts.map(recordOne);
  allSettled = Promise.all([allSettled, ...settled]).then(() => {});
  // Not every burst is waited for, so that commits are shared.
  if (random() < 0.5) await Promise.all(settled);
  else await sleep(random() * pauseMaxMs);
  // A disk that refuses is not asked again at once.
  if (refused > 0) await sleep(50);
  refused = 0;
}
await retried;
await allSettled;
say({ recorded: device.status().queued.events });
await device.drain();
say({ drained: device.status() });
await device.close();
closeSync(journal);
process.exit();

async function recordOne(event: AttemptLine): Promise<void> {
  try {
    const { stream, sequence } = await (event.ts === null ? recordTimeless(event) : recordTimed(event, event.ts));
    resolve([{ kind: 'resolved', serial: event.serial, stream, sequence }]);
  } catch (error) {
    reject([event], error);
  }
}

function recordTimed(event: AttemptLine, at: number): Promise<Receipt> {
  return device.record(fieldsOf(event), { at, sensor: event.sensor });
}

/** No signal is heard between the three, so the clock is set before or after them. */
function recordTimeless(event: AttemptLine): Promise<Receipt> {
  const from = clock();
  const recording = device.record(fieldsOf(event), { sensor: event.sensor });
  write([{ kind: 'clocked', serial: event.serial, from, to: clock() }]);
  return recording;
}

function withoutTime(event: Reading): AttemptLine {
  return random() < timeless ? { ...event, ts: null } : event;
}

async function recordTogether(burst: readonly Reading[]): Promise<void> {
  try {
    const rows = burst.map((event) => ({ ts: event.ts, sensor: event.sensor, fields: fieldsOf(event) }));
    const { stream, sequence } = await device.recordAll(rows);
    resolve(burst.map((event, i) => ({ kind: 'resolved', serial: event.serial, stream, sequence: sequence + i })));
  } catch (error) {
    reject(burst, error);
  }
}

/** The first is said, for who waits for it. */
function resolve(lines: readonly ResolvedLine[]): void {
  write(lines);
  if (!hasResolved) say({ resolved: lines[0]?.serial });
  hasResolved = true;
}

function reject(burst: readonly AttemptLine[], error: unknown): void {
  refused += burst.length;
  const { code } = error as { code?: unknown };
  // A failure without a code is a bug: it ends the process, and the campaign with it.
  if (typeof code !== 'string') throw error;
  write(burst.map((event) => ({ kind: 'rejected', serial: event.serial, code })));
}

/** Known to the journal before anything is recorded under it. */
function streamBytes(): Uint8Array {
  const bytes = dice ? Uint8Array.from({ length: STREAM_BYTES }, () => dice() * 256) : randomBytes(STREAM_BYTES);
  write([{ kind: 'stream', stream: Buffer.from(bytes).toString('hex') }]);
  return bytes;
}

function fieldsOf({ measures, notes }: AttemptLine): Record<string, number | string | boolean> {
  const numbers = Object.entries(measures).map(([name, text]) => [name, Number(text)] as const);
  return { ...Object.fromEntries(numbers), ...notes };
}

function write(lines: readonly JournalLine[]): void {
  writeSync(journal, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

function say(what: object): void {
  process.stderr.write(`${JSON.stringify(what)}\n`);
}
