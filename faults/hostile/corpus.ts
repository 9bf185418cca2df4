/**
 * Corpus: what is made hostile.
 *
 * Owns the batches to begin with: every vector, excerpts of real telemetry, and tables that a fixed seed decides.
 * Promises that each is valid as it is, and short enough for a change to matter. The same in every run: an input
 * follows from its own seed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import {
  type BatchHeader,
  createTableBuilder,
  encodeBatch,
  encodeColumns,
  type TelemetryEvent,
} from '../../src/codec/index.ts';
import type { RowOptions } from '../../src/device/inputs/row-reader.ts';
import { telemetry } from '../telemetry.ts';
import { createDice, type Dice } from './dice.ts';
import { eventOf } from './one-row.ts';

export interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly code?: string;
}

export interface BodyVector extends Vector {
  readonly encoding: string;
  readonly bytesMax?: number;
}

/** Uncompressed batches. */
export interface Corpus {
  readonly batches: readonly Buffer[];
  /** Lines of real NDJSON, and of CSV with their heading first. */
  readonly json: readonly string[];
  readonly csv: readonly (readonly string[])[];
}

const VECTORS = new URL('../../proto-spec/vectors/', import.meta.url);
const DATA = new URL('../../test/data/', import.meta.url);
const ROWS: RowOptions = { names: new Map(), skip: new Set(), timeUnit: 'ms', sensor: 'default' };
const TABLES = 60;
const EXCERPT_ROWS = 24;

export const VALID_BATCHES: readonly Vector[] = readVectors('batches.json').batches;
export const INVALID_BATCHES: readonly Vector[] = readVectors('invalid-batches.json').batches;
export const BODIES: { readonly valid: readonly BodyVector[]; readonly invalid: readonly BodyVector[] } =
  readVectors('bodies.json');

// biome-ignore lint/suspicious/noExplicitAny: each file has a shape of its own, which vectors/README.md says
export function readVectors(file: string): any {
  return JSON.parse(readFileSync(new URL(file, VECTORS), 'utf8'));
}

export function readCorpus(): Corpus {
  const texts = readdirSync(DATA).map((name) => [name, readFileSync(new URL(name, DATA), 'utf8')] as const);
  const json = texts.flatMap(([name, text]) => (name.endsWith('.ndjson') ? text.trim().split('\n') : []));
  const csv = texts.flatMap(([name, text]) => (name.endsWith('.csv') ? [text.trim().split('\n')] : []));
  const dice = createDice(1);
  return {
    json,
    csv,
    batches: [
      ...VALID_BATCHES.map(({ hex }) => Buffer.from(hex, 'hex')).filter(({ length }) => length < 4_096),
      ...excerptsOf(json, (line) => eventOf('ndjson', line, ROWS)),
      ...csv.flatMap(([heading = '', ...lines]) =>
        excerptsOf(lines, (line) => eventOf('csv', `${heading}\n${line}\n`, ROWS)),
      ),
      ...Array.from({ length: TABLES }, () => batchOf(randomEvents(dice))),
    ],
  };
}

export function batchOf(events: readonly TelemetryEvent[], header: Partial<BatchHeader> = {}): Buffer {
  const builder = createTableBuilder();
  for (const event of events) if (!builder.add(event)) break;
  const table = builder.build();
  const { count } = table;
  const queue = { recorded: count, queued: count, quarantined: 0, gaps: 0 };
  const stream = Buffer.alloc(16, 0x5a);
  return Buffer.from(
    encodeBatch(
      { stream, first: 1, sentAt: 1_700_000_000_000, queue, gaps: [], ...header, count },
      encodeColumns(table),
    ),
  );
}

/** Events as they come, and now and then such as never do. */
export function randomEvents(dice: Dice): TelemetryEvent[] {
  const source = telemetry({ random: dice.random, serial: 1, around: dice.pick([0, 1_700_000_000_000, -1e12]) });
  const count = dice.pick([1, 2, 3, 8, 9, 40]);
  const isOdd = dice.chance(0.3);
  return Array.from({ length: count }, () => {
    const { ts, sensor, measures, notes } = source.next().value;
    const numbers = Object.entries(measures).map(([name, text]) => [name, Number(text)] as const);
    const fields = { ...Object.fromEntries(numbers), ...notes };
    return { ts, sensor, fields: isOdd ? { ...fields, odd: oddNumber(dice) } : fields };
  });
}

function oddNumber(dice: Dice): number {
  return dice.pick([0, -0, 5e-324, Number.MAX_VALUE, 1 / 3, 0.1 + 0.2, 2 ** 53, dice.random() - 0.5]);
}

function excerptsOf(lines: readonly string[], read: (line: string) => TelemetryEvent): Buffer[] {
  const excerpts: Buffer[] = [];
  for (let at = 0; at < lines.length; at += 3 * EXCERPT_ROWS) {
    excerpts.push(batchOf(lines.slice(at, at + EXCERPT_ROWS).map(read), { first: at + 1 }));
  }
  return excerpts;
}
