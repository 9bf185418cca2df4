/**
 * Group commit: many changes, one fsync.
 *
 * Owns the order of commits. Promises that groups are committed one at a time, in order, and that while one is under
 * way the next ones gather; that a group is resolved only after its commit; and that a failed commit takes every group
 * behind it along, since those were made on top of it. Never retries.
 */

export interface GroupCommit<Item> {
  /** Puts an item into the group that gathers; gives that group's number. `bytes` is the item's weight. */
  add(item: Item, bytes: number): number;
  isCommitted(group: number): boolean;
  /** Resolves once the group is committed; rejects with what its commit, or one before it, rejected with. */
  committed(group: number): Promise<void>;
  /** Resolves once nothing is gathered or under way, however it went. */
  idle(): Promise<void>;
}

export interface GroupCommitOptions<Item> {
  /** Makes a group durable. Called synchronously when the group stops gathering; one call at a time. */
  readonly commit: (items: readonly Item[]) => Promise<void>;
  /** Called synchronously with the error before anyone is told of it: nothing that was added is good any more. */
  readonly failed: (error: unknown) => void;
  /** A group that has this many items gathers no more. */
  readonly itemsMax: number;
  /** A group that would weigh more with another item gathers no more. */
  readonly bytesMax: number;
}

export function createGroupCommit<Item>(options: GroupCommitOptions<Item>): GroupCommit<Item> {
  return new GroupCommitQueue(options);
}

class Group<Item> {
  readonly number: number;
  readonly items: Item[] = [];
  readonly committed: Promise<void>;
  bytes = 0;
  resolve!: () => void;
  reject!: (error: unknown) => void;

  constructor(number: number) {
    this.number = number;
    this.committed = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whoever added an item hears of a failure; a group that nobody asks about is no unhandled rejection.
    this.committed.catch(() => {});
  }
}

class GroupCommitQueue<Item> implements GroupCommit<Item> {
  readonly #options: GroupCommitOptions<Item>;
  /** Not committed yet, oldest first; the first one may be under way, the last one gathers. */
  #groups: Group<Item>[] = [];
  #number = 0;
  #running: Promise<void> | undefined;
  #underWay: Group<Item> | undefined;

  constructor(options: GroupCommitOptions<Item>) {
    this.#options = options;
  }

  add(item: Item, bytes: number): number {
    let group = this.#groups.at(-1);
    if (group === undefined || group === this.#underWay || this.#isFull(group, bytes)) {
      this.#number += 1;
      group = new Group(this.#number);
      this.#groups.push(group);
    }
    group.items.push(item);
    group.bytes += bytes;
    this.#running ??= this.#run();
    return group.number;
  }

  isCommitted(group: number): boolean {
    return this.#groups.every((open) => open.number !== group);
  }

  committed(group: number): Promise<void> {
    return this.#groups.find((open) => open.number === group)?.committed ?? Promise.resolve();
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  #isFull(group: Group<Item>, more: number): boolean {
    return group.items.length >= this.#options.itemsMax || group.bytes + more > this.#options.bytesMax;
  }

  async #run(): Promise<void> {
    // What arrives in the same turn of the event loop belongs together.
    await new Promise((resolve) => setImmediate(resolve));
    for (let group = this.#groups[0]; group !== undefined; group = this.#groups[0]) {
      this.#underWay = group;
      try {
        await this.#options.commit(group.items);
        this.#groups.shift();
        group.resolve();
      } catch (error) {
        const lost = this.#groups;
        this.#groups = [];
        this.#options.failed(error);
        for (const one of lost) one.reject(error);
      }
    }
    this.#underWay = undefined;
    this.#running = undefined;
  }
}
