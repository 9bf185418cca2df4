/**
 * Simulation: events of sensors that do not exist, for trying things out and for measuring.
 *
 * Owns the profiles. Promises the same events for the same seed, profile and start. Never sleeps: pacing is the
 * caller's.
 */
import type { FieldValue, TelemetryEvent } from '../codec/index.ts';

export const PROFILES = ['flow', 'meter', 'machine'] as const;
export type Profile = (typeof PROFILES)[number];

export interface SimulationOptions {
  readonly profile: Profile;
  readonly sensors: number;
  readonly seed: number;
}

export interface Simulation {
  /** The next event, observed at this time (epoch milliseconds). */
  next(ts: number): TelemetryEvent;
}

interface Sensor {
  readonly name: string;
  /** The slow state that the readings wander around. */
  level: number;
  total: number;
}

type Fields = Record<string, FieldValue>;

const SENSOR_NAMES = ['inlet', 'outlet', 'tank', 'bypass', 'return', 'drain'];

const READINGS: Record<Profile, (sensor: Sensor, random: () => number) => Fields> = {
  /** A pump station: volume passed since the last reading, and water temperature. */
  flow: (sensor, random) => ({
    volume: rounded(1.2 + 0.4 * sensor.level + 0.05 * random(), 2),
    temperature: rounded(18 + 4 * sensor.level, 1),
  }),
  /** A meter that is read out: ever growing totals. */
  meter: (sensor, random) => {
    sensor.total = rounded(sensor.total + random() * 0.2, 3);
    return { volume: sensor.total, battery: rounded(3.6 - sensor.total / 1e6, 2) };
  },
  /** A machine with states: text and flags beside measures, some of them absent at times. */
  machine: (sensor, random) => {
    const running = sensor.level > 0.3;
    return {
      volume: running ? rounded(10 * sensor.level, 3) : 0,
      running,
      state: running ? (sensor.level > 0.9 ? 'overload' : 'run') : 'idle',
      ...(random() < 0.9 && { vibration: rounded(0.2 + random() * sensor.level, 4) }),
    };
  },
};

export function createSimulation({ profile, sensors, seed }: SimulationOptions): Simulation {
  const random = createRandom(seed);
  const all: Sensor[] = Array.from({ length: sensors }, (_, i) => ({
    name: SENSOR_NAMES[i] ?? `sensor-${i + 1}`,
    level: random(),
    total: Math.round(random() * 1e5),
  }));
  const read = READINGS[profile];
  let turn = 0;
  return {
    next(ts) {
      const sensor = all[turn++ % all.length]!;
      sensor.level = Math.min(1, Math.max(0, sensor.level + (random() - 0.5) * 0.02));
      return { ts, sensor: sensor.name, fields: read(sensor, random) };
    },
  };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** Mulberry32: small, seeded, good enough for weather. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}
