/**
 * The files of a queue besides what RocksDB makes: the directory, which database in it is the queue, reserve and
 * witness.
 *
 * Owns the port through which a queue reaches them, and the real ones. Promises that a simulation which brings others
 * has everything of a queue run on them. Never looks into a database.
 */
import { access } from 'node:fs/promises';
import { assertWritable, makeDirectory } from './directories.ts';
import type { StoreError } from './errors.ts';
import { type FileLock, lockFolder } from './folder-lock.ts';
import { clearUnfinished, newestGeneration, publishUnfinished, removeOlder } from './generations.ts';
import type { StreamRun } from './queue-streams.ts';
import { openReserve, type Reserve, type ReserveOptions } from './reserve.ts';
import { type Salvage, salvage } from './rocks-salvage.ts';
import { openStreamLog, readRuns, type StreamLog } from './stream-log.ts';
import { openWitness, readStatement, type Witness } from './witness.ts';

export interface QueueFiles {
  makeDirectory(path: string): Promise<void>;
  /** Rejects where there is no such path. */
  access(path: string): Promise<void>;
  /** Rejects with `locked` where the folder has an owner. */
  lock(path: string): Promise<FileLock>;
  newestGeneration(path: string): Promise<number>;
  clearUnfinished(path: string): Promise<string>;
  publishUnfinished(path: string, generation: number): Promise<void>;
  removeOlder(path: string, generation: number): Promise<void>;
  openReserve(options: ReserveOptions): Promise<Reserve>;
  /** Rejects where nothing can be written in a directory. */
  assertWritable(path: string): Promise<void>;
  /** Without it, what a database has lost without a trace stays unknown. */
  openWitness?(path: string, onTrouble: (error: StoreError) => void): Promise<Witness>;
  /** Beside a witness: without it, what of the oldest streams is lost is taken for part of later ones. */
  openStreamLog?(path: string, onTrouble: (error: StoreError) => void): Promise<StreamLog>;
  readRuns?(path: string): Promise<StreamRun[]>;
  /** Without it, a database that does not open stays as it is. */
  salvage?(path: string): Promise<Salvage>;
  /** What the witness says, for who only looks. */
  readStatement?(path: string): Promise<Buffer | undefined>;
}

export const queueFiles: QueueFiles = {
  makeDirectory,
  access,
  lock: lockFolder,
  assertWritable,
  newestGeneration,
  clearUnfinished,
  publishUnfinished,
  removeOlder,
  openReserve,
  openWitness,
  openStreamLog,
  readRuns,
  salvage,
  readStatement,
};
