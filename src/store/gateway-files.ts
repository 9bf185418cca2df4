/**
 * The files of a gateway's database besides what RocksDB makes: the lock on its folder, its witness, and the disk that
 * it is on.
 *
 * Owns the port through which the store reaches them, and the real ones. Promises that a simulation which brings others
 * has everything of a store run on them. Never looks into a database.
 */
import { assertWritable, makeDirectory } from './directories.ts';
import { type StoreError, toStoreError } from './errors.ts';
import { type FileLock, lockFolder } from './folder-lock.ts';
import { isDatabase } from './rocks-files.ts';
import { createRoom, type Room, type RoomOptions } from './room.ts';
import { openWitness, readStatement, type Witness } from './witness.ts';

export interface GatewayFiles {
  /** Makes the folder where there is none. Rejects with `locked` where it has an owner. */
  lock(path: string): Promise<FileLock>;
  /** Whether there is anything of a database. */
  isDatabase(path: string): Promise<boolean>;
  openWitness(path: string, onTrouble: (error: StoreError) => void): Promise<Witness>;
  /** What the witness says, changing nothing. */
  readStatement(path: string): Promise<Buffer | undefined>;
  /** Rejects where nothing can be written in a directory. */
  assertWritable(path: string): Promise<void>;
  createRoom(options: RoomOptions): Room;
}

async function makeLocked(path: string): Promise<FileLock> {
  try {
    await makeDirectory(path);
    return await lockFolder(path);
  } catch (error) {
    throw toStoreError(error, `cannot open the database in ${path}`);
  }
}

export const gatewayFiles: GatewayFiles = {
  lock: makeLocked,
  isDatabase,
  openWitness,
  readStatement,
  assertWritable,
  createRoom,
};
