/**
 * The files of a gateway's database besides what RocksDB makes: what is kept of it while it opens, its witness, and the disk
 * that it is on.
 *
 * Owns the port through which the store reaches them, and the real ones. Promises that a simulation which brings others has
 * everything of a store run on them. Never looks into a database.
 */
import { assertWritable } from './directories.ts';
import { type KeptFiles, keepFiles } from './kept-files.ts';
import { createRoom, type Room, type RoomOptions } from './room.ts';
import { openWitness, type Witness } from './witness.ts';

export interface GatewayFiles {
  keepFiles(path: string): Promise<KeptFiles>;
  openWitness(path: string): Promise<Witness>;
  /** Rejects where nothing can be written in a directory. */
  assertWritable(path: string): Promise<void>;
  createRoom(options: RoomOptions): Room;
}

export const gatewayFiles: GatewayFiles = { keepFiles, openWitness, assertWritable, createRoom };
