/**
 * PlainFile: small files that somebody may have put in the place of others while a program runs.
 */
import { constants, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';

/** What is there is no plain file. */
class NotPlainError extends Error {
  override readonly name = 'NotPlainError';
}

/**
 * The text of a file. A pipe or a device is refused and not waited for: one that nobody writes to would hold a thread
 * of the process for ever.
 *
 * @param assertFit throws where the file that is open must not be read
 * @throws what `assertFit` or the file system says, or that it is no plain file (see `unreadable`)
 */
export async function readPlainFile(path: string, assertFit: (found: Stats) => void = () => {}): Promise<string> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const found = await file.stat();
    if (found.isDirectory()) throw new NotPlainError(`${path} is a directory`);
    if (!found.isFile()) throw new NotPlainError(`${path} is a pipe or a device, and no plain file`);
    assertFit(found);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** Why it was not read, for whoever gave its name. */
export function unreadable(path: string, cause: unknown): string {
  return cause instanceof NotPlainError ? cause.message : `cannot read ${path}`;
}
