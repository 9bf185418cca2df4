/** The files that are opened while a test runs, by whoever imports `open` from `node:fs/promises`. */
import fs, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import type { TestContext } from 'node:test';

/** Calls `opened` with each, which may change it, before whoever opens it has it. */
export function onOpen(t: TestContext, opened: (file: FileHandle) => void | Promise<void>): void {
  const { open } = fs;
  t.after(() => {
    fs.open = open;
    syncBuiltinESMExports();
  });
  fs.open = async (...args) => {
    const file = await open(...args);
    await opened(file);
    return file;
  };
  syncBuiltinESMExports();
}
