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

const INPUT_FLAGS = ['--map', '--skip', '--sensor', '--format', '--time-unit'];
const ONCE_EVENTS = 200_000;
const LIVE_RATE = 100;

/** Ends the process where the call is wrong, or only asks for help. */
export function readOptions(argv: readonly string[]): DemoOptions {
  const command = new Command('npm start --')
    .description('A gateway, simulated devices, and a bad link between them.')
    .addOption(option('--devices <count>', 'how many', integer({ min: 1, max: 20 })).default(3))
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
        `events a second of each simulated device, 0 for as many as its disk takes; default ${LIVE_RATE}, 0 with --once`,
        integer({ min: 0, max: 10_000_000 }),
      ),
    )
    .option('--data <file>', 'NDJSON or CSV whose rows are dealt out to the devices, instead of a simulation')
    .addOption(inputOption('--map <pairs>', 'with --data: names in it, ts=time,sensor=meter,volume=flow_m3'))
    .addOption(inputOption('--skip <names>', 'with --data: names in it to leave out'))
    .addOption(inputOption('--sensor <name>', 'with --data: sensor of rows that name none'))
    .addOption(inputOption('--format <format>', 'with --data: ndjson, csv or tsv; default by its name'))
    .addOption(inputOption('--time-unit <unit>', 'with --data: of times that are numbers: s, ms, us or ns'))
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
    const { data } = command.opts<{ data?: string }>();
    const [flag] = inputFlagsOf(command);
    if (data === '') throw new CommandError('bad-value', '--data: expected the name of a file');
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
function inputOption(flags: string, description: string): Option {
  return new Option(flags, description).conflicts('events');
}

function inputFlagsOf(command: Command): string[] {
  return INPUT_FLAGS.flatMap((flag) => {
    const value = command.opts<Record<string, string | undefined>>()[new Option(`${flag} <value>`).attributeName()];
    return value === undefined ? [] : [flag, value];
  });
}

function option<T>(flags: string, description: string, schema: z.ZodType<T>): Option {
  return new Option(flags, description).argParser((value: string) => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    throw new InvalidArgumentError(`${result.error.issues[0]?.message ?? 'not valid'}.`);
  });
}
