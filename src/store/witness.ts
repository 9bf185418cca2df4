/**
 * The witness: a few bytes beside a database that say how far it had come.
 *
 * Owns one file with two slots, written in turn. A database that has lost the end of its log, or a file that named its
 * others, opens as if it had never come further; the witness tells. Promises to give what was written last or, after a
 * power cut, what was written before: it is written after each commit and fsynced only when it is made, so it may be
 * behind the database and is never ahead of it. Promises to hold up nobody: what cannot be written is not, and that is
 * told.
 *
 * Slot: seal over the slot's number and the rest, count of writings (u64), bytes of the statement (u32), statement.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from './directories.ts';
import { StoreError } from './errors.ts';
import { SEAL_BYTES, seal, unseal } from './seal.ts';

export interface Witness {
  /** As written last; undefined where it has nothing to say. */
  readonly statement: Buffer | undefined;
  /** Why it is behind, and a loss might stay unknown; undefined while it takes what it is told. */
  readonly trouble: StoreError | undefined;
  write(statement: Buffer): Promise<void>;
  close(): Promise<void>;
}

const SLOT_BYTES = 1 << 20;
const SLOTS = [0, 1] as const;
const HEAD_BYTES = 12;
/** What is longer is not written. */
export const STATEMENT_BYTES_MAX = SLOT_BYTES / 2;
/** Enough to see how long a statement is; most are not longer. */
const READ_BYTES = 4_096;

/**
 * Rejects with `io` where it is there, or could be, and cannot be used: nobody would hear of what gets lost.
 * `onTrouble` is called when it begins not to take what it is told.
 */
export async function openWitness(path: string, onTrouble: (error: StoreError) => void = () => {}): Promise<Witness> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600).catch(async (error) => {
    // Where there is no space for one there was none; it is made as soon as there is.
    if (isFull(error)) return undefined;
    throw await unusable(path, error);
  });
  if (file === undefined) return new TwoSlots(path, undefined, [], onTrouble);
  try {
    return new TwoSlots(path, file, await readSlots(file), onTrouble);
  } catch (error) {
    await file.close();
    throw await unusable(path, error);
  }
}

/** What the witness says; undefined where it says nothing, or is not there. Rejects with `io`. Changes nothing. */
export async function readStatement(path: string): Promise<Buffer | undefined> {
  const file = await open(path, 'r').catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw await unusable(path, error);
  });
  if (file === undefined) return undefined;
  try {
    return latestOf(await readSlots(file))?.statement;
  } catch (error) {
    throw await unusable(path, error);
  } finally {
    await file.close();
  }
}

function isFull(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ENOSPC' || error.code === 'EDQUOT';
}

async function unusable(path: string, error: unknown): Promise<StoreError> {
  const { code, message } = error as NodeJS.ErrnoException;
  const isDenied = code === 'EACCES' || code === 'EPERM';
  const owner = isDenied
    ? await stat(path).then(
        ({ uid }) => uid,
        () => undefined,
      )
    : undefined;
  const own = process.geteuid?.();
  const what =
    owner === undefined || owner === own
      ? `${message}: make it readable and writable for this process`
      : `it belongs to user ${owner}, and this process runs as user ${own}: run it as that user, or chown ${own} ` +
        `'${path}'`;
  return new StoreError('io', `cannot use ${path}, which alone tells what the database has lost; ${what}`, error);
}

interface Slot {
  readonly count: bigint;
  readonly statement: Buffer;
}

class TwoSlots implements Witness {
  readonly #path: string;
  readonly #onTrouble: (error: StoreError) => void;
  #file: FileHandle | undefined;
  #isDurable: boolean;
  #count: bigint;
  statement: Buffer | undefined;
  trouble: StoreError | undefined;

  constructor(
    path: string,
    file: FileHandle | undefined,
    slots: readonly (Slot | undefined)[],
    onTrouble: (error: StoreError) => void,
  ) {
    this.#path = path;
    this.#onTrouble = onTrouble;
    this.#file = file;
    const latest = latestOf(slots);
    this.#isDurable = latest !== undefined;
    this.#count = latest?.count ?? 0n;
    this.statement = latest?.statement;
  }

  async write(statement: Buffer): Promise<void> {
    this.statement = statement;
    if (statement.length > STATEMENT_BYTES_MAX) return;
    this.#count += 1n;
    const slot = Number(this.#count % 2n);
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeBigUInt64BE(this.#count);
    head.writeUInt32BE(statement.length, 8);
    try {
      await this.#write(seal(keyOf(slot), head, statement), slot * SLOT_BYTES);
      this.trouble = undefined;
    } catch (error) {
      const hadTrouble = this.trouble !== undefined;
      this.trouble = behind(this.#path, error);
      if (!hadTrouble) this.#onTrouble(this.trouble);
    }
  }

  async #write(value: Buffer, at: number): Promise<void> {
    this.#file ??= await open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    const { bytesWritten } = await this.#file.write(value, 0, value.length, at);
    if (bytesWritten < value.length) throw new Error('ENOSPC: the disk took a part of it only');
    if (this.#isDurable) return;
    await this.#file.sync();
    await syncDirectory(dirname(this.#path));
    this.#isDurable = true;
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}

function behind(path: string, error: unknown): StoreError {
  const { message } = error as Error;
  const what = 'nobody would be told of what the database loses from now on. Check the disk, and what is free on it';
  return new StoreError('io', `cannot write ${path}: ${message}; ${what}`, error);
}

function latestOf(slots: readonly (Slot | undefined)[]): Slot | undefined {
  return slots.reduce((best, slot) => (slot && slot.count > (best?.count ?? -1n) ? slot : best), undefined);
}

function readSlots(file: FileHandle): Promise<(Slot | undefined)[]> {
  return Promise.all(SLOTS.map((slot) => readSlot(file, slot)));
}

async function readSlot(file: FileHandle, slot: number): Promise<Slot | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, slot * SLOT_BYTES);
  if (bytesRead < SEAL_BYTES + HEAD_BYTES) return undefined;
  const statementBytes = buffer.readUInt32BE(SEAL_BYTES + 8);
  if (statementBytes > STATEMENT_BYTES_MAX) return undefined;
  const length = SEAL_BYTES + HEAD_BYTES + statementBytes;
  const value = Buffer.alloc(length);
  await file.read(value, 0, length, slot * SLOT_BYTES);
  const body = unseal(keyOf(slot), value);
  return body && { count: body.readBigUInt64BE(), statement: body.subarray(HEAD_BYTES) };
}

function keyOf(slot: number): Buffer {
  return Buffer.from([slot]);
}
