/**
 * Settings of a command: flag, then environment, then config file, then default.
 *
 * Owns the names: `--linger` is `TIDEGATE_LINGER` in the environment and `linger` in the file, whatever the program
 * calls it. Promises that every value has passed its schema, that a message names the option and where the bad value
 * came from, and that a misspelt key in a file is an error. Never reads a secret.
 */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { z } from 'zod';
import { CommandError } from './errors.ts';

/** Flags as commander writes them, what it is for, and its schema: `.optional()` or `.prefault('5s')` if optional. */
export type Setting<T = unknown> = readonly [flags: string, description: string, schema: z.ZodType<T>];
export type Settings = Readonly<Record<string, Setting>>;
export type SettingValues<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends readonly [string, string, infer Schema extends z.ZodType]
    ? z.output<Schema>
    : never;
};

interface Names {
  /** As commander and the config file know it. */
  readonly key: string;
  readonly flag: string;
  readonly environment: string;
}

interface Found {
  readonly value: unknown;
  readonly origin: string;
  /** What is less goes first. */
  readonly rank: number;
}

/** Settings of which one at most is to be set: a typed flag puts aside what another place says instead. */
export type Exclusive<S extends Settings> = readonly (readonly (keyof S & string)[])[];

const settingsOfCommand = new WeakMap<Command, Settings[]>();
const exclusiveIn = new WeakMap<Settings, Exclusive<Settings>>();

/** Says what a table of settings is, and keeps the exact types of its schemas. */
export function settings<const S extends Settings>(table: S, exclusive: Exclusive<S> = []): S {
  exclusiveIn.set(table, exclusive);
  return table;
}

/** Declares the flags of these settings on a command, with their environment name and default in its help. */
export function addSettings(command: Command, table: Settings): void {
  for (const [flags, description, schema] of Object.values(table)) {
    const fallback = defaultOf(schema);
    // The flag of a switch tells its default: it is there to change it.
    const shown = fallback === undefined || typeof fallback === 'boolean' ? '' : `, default ${String(fallback)}`;
    command.addOption(new Option(flags, `${description} (${namesOf(flags).environment}${shown})`));
  }
  settingsOfCommand.set(command, [...(settingsOfCommand.get(command) ?? []), table]);
}

/**
 * The values of these settings for a command that has been parsed. `@throws CommandError` with code `missing-value`,
 * `bad-value`, `unknown-setting` or `config-unreadable`.
 */
export function readSettings<S extends Settings>(
  command: Command,
  table: S,
  environment: NodeJS.ProcessEnv = process.env,
): SettingValues<S> {
  const file = readConfigFile(command, environment);
  const all = new Map(
    Object.entries(table).map(([name, [flags]]) => {
      const names = namesOf(flags);
      return [name, fromFlag(command, names) ?? fromEnvironment(environment, names) ?? file(names)];
    }),
  );
  for (const group of exclusiveIn.get(table) ?? []) putAside(group, all);
  const values = Object.entries(table).map(([name, [flags, , schema]]) => {
    const names = namesOf(flags);
    const found = all.get(name);
    const result = schema.safeParse(found?.value);
    if (result.success) return [name, result.data];
    if (found === undefined) throw missing(flags, names);
    const problem = result.error.issues.map(({ message }) => message).join('; ');
    throw new CommandError('bad-value', `${names.flag}: ${problem}, got ${shown(found.value)} from ${found.origin}`);
  });
  return Object.fromEntries(values) as SettingValues<S>;
}

/** All that were found further away than another of the group. Those of one place are for the command to refuse. */
function putAside(group: readonly string[], all: Map<string, Found | undefined>): void {
  const nearest = Math.min(...group.map((name) => rankOf(all.get(name))));
  for (const name of group) if ((all.get(name)?.rank ?? 0) > nearest) all.set(name, undefined);
}

/** A switch that is off is not set. */
function rankOf(found: Found | undefined): number {
  return found === undefined || [false, 'false', '0'].includes(found.value as string) ? Infinity : found.rank;
}

function fromFlag(command: Command, { key, flag }: Names): Found | undefined {
  const source = command.getOptionValueSourceWithGlobals(key);
  return source === 'cli' ? { value: command.optsWithGlobals()[key], origin: `the flag ${flag}`, rank: 0 } : undefined;
}

function fromEnvironment(environment: NodeJS.ProcessEnv, names: Names): Found | undefined {
  const value = environment[names.environment];
  return value === undefined || value === '' ? undefined : { value, origin: names.environment, rank: 1 };
}

/** Reads the config file, if one is named; refuses keys that no command of the program knows: one file serves all. */
function readConfigFile(command: Command, environment: NodeJS.ProcessEnv): (names: Names) => Found | undefined {
  const given: string | undefined = command.optsWithGlobals()['config'];
  if (given === '')
    throw new CommandError('bad-value', '--config: expected the name of a file, got "" from the flag --config');
  const path = given ?? environment['TIDEGATE_CONFIG'];
  if (path === undefined || path === '') return () => undefined;
  const content = parseConfig(path);
  const known = knownKeys(rootOf(command));
  for (const key of Object.keys(content)) {
    if (!known.includes(key)) {
      throw new CommandError('unknown-setting', `"${key}" in ${path} is no setting; known are ${known.join(', ')}`);
    }
  }
  return ({ key }) =>
    Object.hasOwn(content, key) ? { value: content[key], origin: `"${key}" in ${path}`, rank: 2 } : undefined;
}

function parseConfig(path: string): Readonly<Record<string, unknown>> {
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) return { ...content };
  } catch (cause) {
    throw new CommandError('config-unreadable', `cannot read the config file ${path}`, { cause });
  }
  throw new CommandError('config-unreadable', `the config file ${path} must hold one JSON object`);
}

function knownKeys(command: Command): string[] {
  const own = (settingsOfCommand.get(command) ?? []).flatMap((table) =>
    Object.values(table).map(([flags]) => namesOf(flags).key),
  );
  return [...new Set([...own, ...command.commands.flatMap(knownKeys)])];
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}

function namesOf(flags: string): Names {
  const option = new Option(flags);
  const key = option.attributeName();
  const environment = `TIDEGATE_${key.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
  return { key, flag: option.long ?? flags, environment };
}

function missing(flags: string, { key, flag, environment }: Names): CommandError {
  return new CommandError(
    'missing-value',
    `${flag} is needed: give ${flags}, ${environment}, or "${key}" in the config file`,
  );
}

/** The default in the notation of a person, as given to `.prefault()`. */
function defaultOf(schema: z.ZodType): unknown {
  const { def } = schema as z.ZodPrefault;
  return def.type === 'prefault' ? def.defaultValue : undefined;
}

function shown(value: unknown): string {
  // What is nested deep enough has no text.
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
