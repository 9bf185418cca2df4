/**
 * Secrets on their way in and out of a command.
 *
 * Owns the rule that a secret comes from a file or the environment and never from an argument, where every user of the
 * machine can read it. Promises that a secret file that others can read is refused, and that a new one is complete and
 * private from its first moment, and outlasts a power cut. Never prints a secret.
 */
import { randomBytes } from 'node:crypto';
import { link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CommandError } from './errors.ts';
import { readPlainFile, unreadable } from './plain-file.ts';

export interface SecretSources {
  /** What the secret is for, in messages: `device secret`. */
  readonly name: string;
  /** The flag that names the file, in messages: `--secret-file`. */
  readonly flag: string;
  /** A file whose first line is the secret. Goes before the environment. */
  readonly file?: string | undefined;
  /** The variable that may hold the secret itself. */
  readonly variable: string;
  readonly environment?: NodeJS.ProcessEnv;
}

/** `@throws CommandError` with code `secret-missing`, `secret-unreadable`, `secret-exposed` or `secret-empty`. */
export async function readSecret(sources: SecretSources): Promise<string> {
  const { name, flag, file, variable, environment = process.env } = sources;
  if (file !== undefined) return readSecretFile(name, file);
  const secret = environment[variable]?.trim();
  if (secret) return secret;
  throw new CommandError('secret-missing', `no ${name}: give ${flag} FILE, or the secret itself in ${variable}`);
}

/**
 * Writes the secret and a line end to a new file that only its owner can read. It appears complete or not at all.
 * An existing file is an error with code `EEXIST` unless `replace`.
 */
export async function writeSecretFile(path: string, secret: string, { replace = false } = {}): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(`${secret}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    // A rename would silently replace; a link fails where the name is taken.
    await (replace ? rename(draft, path) : link(draft, path));
  } finally {
    await rm(draft, { force: true });
  }
  await syncNames(dirname(path));
}

/** A file's own fsync does not make its name durable. */
async function syncNames(folder: string): Promise<void> {
  // Windows cannot open a directory, and needs no such thing.
  if (process.platform === 'win32') return;
  const names = await open(folder);
  try {
    await names.sync();
  } finally {
    await names.close();
  }
}

async function readSecretFile(name: string, path: string): Promise<string> {
  const content = await readPrivateFile(name, path);
  const secret = content.split('\n', 1)[0]?.trim();
  if (secret) return secret;
  throw new CommandError('secret-empty', `the first line of ${path} must be the ${name}`);
}

async function readPrivateFile(name: string, path: string): Promise<string> {
  const assertPrivate = ({ mode }: { readonly mode: number }): void => {
    // Windows has no such bits; its files answer 0666 whatever their access list says.
    if (process.platform === 'win32' || (mode & 0o077) === 0) return;
    throw new CommandError('secret-exposed', `other users can reach the ${name}: run chmod 600 '${path}'`);
  };
  return await readPlainFile(path, assertPrivate).catch((cause: Error) => {
    if (cause instanceof CommandError) throw cause;
    throw new CommandError('secret-unreadable', `the ${name}: ${unreadable(path, cause)}`, { cause });
  });
}
