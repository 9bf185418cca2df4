/**
 * Keyed: devices with a key, and those who may read, at their worst.
 *
 * Owns batches that are small on the wire and costly in what is kept of them, and every read route over what they left.
 * They go to a gateway in a process of its own, which says how long each held its event loop and how much memory it
 * took. Promises that what seems to hold it is done again before it counts, and that at the end every event is counted
 * once.
 */
import { encode } from '@msgpack/msgpack';
import { HOLD_RULE_MS, megabytes } from './gauge.ts';
import { Breach } from './kind.ts';
import { startMeasured } from './measured-process.ts';

export const KEYED = 'devices with a key, and readers, at their worst';

/** What one request may take beyond what the gateway has: 64 MiB is the rule, and a heap shrinks late. */
const GROWN_MAX_BYTES = 80 * 2 ** 20;

/** A machine that does something else meanwhile, or code that runs for the first time, takes longer. */
const ATTEMPTS_MAX = 3;

const HOUR_MS = 3_600_000;
const EPOCH_MS = 600 * 32 * 24 * HOUR_MS;
const CONSTANT = Uint8Array.of(0x10, 2);
const CONSTANT_ZERO = Uint8Array.of(0x10, 0);
const DEVICES = 20;
/** Their pages would fill the heap, were they all held in memory as they are there. */
const SPREAD_DEVICES = 6;

/** The steepest of what was measured, in words. */
export async function weighKeyed(
  folder: string,
  stream: () => Uint8Array,
  struck: (name: string) => void,
): Promise<string> {
  const gateway = await startMeasured(folder);
  let holdMs = 0;
  let grownBytes = 0;
  let events = 0;
  const weigh = async (name: string, work: () => Promise<void>): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      const measured = await gateway.measure(name, work);
      grownBytes = Math.max(grownBytes, measured.grownBytes);
      const isHeld = measured.holdMs > HOLD_RULE_MS;
      const isLarge = measured.grownBytes > GROWN_MAX_BYTES;
      if ((isHeld || isLarge) && attempt < ATTEMPTS_MAX) continue;
      struck(KEYED);
      holdMs = Math.max(holdMs, measured.holdMs);
      if (isHeld) throw new Breach(`${name}: the event loop was held for ${Math.round(measured.holdMs)} ms`);
      if (isLarge) throw new Breach(`${name}: ${megabytes(measured.grownBytes)} more`);
      return;
    }
  };
  try {
    const send = async ({ deviceId, make, refusal }: Costly): Promise<void> => {
      const brought = await gateway.send(deviceId, make(stream()), refusal);
      events += brought;
    };
    for (const { name, batches, areTogether } of burdens()) {
      await weigh(name, async () => {
        if (areTogether) await Promise.all(batches.map(send));
        else for (const batch of batches) await send(batch);
      });
    }
    for (const path of reads()) await weigh(path, () => gateway.read(path));
    await weigh('forty who read at once', async () => {
      const paths = reads().filter((path) => !path.includes('/events'));
      await Promise.all(Array.from({ length: 40 }, (_, i) => gateway.read(paths[i % paths.length]!)));
    });
    const counted = await gateway.events();
    if (counted !== events) throw new Breach(`${counted} events in all, not ${events}`);
  } finally {
    await gateway.stop();
  }
  return `the event loop was held for ${Math.ceil(holdMs)} ms at most, with ${megabytes(grownBytes)} more memory`;
}

/** What is measured together. */
interface Burden {
  readonly name: string;
  readonly batches: readonly Costly[];
  /** Sent at once, and not one after another. */
  readonly areTogether?: boolean;
}

interface Costly {
  readonly deviceId: string;
  /** The code that it is refused with. */
  readonly refusal?: string;
  make(stream: Uint8Array): Uint8Array;
}

function* burdens(): Generator<Burden, void, void> {
  const alone = (name: string, batch: Costly): Burden => ({ name, batches: [batch] });
  // Each in a page of its own, with names that come in four sets in turn.
  for (let round = 0; round < 4 * SPREAD_DEVICES; round++) {
    const times = steps(500, 4 * HOUR_MS, EPOCH_MS);
    const make = (stream: Uint8Array) => batchOf(stream, 500, times, constants(128, `${round % 4}_`));
    yield alone('events four hours apart of ever other measures', { deviceId: `spread-${round >> 2}`, make });
  }
  // Whole pages of 512 measures, into which what is earlier comes later.
  for (let round = 0; round < 8; round++) {
    const times = steps(240, 60_000, EPOCH_MS + 1_000 * (8 - round));
    const make = (stream: Uint8Array) => batchOf(stream, 240, times, constants(128, `${round % 4}_`));
    yield alone('whole pages of ever other measures', { deviceId: 'wide', make });
  }
  const names = Array.from({ length: 20 }, (_, part) => ({
    deviceId: 'names',
    make: (stream: Uint8Array) => manyNames(stream, part),
  }));
  yield { name: 'sensors of ever other measures', batches: names };
  yield alone('sums of gaps of 800 digits', { deviceId: 'gaps', make: gapSums });
  const long = Array.from({ length: 128 }, (_, i) => [`t${i}`, 1, null, ['\u0001'.repeat(4_096)], CONSTANT_ZERO]);
  const texts = (stream: Uint8Array) => batchOf(stream, 8, steps(8, 1, EPOCH_MS), long);
  yield alone('texts that are six times as long when they are told', { deviceId: 'texts', make: texts });
  const devices = Array.from({ length: 4 * DEVICES }, (_, i) => ({
    deviceId: `many-${i >> 2}`,
    make: (stream: Uint8Array) =>
      batchOf(stream, 1, steps(1, 1, EPOCH_MS + (i & 3)), constants(128, `measure.${i & 3}.`)),
  }));
  yield { name: 'devices of 512 measures', batches: devices };
  yield* fatMinutes();
  const holes = Array.from({ length: 50 }, (_, i) => ({
    deviceId: 'holes',
    make: () => batchOf(Buffer.alloc(16, 9), 1, steps(1, 1, EPOCH_MS), constants(1, 'm'), { first: 2 * i + 1 }),
  }));
  yield { name: 'single events at every other sequence', batches: holes };
}

/** Minutes of 512 measures whose sums have 633 digits, and what comes into them later. */
function* fatMinutes(): Generator<Burden, void, void> {
  const minutes = 120;
  for (let round = 0; round < 8; round++) {
    const times = steps(2 * minutes, 30_000, EPOCH_MS + (round >> 2) * minutes * 60_000);
    const fields = Array.from({ length: 128 }, (_, i) => [`${round % 4}_${i}`, 0, null, longSums(2 * minutes)]);
    const make = (stream: Uint8Array) => batchOf(stream, 2 * minutes, times, fields);
    yield { name: 'minutes of 512 sums of 633 digits', batches: [{ deviceId: 'fat', make }] };
  }
  const one = (minute: number): Costly => ({
    deviceId: 'fat',
    make: (stream) => batchOf(stream, 1, steps(1, 1, EPOCH_MS + minute * 60_000), constants(1, '0_')),
  });
  for (const minute of [239, 0, 119, 120, 60]) {
    yield { name: 'an event into a minute of 512 sums of 633 digits', batches: [one(minute)] };
  }
  const many = (from: number, count: number): Costly => ({
    deviceId: 'fat',
    make: (stream) => batchOf(stream, count, steps(count, 60_000, EPOCH_MS + from * 60_000), constants(1, '0_')),
  });
  const name = 'events into very many such minutes';
  yield { name: `${name}, refused`, batches: [{ ...many(0, 240), refusal: 'batch-limit' }] };
  yield { name, batches: [many(0, 60), many(60, 60), many(120, 60), many(180, 60)] };
  const batches = Array.from({ length: 20 }, (_, i) => many(12 * i, 12));
  yield { name: `${name}, twenty batches at once`, batches, areTogether: true };
}

function reads(): string[] {
  const over = `from=${EPOCH_MS}&to=${EPOCH_MS + 10_000 * 60_000}`;
  const years = `granularity=hour&from=${EPOCH_MS}&to=${EPOCH_MS + 10_000 * HOUR_MS}`;
  const ofDevice = ['spread-0', 'wide', 'fat', 'names', 'gaps', 'texts', 'holes'].flatMap((id) =>
    ['', '/buckets', `/buckets?${over}`, `/buckets?${years}`, '/buckets?measure=volume', '/events'].map(
      (path) => `/v1/devices/${id}${path}`,
    ),
  );
  return ['/v1/totals', '/v1/devices?limit=1000', '/v1/devices?measure=volume', '/metrics', ...ofDevice];
}

function batchOf(
  stream: Uint8Array,
  count: number,
  times: Uint8Array,
  fields: readonly unknown[],
  { first = 1, gaps = [], sensors = ['s'], order = null }: Record<string, unknown> = {},
): Uint8Array {
  const columns = [count, sensors, order, times, fields];
  return encode({ v: 1, stream, first, count, sent: 0, queue: [0, 0, 0, 0], gaps, columns });
}

/** Twenty sensors, each with 25 measures that no other has. */
function manyNames(stream: Uint8Array, part: number): Uint8Array {
  const fields = Array.from({ length: 500 }, (_, i) => {
    const sensor = Math.floor(i / 25);
    const present = Buffer.alloc(3);
    present[sensor >> 3] = 1 << (sensor & 7);
    return [`n${500 * part + i}`, 0, present, 0, CONSTANT, null, null, null];
  });
  const sensors = Array.from({ length: 20 }, (_, i) => `s${20 * part + i}`);
  return batchOf(stream, 20, steps(20, 1, EPOCH_MS), fields, { sensors, order: steps(20, 1, 0) });
}

function gapSums(stream: Uint8Array): Uint8Array {
  const digits = `${'9'.repeat(400)}.${'9'.repeat(400)}`;
  const sums = Object.fromEntries(Array.from({ length: 512 }, (_, i) => [`m${i}`, digits]));
  const gaps = Array.from({ length: 16 }, (_, i) => [2 * i + 1, 2 * i + 1, 'quota', sums]);
  return batchOf(stream, 0, Uint8Array.of(0), [], { gaps, sensors: [] });
}

/** The greatest and the least value in turn, as bytes of doubles, each place by itself: their sum has 633 digits. */
function longSums(count: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  const planes = new Uint8Array(8 * count);
  for (let i = 0; i < count; i++) {
    bytes.writeDoubleLE(i % 2 === 0 ? Number.MAX_VALUE : Number.MIN_VALUE);
    for (let place = 0; place < 8; place++) planes[place * count + i] = bytes[place]!;
  }
  return planes;
}

function constants(many: number, prefix: string): unknown[] {
  return Array.from({ length: many }, (_, i) => [`${prefix}${i}`, 0, null, 0, CONSTANT, null, null, null]);
}

/** `from`, and so many steps on from it: an integer column of first differences, in varints. */
function steps(count: number, step: number, from: number): Uint8Array {
  const bytes = [0x1f];
  for (let i = 0; i < count; i++) {
    let rest = 2 * (i === 0 ? from : step);
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
    bytes.push(rest);
  }
  return Uint8Array.from(bytes);
}
