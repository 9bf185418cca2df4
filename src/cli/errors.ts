/**
 * What a person did that a command cannot work with, and how any failure is put into one line.
 *
 * Owns the codes of the command line and the exit statuses. Promises one readable line per failure. Never prints a
 * stack unless it is asked for.
 */
import { printable, printableLines } from './printable.ts';

export type CommandErrorCode =
  | 'missing-value'
  | 'bad-value'
  | 'unknown-setting'
  | 'config-unreadable'
  | 'secret-missing'
  | 'not-found'
  | 'input-unreadable'
  | 'output-unwritable'
  | 'listen-failed'
  | 'secret-unreadable'
  | 'secret-exposed'
  | 'secret-empty'
  | 'secret-invalid'
  | 'secret-exists'
  | 'secret-unwritable'
  | 'ca-unreadable'
  | 'ca-invalid'
  | 'admin-token-invalid'
  | 'tls-unreadable'
  | 'tls-invalid'
  | 'usage';

/** The call has to be changed before it can work: exit status 2. Every other failure is status 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code: CommandErrorCode;

  constructor(code: CommandErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** `error: <message> (<code>)`, with the messages of its causes after a colon; with its stack where `verbose`. */
export function failureText(error: unknown, verbose: boolean): string {
  const line = `error: ${messageOf(error)} (${codeOf(error)})`;
  return verbose && error instanceof Error ? `${line}\n${printableLines(error.stack ?? '')}` : line;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  const message = oneLine(error.message) || error.name;
  const cause = error.cause === undefined ? '' : messageOf(error.cause);
  return cause === '' || message.includes(cause) ? message : `${message}: ${cause}`;
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? printable(code) : 'unexpected';
}

function oneLine(text: string): string {
  return printable(text.replace(/\s*[\r\n]\s*/g, ' ').trim());
}
