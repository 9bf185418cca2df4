/**
 * What a program says about its work, on stderr.
 *
 * Owns the form of a log line: JSON for machines, one coloured line for a person at a terminal. Promises that secrets,
 * keys and signatures are blotted out, that no text from elsewhere reaches the terminal as a control sequence, and that
 * a line is written before the call returns. Never writes to stdout.
 */
import { createRequire } from 'node:module';
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import type { ProgramValues } from './command.ts';
import { printable, printableJson, printableLines } from './printable.ts';

export type { Logger };

/** Wherever a request or an options object is logged, these are not. */
const SECRET_FIELDS = ['secret', 'adminToken', 'authorization', '["x-signature"]'];
const SECRET_PATHS = SECRET_FIELDS.flatMap((field) => {
  const inner = field.startsWith('[') ? field : `.${field}`;
  return [field, `*${inner}`, `headers${inner}`, `req.headers${inner}`, `res.headers${inner}`];
});

export type LogTarget = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** A logger at the level that `--log-level` names; without it `debug` where `--verbose`, else `info`. */
export function createLogger(
  name: string,
  { logLevel, verbose }: ProgramValues,
  target: LogTarget = process.stderr,
): Logger {
  const options: LoggerOptions = {
    name,
    level: logLevel ?? (verbose ? 'debug' : 'info'),
    redact: { paths: [...new Set(SECRET_PATHS)], censor: '[secret]' },
  };
  return pino(options, target.isTTY ? forPerson(target) : forMachine(target));
}

/** Whoever looks at a log has a terminal, too. */
function forMachine(target: LogTarget): DestinationStream {
  return { write: (line) => void target.write(`${printableJson(line.trimEnd())}\n`) };
}

/** What a person has in the words of the line already. */
const IGNORED = 'pid,hostname,name,link,gateway,queuedEvents,waitMs';

/** Formats in this thread and at once: a worker or a pipe would lose the last lines of a process that ends. */
function forPerson(target: LogTarget): DestinationStream {
  // Loaded only for a terminal, since it adds to every start.
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  const pretty = prettyFactory({ colorize: true, ignore: IGNORED, translateTime: 'SYS:HH:MM:ss' });
  return { write: (line) => void target.write(pretty(printableValues(JSON.parse(line)) as Record<string, unknown>)) };
}

/** All texts in it, and all names. Only a stack keeps its lines: a message of several could pass for another. */
function printableValues(value: unknown, name?: string): unknown {
  if (typeof value === 'string') return name === 'stack' ? printableLines(value) : printable(value);
  if (Array.isArray(value)) return value.map((inner) => printableValues(inner));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([inside, inner]) => [printable(inside), printableValues(inner, inside)]),
  );
}
