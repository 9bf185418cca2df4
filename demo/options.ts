/**
 * Options: the flags of `npm start`.
 *
 * Owns their names, bounds and defaults. Never reads the environment: what is set there is meant for real devices.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { z } from 'zod';
import { CommandError, callText, duration, integer, refuseRepeats } from '../src/cli/index.ts';

export interface DemoOptions {
  readonly devices: number;
  /** Over all devices; undefined for no end. */
  readonly events: number | undefined;
  /** Events a second of each simulated device; 0 for as many as its disk takes. */
  readonly rate: number;
  /** A file whose rows the devices record, instead of a simulation. */
  readonly data: string | undefined;
  /** How its rows are to be read, as flags of `tidegate-device run`. */
  readonly inputFlags: readonly string[];
  readonly seed: number;
  readonly faults: boolean;
  /** Ends devices and gateway with `kill -9` now and then. */
  readonly kills: boolean;
  /** Without a live table. */
  readonly once: boolean;
  readonly json: boolean;
  readonly timeoutMs: number;
  /** Where everything is kept; undefined for a temporary folder. */
  readonly dir: string | undefined;
}

/** Flags of `tidegate-device run` that say how rows are written, and what they take. */
const INPUT_FLAGS: readonly (readonly [flag: string, value: string | undefined, description: string])[] = [
  ['--map', '<pairs>', 'names in it, ts=time,sensor=meter,volume=flow_m3'],
  ['--skip', '<names>', 'names in it to leave out'],
  ['--sensor', '<name>', 'sensor of rows that name none'],
  ['--format', '<format>', 'ndjson, csv, tsv or toa5; default by its name'],
  ['--encoding', '<name>', 'utf-8, utf-16le, windows-1252 …'],
  ['--delimiter', '<character>', 'between cells: , ; | or tab'],
  ['--decimal', '<mark>', 'in numbers: . or ,'],
  ['--heading-line', '<number>', 'line of the names of columns'],
  ['--rows-line', '<number>', 'line of the first row'],
  ['--short-rows', undefined, 'take rows with fewer cells than columns'],
  ['--time-columns', '<names>', 'what makes up the time together: Date,Time'],
  ['--quoted-lines', '<what>', 'lines within quotes that could be rows are text or rows'],
  ['--text', '<names>', 'names whose values are texts'],
  ['--number', '<names>', 'names whose values are numbers'],
  ['--mixed', '<names>', 'names whose values are numbers or texts'],
  ['--missing', '<texts>', 'values that mean there is none'],
  ['--time-unit', '<unit>', 'of times that are numbers: s, ms, us or ns'],
  ['--time-zone', '<zone>', 'of times that name none: Europe/Berlin, -07:00'],
  ['--time-format', '<pattern>', 'of times that are not ISO 8601: dd.MM.yyyy HH:mm'],
  ['--last-line', undefined, 'the last line is whole, although it has no line end'],
];
const ONCE_EVENTS = 200_000;
const LIVE_RATE = 100;

/** Ends the process where the call is wrong, or only asks for help. */
export function readOptions(argv: readonly string[]): DemoOptions {
  const command = new Command('npm start --')
    .description('A gateway, simulated devices, and a bad link between them.')
    .addOption(
      option('--devices <count>', 'how many; with --data there is one', integer({ min: 1, max: 20 })).default(3),
    )
    .addOption(
      option(
        '--events <count>',
        `over all devices; default: no end, ${ONCE_EVENTS} with --once`,
        integer({ min: 1 }),
      ).conflicts('data'),
    )
    .addOption(
      option(
        '--rate <events>',
        `events a second of each simulated device, 0 for as many as its disk takes; ` +
          `default ${LIVE_RATE}, 0 with --once`,
        integer({ min: 0, max: 10_000_000 }),
      ),
    )
    .option('--data <file>', 'NDJSON or CSV that a device records as it is, instead of a simulation')
    .addOption(
      option('--seed <number>', 'the same readings and faults again', integer({ min: 0, max: 0xffffffff })).default(1),
    )
    .option('--no-faults', 'a good link')
    .option('--kills', 'kill -9 a device or the gateway now and then')
    .option('--once', 'a bounded run without a live table')
    .option('--json', 'end with one JSON line; implies --once')
    .addOption(
      option(
        '--timeout <duration>',
        'longest time for a bounded run, and for draining',
        duration({ min: '1s' }),
      ).default(180_000, '3m'),
    )
    .option('--dir <folder>', 'keep everything there; default: a temporary folder, removed at the end');
  for (const [flag, value = '', description] of INPUT_FLAGS) {
    command.addOption(new Option(`${flag} ${value}`, `with --data: ${description}`).conflicts('events'));
  }
  parseOrExit(command, argv);
  const { timeout: timeoutMs, ...values } = command.opts<{
    devices: number;
    events?: number;
    rate?: number;
    data?: string;
    seed: number;
    faults: boolean;
    kills?: boolean;
    once?: boolean;
    json?: boolean;
    timeout: number;
    dir?: string;
  }>();
  const { data, dir, kills = false, json = false } = values;
  const once = json || (values.once ?? false);
  const events = values.events ?? (once ? ONCE_EVENTS : undefined);
  return {
    ...values,
    devices: data === undefined ? values.devices : 1,
    once,
    json,
    kills,
    events,
    rate: values.rate ?? (once ? 0 : LIVE_RATE),
    timeoutMs,
    data,
    dir,
    inputFlags: inputFlagsOf(command),
  };
}

/** One line for a call that is wrong, as the programs have it. */
function parseOrExit(command: Command, argv: readonly string[]): void {
  refuseRepeats(command);
  command.exitOverride().configureOutput({ outputError: () => {} });
  try {
    command.parse(argv, { from: 'user' });
    const { data, devices } = command.opts<{ data?: string; devices: number }>();
    const [flag] = inputFlagsOf(command);
    if (data === '') throw new CommandError('bad-value', '--data: expected the name of a file');
    if (data !== undefined && command.getOptionValueSource('devices') === 'cli' && devices > 1) {
      throw new CommandError(
        'usage',
        '--devices: the rows of one file are those of one device; leave it out with --data',
      );
    }
    if (data === undefined && flag !== undefined) {
      throw new CommandError('usage', `${flag} says how to read a file: give it with --data`);
    }
  } catch (error) {
    const isHelp = error instanceof CommanderError && error.exitCode === 0;
    if (!isHelp) process.stderr.write(`${callText(error)}\n`);
    process.exit(isHelp ? 0 : 2);
  }
}

/** For `tidegate-device run`, which judges them. */
function inputFlagsOf(command: Command): string[] {
  const values = command.opts<Record<string, string | boolean | undefined>>();
  return INPUT_FLAGS.flatMap(([flag]) => {
    const value = values[new Option(flag).attributeName()];
    if (value === undefined) return [];
    return typeof value === 'string' ? [flag, value] : [flag];
  });
}

function option<T>(flags: string, description: string, schema: z.ZodType<T>): Option {
  return new Option(flags, description).argParser((value: string) => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    throw new InvalidArgumentError(`${result.error.issues[0]?.message ?? 'not valid'}.`);
  });
}
