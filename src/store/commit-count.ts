/**
 * How many commits a gateway's database holds, and whether that is all there were.
 *
 * Owns the count, which is part of every commit, and its witness. A database that has lost its latest commits without a
 * trace would give wrong totals, and take as new what the devices have let go of. Promises that it is `corrupt` instead.
 * Never doubts a database with more commits than the witness knows of: that is only ever behind.
 */
import { StoreError } from './errors.ts';
import type { GatewayFiles } from './gateway-files.ts';
import { GATEWAY } from './keys.ts';
import type { Operation, Rocks } from './rocks.ts';
import { seal, unsealOrThrow } from './seal.ts';
import type { Witness } from './witness.ts';

export interface CommitCount {
  /** Reads the count of a database that was opened. Rejects with `corrupt` where the witness knows of more. */
  resume(rocks: Rocks): Promise<void>;
  /** The write that counts one more; part of that commit. */
  next(): Operation;
  /** The commit is durable. */
  counted(): Promise<void>;
  close(): Promise<void>;
}

const KEY = Buffer.from([GATEWAY.meta, ...Buffer.from('commits')]);

/** @param witnessPath a file beside the database */
export function createCommitCount(witnessPath: string, open: GatewayFiles['openWitness']): CommitCount {
  return new WitnessedCount(witnessPath, open);
}

class WitnessedCount implements CommitCount {
  readonly #path: string;
  #witness: Witness | undefined;
  readonly #open: GatewayFiles['openWitness'];
  #count = 0;

  constructor(path: string, open: GatewayFiles['openWitness']) {
    this.#path = path;
    this.#open = open;
  }

  async resume(rocks: Rocks): Promise<void> {
    const stored = await rocks.get(KEY);
    this.#count = stored === undefined ? 0 : Number(unsealOrThrow(KEY, stored).readBigUInt64BE());
    // Only now that the database is open, which locks it, is the witness ours to hear.
    this.#witness ??= await this.#open(this.#path);
    const { statement } = this.#witness;
    const witnessed = statement === undefined ? 0 : Number(statement.readBigUInt64BE());
    if (witnessed <= this.#count) return;
    throw new StoreError(
      'corrupt',
      `the database has lost its latest ${witnessed - this.#count} commits: put back a copy of it together with ` +
        `${this.#path}, or remove that file to go on with what is there`,
    );
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

function bytesOf(count: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(count));
  return bytes;
}
