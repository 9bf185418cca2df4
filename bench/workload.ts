/**
 * Workload: the synthetic events that every figure is measured on.
 *
 * Owns what they look like: a pump station whose three sensors are read once a second by a timer that is a millisecond
 * or two late now and then; `volume` has two places and a tenth of noise on a slow wave, `temperature` one place and
 * little to say. Promises the same events for the same options, and totals that come from the integers which the values
 * were made of. Never reads a clock.
 */
import type { TelemetryEvent } from '../src/codec/index.ts';
import { decimalText, type Totals } from './totals.ts';

export interface WorkloadOptions {
  readonly events: number;
  /** Where time begins, in seconds behind the epoch of all workloads: later runs are made of later events. */
  readonly startSeconds?: number;
}

export interface Workload {
  readonly count: number;
  /** How long all of it took, seconds. */
  readonly durationSeconds: number;
  /** The event at a place, 0 to `count` - 1. */
  event(at: number): TelemetryEvent;
  /** What the events `from` … `to` - 1 come to. */
  totals(from?: number, to?: number): Totals;
}

const EPOCH_MS = Date.UTC(2026, 0, 5);
const SENSORS = ['inlet', 'outlet', 'tank'];
const SEED = 0x71de;

export function createWorkload({ events, startSeconds = 0 }: WorkloadOptions): Workload {
  const random = createRandom(SEED + startSeconds);
  const times = new Float64Array(events);
  /** Hundredths and tenths. */
  const volumes = new Int32Array(events);
  const temperatures = new Int32Array(events);
  const volume = SENSORS.map((_, sensor) => 900 + 400 * sensor);
  const temperature = SENSORS.map((_, sensor) => 140 + 30 * sensor);
  for (let at = 0; at < events; at++) {
    const sensor = at % SENSORS.length;
    const second = startSeconds + Math.floor(at / SENSORS.length);
    const late = random();
    times[at] = EPOCH_MS + second * 1_000 + (late < 0.8 ? 0 : late < 0.95 ? 1 : 2);
    volume[sensor] = Math.max(0, volume[sensor]! + Math.floor(random() * 3) - 1);
    const drift = random();
    if (drift < 0.2) temperature[sensor]! += drift < 0.1 ? 1 : -1;
    volumes[at] = volume[sensor]! + Math.floor(random() * 21);
    temperatures[at] = temperature[sensor]!;
  }
  return {
    count: events,
    durationSeconds: Math.ceil(events / SENSORS.length),
    event: (at) => ({
      ts: times[at]!,
      sensor: SENSORS[at % SENSORS.length]!,
      fields: { volume: volumes[at]! / 100, temperature: temperatures[at]! / 10 },
    }),
    totals: (from = 0, to = events) => ({
      events: to - from,
      sums: {
        volume: decimalText(sumOf(volumes, from, to), 2),
        temperature: decimalText(sumOf(temperatures, from, to), 1),
      },
    }),
  };
}

function sumOf(integers: Int32Array, from: number, to: number): bigint {
  let sum = 0n;
  for (let at = from; at < to; at++) sum += BigInt(integers[at]!);
  return sum;
}

/** Mulberry32: small, seeded, good enough for water. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}
