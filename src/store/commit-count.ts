/**
 * How many commits a gateway's database holds, and whether that is all there were.
 *
 * Owns the count, which is part of every commit, and its witness. A database that has lost its latest commits without a
 * trace would give wrong totals, and take as new what the devices have let go of. Promises that it is `corrupt`
 * instead. Never doubts a database with more commits than the witness knows of: that is only ever behind.
 */
import { StoreError } from './errors.ts';
import type { GatewayFiles } from './gateway-files.ts';
import { GATEWAY } from './keys.ts';
import type { Operation, Rocks } from './rocks.ts';
import { seal, unsealOrThrow } from './seal.ts';
import type { Witness } from './witness.ts';

export interface CommitCount {
  /** Rejects with `corrupt` where the witness knows of more commits than the database. Changes nothing. */
  assertWhole(rocks: Rocks): Promise<void>;
  /** Reads the count of a database that was opened. Rejects with `corrupt` where the witness knows of more. */
  resume(rocks: Rocks): Promise<void>;
  /** The write that counts one more; part of that commit. */
  next(): Operation;
  /** The commit is durable. */
  counted(): Promise<void>;
  /** Why the witness is behind; undefined while it is not. */
  readonly unwitnessed: StoreError | undefined;
  close(): Promise<void>;
}

const KEY = Buffer.from([GATEWAY.meta, ...Buffer.from('commits')]);

/**
 * @param witnessPath a file beside the database
 * @param onTrouble called where the witness does not tell, or does not take, how far the database has come
 */
export function createCommitCount(
  witnessPath: string,
  files: Pick<GatewayFiles, 'openWitness' | 'readStatement'>,
  onTrouble: (error: StoreError) => void,
): CommitCount {
  return new WitnessedCount(witnessPath, files, onTrouble);
}

/** `statement` is what the witness said, as of before the database was opened. Rejects with `corrupt`. */
export async function assertCommits(rocks: Rocks, statement: Buffer | undefined, witnessPath: string): Promise<void> {
  assertWitnessed(await storedCount(rocks), statement, witnessPath);
}

/** Rejects with `corrupt` where there is a witness and nothing of its database. Makes nothing. */
export async function assertNotGone(
  path: string,
  witnessPath: string,
  files: Pick<GatewayFiles, 'isDatabase' | 'readStatement'>,
): Promise<void> {
  const statement = await files.readStatement(witnessPath);
  if (statement !== undefined && !(await files.isDatabase(path))) assertWitnessed(0, statement, witnessPath);
}

class WitnessedCount implements CommitCount {
  readonly #path: string;
  #witness: Witness | undefined;
  readonly #files: Pick<GatewayFiles, 'openWitness' | 'readStatement'>;
  readonly #onTrouble: (error: StoreError) => void;
  #count = 0;

  constructor(
    path: string,
    files: Pick<GatewayFiles, 'openWitness' | 'readStatement'>,
    onTrouble: (error: StoreError) => void,
  ) {
    this.#path = path;
    this.#files = files;
    this.#onTrouble = onTrouble;
  }

  get unwitnessed(): StoreError | undefined {
    return this.#witness?.trouble;
  }

  async assertWhole(rocks: Rocks): Promise<void> {
    await assertCommits(rocks, this.#witness?.statement ?? (await this.#files.readStatement(this.#path)), this.#path);
  }

  async resume(rocks: Rocks): Promise<void> {
    this.#count = await storedCount(rocks);
    const isFirst = this.#witness === undefined;
    this.#witness ??= await this.#files.openWitness(this.#path, this.#onTrouble);
    assertWitnessed(this.#count, this.#witness.statement, this.#path);
    if (isFirst && this.#witness.statement === undefined && this.#count > 0) {
      this.#onTrouble(missingWitness(this.#path));
      await this.#witness.write(bytesOf(this.#count));
    }
  }

  next(): Operation {
    return { type: 'put', key: KEY, value: seal(KEY, bytesOf(this.#count + 1)) };
  }

  async counted(): Promise<void> {
    this.#count += 1;
    await this.#witness?.write(bytesOf(this.#count));
  }

  async close(): Promise<void> {
    await this.#witness?.close();
    this.#witness = undefined;
  }
}

async function storedCount(rocks: Rocks): Promise<number> {
  const stored = await rocks.get(KEY);
  return stored === undefined ? 0 : Number(unsealOrThrow(KEY, stored).readBigUInt64BE());
}

function assertWitnessed(count: number, statement: Buffer | undefined, witnessPath: string): void {
  const witnessed = statement === undefined ? 0 : Number(statement.readBigUInt64BE());
  if (witnessed <= count) return;
  throw new StoreError(
    'corrupt',
    `the database has lost its latest ${witnessed - count} commits: put back a copy of it together with ` +
      `${witnessPath}, or remove that file to go on with what is there`,
  );
}

function missingWitness(path: string): StoreError {
  const said = `${path} is missing or says nothing: nobody can tell whether the database has lost its latest commits`;
  return new StoreError('io', `${said}. Compare its totals with those of the devices`);
}

function bytesOf(count: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(count));
  return bytes;
}
