/**
 * The watch over a database that is open: whether its disk rots, and whether RocksDB still gets on with its work.
 *
 * Owns what is known of that. RocksDB that meets a damaged block while it merges sorted files tries again for ever and
 * says nothing; the files pile up, and in the end it holds every write back. Promises that when its failures grow all
 * files are looked through, that what can be put right is, and that everything is told once; and to say when nothing
 * must be written any more, before RocksDB would hold it back. Costs a commit the asking of a few numbers.
 */
import { StoreError } from './errors.ts';
import type { Rocks } from './rocks.ts';
import type { RocksHandle } from './rocks-handle.ts';

/** How a database is, as of the last look. */
export interface StoreCondition {
  /** Bits that had flipped on disk and were put right, since the store was opened. */
  readonly mendedBits: number;
  /** How often RocksDB failed at its work behind the scenes, since it was opened last. */
  readonly failures: number;
  /** Sorted files that wait to be merged. More than a few dozen, and RocksDB takes no more writes. */
  readonly unmergedFiles: number;
  /** Why nothing is taken any more; undefined while all is well. */
  readonly trouble: string | undefined;
}

/** The same of a gateway's database. */
export interface GatewayCondition extends StoreCondition {
  /** Why the witness beside it does not take how far it has come; undefined while it does. */
  readonly unwitnessed: string | undefined;
}

/** What was found out: bits that were put right, or why nothing is written any more. */
export type RotReport = { readonly mendedBits: number } | { readonly trouble: string };

/** Beside that, what is wrong with the witness: all goes on, and what gets lost may stay unknown. */
export type StoreReport = RotReport | { readonly unwitnessed: string };

/** As a device says it, which goes on with what is whole and gives up the rest as a gap. */
export function rotError(path: string, report: RotReport): StoreError {
  const what =
    'trouble' in report
      ? `${report.trouble}; what is whole goes on`
      : `${report.mendedBits} flipped bits were put right`;
  return new StoreError('corrupt', `the disk of ${path} rots: ${what}. Check the disk`);
}

export interface RotWatch {
  readonly condition: StoreCondition;
  /** Looks at the numbers of the open database; where they have grown, looks through the files behind the scenes. */
  observe(rocks: Rocks): void;
  /** Throws `corrupt` where nothing must be written any more. */
  assertSound(): void;
  /** Resolves once nothing is being looked through. */
  idle(): Promise<void>;
}

/** RocksDB slows writes down at 20 such files, and stops them at 36. */
const UNMERGED_MAX = 28;

export function createRotWatch(handle: RocksHandle, report: (report: RotReport) => void): RotWatch {
  return new FailureWatch(handle, report);
}

class FailureWatch implements RotWatch {
  readonly #handle: RocksHandle;
  readonly #report: (report: RotReport) => void;
  #mendedBits = 0;
  #failures = 0;
  #unmergedFiles = 0;
  /** For good: a block does not become whole again. */
  #damage: string | undefined;
  #isStuck = false;
  /** As many failures as when the files were looked through last. */
  #lookedAt = 0;
  #mendedIn: { readonly rocks: Rocks; bits: number } | undefined;
  #looking: Promise<void> | undefined;

  constructor(handle: RocksHandle, report: (report: RotReport) => void) {
    this.#handle = handle;
    this.#report = report;
  }

  get condition(): StoreCondition {
    const facts = `${this.#unmergedFiles} wait, and it has failed ${this.#failures} times`;
    const trouble = this.#damage ?? (this.#isStuck ? `RocksDB cannot merge its files: ${facts}` : undefined);
    return { mendedBits: this.#mendedBits, failures: this.#failures, unmergedFiles: this.#unmergedFiles, trouble };
  }

  observe(rocks: Rocks): void {
    const { failures, unmergedFiles } = rocks;
    // A database that was opened again has begun to count anew.
    if (failures < this.#lookedAt) this.#lookedAt = 0;
    this.#failures = failures;
    this.#unmergedFiles = unmergedFiles;
    this.#heed(rocks);
    // At a failure, and again when there are twice as many: looking through all files takes a while.
    const isGrown = failures > 2 * this.#lookedAt;
    const isPiling = unmergedFiles >= UNMERGED_MAX && failures > 0;
    if (isPiling !== this.#isStuck) {
      this.#isStuck = isPiling;
      if (isPiling && this.#damage === undefined) this.#report({ trouble: this.condition.trouble! });
    }
    if (isGrown) this.#looking ??= this.#look(failures);
  }

  assertSound(): void {
    const { trouble } = this.condition;
    if (trouble !== undefined) throw new StoreError('corrupt', trouble);
  }

  async idle(): Promise<void> {
    await this.#looking;
  }

  async #look(failures: number): Promise<void> {
    this.#lookedAt = failures;
    try {
      await this.#handle.use(async (rocks) => {
        await rocks.lookThrough();
        this.#heed(rocks);
      });
    } catch {
      // Closed meanwhile, or the disk does not answer: the failures go on growing if there is anything to them.
      this.#lookedAt = 0;
    } finally {
      this.#looking = undefined;
    }
  }

  /** Takes note of what has been found in the files so far, whoever found it. */
  #heed(rocks: Rocks): void {
    const { mendedBits, damage } = rocks;
    const before = this.#mendedIn?.rocks === rocks ? this.#mendedIn.bits : 0;
    this.#mendedIn = { rocks, bits: mendedBits };
    if (mendedBits > before) {
      this.#mendedBits += mendedBits - before;
      this.#report({ mendedBits: mendedBits - before });
    }
    if (damage === undefined || this.#damage !== undefined) return;
    this.#damage = damage;
    this.#report({ trouble: damage });
  }
}
