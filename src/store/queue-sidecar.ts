/**
 * What is kept of a queue beside its database: witness, marks and streams.
 *
 * Owns what they are told and when they are asked. Promises that after every opening the state accounts for what the
 * database has lost, that what is kept is behind the database and never ahead of it, and to hold up nobody: a device
 * goes on without them, as without whatever else is damaged, and that is told.
 */
import { join } from 'node:path';
import { type StoreError, toStoreError } from './errors.ts';
import { familyRange, QUEUE } from './keys.ts';
import { type Aside, createAside } from './queue-aside.ts';
import type { QueueFiles } from './queue-files.ts';
import { createLatestMarks, type LatestMarks } from './queue-marks.ts';
import type { Gap } from './queue-records.ts';
import { type LoadedQueue, type QueueState, stateOperations, type Witnessed } from './queue-state.ts';
import type { StreamRun } from './queue-streams.ts';
import { encodeStatement, lostSince, witnessedBy } from './queue-witness.ts';
import type { Operation, Rocks } from './rocks.ts';
import type { StreamLog } from './stream-log.ts';
import type { Witness } from './witness.ts';

export interface SidecarOptions {
  /** The queue's directory. */
  readonly path: string;
  readonly files: Pick<QueueFiles, 'openWitness' | 'openStreamLog' | 'readRuns'>;
  /** Called for what the database turns out to have lost without a trace. */
  readonly onLost: (gap: Gap) => void;
  /** Called where one of the files cannot be used. */
  readonly onTrouble: (error: StoreError) => void;
}

export interface Sidecar {
  /** As the witness had them at the first opening. */
  readonly witnessedTotals: Uint8Array | undefined;
  /** What the witness says. */
  witnessed(): Promise<Witnessed | undefined>;
  /**
   * The state in which what the database has lost without a trace is accounted for.
   * @param isPartial whether records of the database are known to be lost
   */
  opened(rocks: Rocks, loaded: LoadedQueue, isPartial: boolean): Promise<QueueState>;
  /** To be told of every commit. */
  committed(before: QueueState, after: QueueState, operations: readonly Operation[]): Promise<void>;
  close(): Promise<void>;
}

export function createSidecar(options: SidecarOptions): Sidecar {
  return new BesideQueue(options);
}

class BesideQueue implements Sidecar {
  readonly #options: SidecarOptions;
  #witness: Witness | undefined;
  #marksFile: Witness | undefined;
  #runs: StreamLog | undefined;
  #marks: LatestMarks | undefined;
  #aside: Aside = createAside([]);
  /** The latest totals that were released; those of the witness while none have been since the opening. */
  #totals: Uint8Array | undefined;
  witnessedTotals: Uint8Array | undefined;

  constructor(options: SidecarOptions) {
    this.#options = options;
  }

  async witnessed(): Promise<Witnessed | undefined> {
    this.#witness ??= await this.#open('witness');
    const witnessed = witnessedBy(this.#witness?.statement, await this.#logged());
    this.witnessedTotals ??= witnessed?.totals;
    this.#totals ??= witnessed?.totals;
    return witnessed;
  }

  async opened(rocks: Rocks, { state: found, aside }: LoadedQueue, isPartial: boolean): Promise<QueueState> {
    const { files, onLost, onTrouble } = this.#options;
    const lost = lostSince(this.#witness?.statement, found, await this.#logged());
    const state = lost?.state ?? found;
    if (lost !== undefined) await rocks.write([...lost.operations, ...stateOperations(found, state)]);
    this.#marksFile ??= await this.#open('marks');
    this.#marks ??= createLatestMarks(this.#marksFile?.statement);
    if (this.#marksFile !== undefined && this.#marksFile.statement === undefined) await this.#copyMarks(rocks);
    // Those of the database may be older ones, or gone; else they may be newer.
    if ((isPartial || lost !== undefined) && this.#marks.puts.length > 0) await rocks.write(this.#marks.puts);
    aside.follow(lost?.operations ?? []);
    this.#aside = aside;
    this.#runs ??= await files.openStreamLog?.(this.#runsPath, onTrouble);
    await this.#runs?.follow(undefined, state.streams);
    await this.#tell(state);
    for (const gap of lost?.gaps ?? []) onLost(gap);
    return state;
  }

  async committed(before: QueueState, after: QueueState, operations: readonly Operation[]): Promise<void> {
    this.#aside.follow(operations);
    // Before the witness, which names the latest runs alone.
    await this.#runs?.follow(before.streams, after.streams);
    if (after.totals !== before.totals) this.#totals = after.totals;
    if (this.#marks?.follow(operations)) await this.#marksFile?.write(this.#marks.statement);
    await this.#tell(after);
  }

  async close(): Promise<void> {
    await this.#witness?.close();
    await this.#marksFile?.close();
    await this.#runs?.close();
  }

  get #runsPath(): string {
    return join(this.#options.path, 'streams');
  }

  async #logged(): Promise<readonly StreamRun[]> {
    return (await this.#options.files.readRuns?.(this.#runsPath)) ?? [];
  }

  /** From the database, where no marks were kept beside it so far. */
  async #copyMarks(rocks: Rocks): Promise<void> {
    for await (const [key, value] of rocks.entries(familyRange(QUEUE.mark))) {
      this.#marks?.follow([{ type: 'put', key, value }]);
    }
    if (this.#marks !== undefined) await this.#marksFile?.write(this.#marks.statement);
  }

  async #tell(state: QueueState): Promise<void> {
    await this.#witness?.write(encodeStatement({ ...state, totals: this.#totals ?? state.totals }, this.#aside.text));
  }

  async #open(name: string): Promise<Witness | undefined> {
    const { path, files, onTrouble } = this.#options;
    return await files.openWitness?.(join(path, name), onTrouble).catch((error) => {
      onTrouble(toStoreError(error, `cannot open the ${name} in ${path}`));
      return undefined;
    });
  }
}
