/**
 * Options: the flags of `npm run bench`.
 *
 * Owns their names and defaults. Never reads the environment: what is set there is meant for real devices.
 */
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';

export interface BenchOptions {
  /** Names of the figures to measure, in order. */
  readonly figures: readonly string[];
  readonly quick: boolean;
  /** Where to write everything as JSON; undefined for nowhere. */
  readonly json: string | undefined;
  /** Whether tables and plots go into BENCHMARKS.md. */
  readonly publish: boolean;
  /** Events of the backlog that is drained. */
  readonly backlogEvents: number;
  /** Events that a gateway has stored when its growth is judged. */
  readonly storedEvents: number;
  /** Streams that a gateway knows when its memory is judged. */
  readonly streams: number;
  /** Where the real telemetry is. */
  readonly telemetry: string;
  /** The folder whose disk is measured. */
  readonly disk: string;
  /** Where programs leave CPU profiles; undefined for none. */
  readonly profile: string | undefined;
}

const BACKLOG_EVENTS = 10_000_000;
const STORED_EVENTS = 100_000_000;
const STREAMS = 100_000;
const EXCERPTS = fileURLToPath(new URL('../test/data', import.meta.url));

/** Ends the process where the call is wrong, or only asks for help. */
export function readOptions(argv: readonly string[]): BenchOptions {
  const figures = figureNames();
  const command = new Command('npm run bench --')
    .description('Measures Tidegate on this machine, and checks every count and sum while it does.')
    .addArgument(new Argument('[figures...]', 'which; default: all').choices(figures))
    .option('--quick', 'a tenth of the events and two runs: whether it works, not how fast it is')
    .option('--json <file>', 'write machine, settings and the value of every run there')
    .addOption(new Option('--publish', 'write tables and plots into BENCHMARKS.md').conflicts('quick'))
    .option('--events <count>', 'backlog that is drained', count, BACKLOG_EVENTS)
    .option('--stored <count>', 'events at the gateway when its growth is judged', count, STORED_EVENTS)
    .option('--streams <count>', 'streams in one gateway when its memory is judged', count, STREAMS)
    .option('--telemetry <folder>', 'real events: .csv and .ndjson with ts and sensor', EXCERPTS)
    .option('--disk <folder>', 'measure the disk of this folder', tmpdir())
    .option('--profile <folder>', 'leave a CPU profile of every program there; figures are lower for it');
  command.parse(argv, { from: 'user' });
  const { quick, json, publish, events, stored, streams, telemetry, disk, profile } = command.opts<{
    quick?: boolean;
    json?: string;
    publish?: boolean;
    events: number;
    stored: number;
    streams: number;
    telemetry: string;
    disk: string;
    profile?: string;
  }>();
  const chosen = command.processedArgs[0] as string[];
  return {
    figures: chosen.length > 0 ? [...new Set(chosen)] : figures,
    quick: quick ?? false,
    json: json && resolve(json),
    publish: publish ?? false,
    backlogEvents: events,
    storedEvents: stored,
    streams,
    telemetry: resolve(telemetry),
    disk: resolve(disk),
    profile: profile && resolve(profile),
  };
}

/** Every file in `figures/` is one. */
function figureNames(): string[] {
  return readdirSync(new URL('./figures/', import.meta.url))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -3))
    .sort();
}

function count(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError('must be a whole number from 1.');
}
