/**
 * The frame of a program: its help, its version, its one line of failure and its exit status.
 *
 * Owns how a command begins and ends. Promises status 0 for success, 2 for a call that must be changed (or the
 * `exitStatus` that an error has), 1 for every other failure, and 141 without a word when the reader of its output has
 * gone. Never knows what a command does.
 */
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { CommandError, failureText } from './errors.ts';
import { addSettings, readSettings, type Settings, type SettingValues, settings } from './settings.ts';
import { choice, toggle } from './values.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** What a shell reports for a program that a broken pipe ended: 128 + SIGPIPE. */
const BROKEN_PIPE_STATUS = 141;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/** Settings that every command of every program has. */
export const programSettings = settings({
  logLevel: ['--log-level <level>', 'least important log line to write to stderr', choice(...LOG_LEVELS).optional()],
  verbose: ['--verbose', 'log at level debug, and show the stack of a failure', toggle().prefault(false)],
});
export type ProgramValues = SettingValues<typeof programSettings>;

/** The parts of a process that a command ends through. */
export interface Host {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  exit(status: number): void;
}

/** A program for subcommands, see `.command()`. It has `--version`, `--help`, `--config` and `programSettings`. */
export function createProgram(name: string, description: string): Command {
  const program = new Command(name)
    .description(description)
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .configureHelp({
      showGlobalOptions: true,
      styleTitle: (title) => `\x1b[1m${title}\x1b[22m`,
      styleCommandText: (text) => `\x1b[36m${text}\x1b[39m`,
      styleOptionTerm: (term) => `\x1b[36m${term}\x1b[39m`,
      styleSubcommandTerm: (term) => `\x1b[36m${term}\x1b[39m`,
    })
    .exitOverride()
    .option('--config <file>', 'JSON file of settings, which flags and environment override (TIDEGATE_CONFIG)');
  addSettings(program, programSettings);
  return program;
}

/**
 * Adds a command with settings of its own. `work` gets their values, and the command that was called, with what was
 * given for the arguments in its name.
 */
export function addCommand<S extends Settings>(
  parent: Command,
  nameAndArguments: string,
  description: string,
  table: S,
  work: (values: SettingValues<S>, command: Command) => Promise<void>,
): void {
  const command = parent.command(nameAndArguments).description(description);
  command.action(() => work(readSettings(command, table), command));
  addSettings(command, table);
}

/**
 * Runs the program with the arguments after its name. Resolves when the command has ended well; a failure is written to
 * `stderr` as `error: <message> (<code>)` and ends the process, and so does an error that nobody caught.
 */
export async function runCommand(
  program: Command,
  { argv, host = process }: { readonly argv: readonly string[]; readonly host?: Host },
): Promise<void> {
  const verbose = argv.includes('--verbose');
  const fail = (error: unknown) => {
    const status = exitStatusOf(error);
    const text = isPrinted(error) ? undefined : callText(error, verbose);
    if (text !== undefined) host.stderr.write(`${text}\n`);
    host.exit(status);
  };
  host.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') host.exit(BROKEN_PIPE_STATUS);
    else fail(error);
  });
  // Nobody reads what it says any more. What it does goes on: a gateway whose log has lost its reader still counts.
  host.stderr.on('error', () => {});
  process.on('uncaughtException', fail);
  for (const command of familyOf(program)) {
    refuseRepeats(command);
    command.configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      outputError: () => {}, // `fail` writes the one line
    });
  }
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    fail(error);
  } finally {
    process.off('uncaughtException', fail);
  }
}

function familyOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(familyOf)];
}

/** Of errors that are none of the command line's, and whose call is to be changed all the same. */
const CALL_CODES: ReadonlySet<unknown> = new Set(['not-a-folder', 'keys-not-found', 'device-id-invalid']);

function exitStatusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof CommandError) return 2;
  if (error instanceof Error && 'code' in error && CALL_CODES.has(error.code)) return 2;
  return error instanceof Error && 'exitStatus' in error && typeof error.exitStatus === 'number' ? error.exitStatus : 1;
}

/** The parser has printed help or the version. */
function isPrinted(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === 0;
}

/** The one line of a failure, also where it is the parser that has refused the call. */
export function callText(error: unknown, verbose = false): string {
  if (!(error instanceof CommanderError)) return failureText(error, verbose);
  const message =
    error.code === 'commander.help' ? 'say which command, as above' : error.message.replace(/^error: /, '');
  return failureText(new CommandError('usage', message), false);
}

/** Of a flag that is given twice the parser would take the last, in silence. */
export function refuseRepeats(command: Command): void {
  for (const option of command.options) {
    let isGiven = false;
    command.on(`option:${option.name()}`, () => {
      if (isGiven) throw new CommandError('usage', `${option.long ?? option.flags} is given twice`);
      isGiven = true;
    });
  }
}
