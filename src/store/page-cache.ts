/**
 * The pages in use, as they are on disk or about to be.
 *
 * Owns the merging: many deltas go into a page in memory, and it is encoded once per commit. Where a page was cut, what
 * belongs into its parts is merged into those, and the page comes last, since it knows which parts there are. Promises
 * that cold pages are read many at a time, that memory is bounded by what pages take there, not on disk, also while a
 * commit touches very many of them, and that a commit lets others have a turn in the middle of a page. Works for one
 * commit at a time; after a failed one it must be cleared, for its pages are then ahead of the disk.
 */
import { StoreError } from './errors.ts';
import { pageKey } from './gateway-keys.ts';
import type { Admission, PageKey, PageKind, PageOperator, PageWork } from './gateway-store.ts';
import { createLru, type Lru } from './lru.ts';
import type { Operation, Rocks } from './rocks.ts';
import { seal, unsealOrThrow } from './seal.ts';
import type { Turns } from './time-slicing.ts';

/** Of the pages kept between commits, as they are in memory: tens of thousands of usual ones. */
const CACHED_BYTES_MAX = 128 << 20;

/**
 * Cold pages are read as many at a time as come to about so many bytes, going by those before them: a few at first, and
 * never more than twice as many as before, so that large ones behind small ones are no surprise.
 */
const READ_BYTES = 1 << 20;
const READ_PAGES_FIRST = 16;
const READ_PAGES_MAX = 1_024;

export type PageChange<Page> = Admission<Page>['pages'][number];

export interface MergedPages {
  /** One per changed page. */
  readonly writes: Operation[];
  /** By device, how many pages these add to what is stored, and how many bytes, keys included. */
  readonly growth: Map<string, PageGrowth>;
}

export interface PageGrowth {
  pages: number;
  pageBytes: number;
  /** What the largest of the changed ones takes. */
  largestPage: number;
}

export interface PageCache<Page> {
  /** Merges the changes in order. */
  merge(rocks: Pick<Rocks, 'getMany'>, changes: readonly PageChange<Page>[]): Promise<MergedPages>;
  /** As `GatewayStore.weigh`; also while a commit is under way. */
  weigh(rocks: Pick<Rocks, 'getMany'>, changes: readonly PageChange<Page>[], bytesMax: number): Promise<number>;
  clear(): void;
}

export function createPageCache<Page>(operator: PageOperator<Page>, pagesMax: number, turns: Turns): PageCache<Page> {
  return new OperatorPageCache(operator, pagesMax, turns);
}

/** A page as it stands under its key. What is damaged, or unreadable to an operator, is a `StoreError` `corrupt`. */
export function decodePage<Page>(operator: PageOperator<Page>, kind: PageKind, key: Buffer, value: Buffer): Page {
  const bytes = unsealOrThrow(key, value);
  try {
    return operator.decode(kind, bytes);
  } catch (error) {
    throw new StoreError('corrupt', `not a page of kind ${kind}`, error);
  }
}

/** A page in memory. */
interface Live<Page> {
  readonly page: Page;
  /** What it takes on disk with its key; nothing where it is new. */
  storedBytes: number;
}

/** A place for a page, and what a commit adds to it. */
interface Slot<Page> {
  readonly id: string;
  readonly name: PageKey;
  readonly key: Buffer;
  readonly deltas: Page[];
  /** Of a part that is merged. */
  readonly head?: Head<Page> | undefined;
}

/** By id. */
type Parts<Page> = Map<string, Slot<Page>>;

/** A page of which a commit changes parts. */
interface Head<Page> {
  readonly slot: Slot<Page>;
  readonly live: Live<Page>;
  /** Parts that are still to be merged. */
  partsLeft: number;
  isChanged: boolean;
}

class OperatorPageCache<Page> implements PageCache<Page> {
  readonly #operator: PageOperator<Page>;
  readonly #turns: Turns;
  readonly #live: Lru<Live<Page>>;

  constructor(operator: PageOperator<Page>, pagesMax: number, turns: Turns) {
    this.#operator = operator;
    this.#turns = turns;
    this.#live = createLru(pagesMax, CACHED_BYTES_MAX);
  }

  async merge(rocks: Pick<Rocks, 'getMany'>, changes: readonly PageChange<Page>[]): Promise<MergedPages> {
    const merged: MergedPages = { writes: [], growth: new Map() };
    const parts: Parts<Page> = new Map();
    for await (const [slot, live] of this.#each(rocks, await this.#slotsOf(changes))) {
      await this.#mergeHead(merged, slot, live, parts);
    }
    for await (const [slot, live] of this.#each(rocks, parts.values())) await this.#mergePart(merged, slot, live);
    return merged;
  }

  async weigh(rocks: Pick<Rocks, 'getMany'>, changes: readonly PageChange<Page>[], bytesMax: number): Promise<number> {
    let bytes = 0;
    const parts: Parts<Page> = new Map();
    for await (const [slot, { page, storedBytes }] of this.#each(rocks, await this.#slotsOf(changes))) {
      bytes += storedBytes;
      if (bytes > bytesMax) return bytes;
      for (const delta of slot.deltas) this.#divide(slot, page, delta, parts);
    }
    for await (const [, { storedBytes }] of this.#each(rocks, parts.values())) {
      bytes += storedBytes;
      if (bytes > bytesMax) return bytes;
    }
    return bytes;
  }

  clear(): void {
    this.#live.clear();
  }

  async #slotsOf(changes: readonly PageChange<Page>[]): Promise<Iterable<Slot<Page>>> {
    const slots = new Map<string, Slot<Page>>();
    for (const { key, delta } of changes) {
      const id = idOf(key);
      const slot = slots.get(id);
      if (slot === undefined) slots.set(id, { id, name: key, key: pageKey(key), deltas: [delta] });
      else slot.deltas.push(delta);
      if (this.#turns.isOver()) await this.#turns.next();
    }
    return slots.values();
  }

  /** The pages of these places, those in memory first. */
  async *#each(
    rocks: Pick<Rocks, 'getMany'>,
    slots: Iterable<Slot<Page>>,
  ): AsyncGenerator<readonly [Slot<Page>, Live<Page>], void, void> {
    const cold: Slot<Page>[] = [];
    for (const slot of slots) {
      const live = this.#live.get(slot.id);
      if (live === undefined) cold.push(slot);
      else yield [slot, live];
    }
    for (let at = 0, pages = READ_PAGES_FIRST; at < cold.length; ) {
      const piece = cold.slice(at, at + pages);
      const values = await rocks.getMany(piece.map(({ key }) => key));
      let bytes = 0;
      for (const [i, slot] of piece.entries()) {
        const value = values[i];
        const { name, key } = slot;
        const page =
          value === undefined ? this.#operator.empty(name.kind) : decodePage(this.#operator, name.kind, key, value);
        const storedBytes = value === undefined ? 0 : key.length + value.length;
        bytes += storedBytes;
        yield [slot, { page, storedBytes }];
        if (this.#turns.isOver()) await this.#turns.next();
      }
      at += piece.length;
      const fitting = Math.floor((READ_BYTES * piece.length) / (bytes + 1));
      pages = Math.max(1, Math.min(fitting, 2 * pages, READ_PAGES_MAX));
    }
  }

  /** What is the page's own of `delta`; what belongs into its parts goes to theirs. */
  #divide({ name }: Slot<Page>, page: Page, delta: Page, parts: Parts<Page>, head?: Head<Page>): Page | undefined {
    const division = this.#operator.divide(name.kind, page, delta);
    if (division === undefined) return delta;
    for (const part of division.parts) {
      const partName = { ...name, start: part.start };
      const id = idOf(partName);
      const slot = parts.get(id);
      if (slot === undefined) {
        parts.set(id, { id, name: partName, key: pageKey(partName), deltas: [part.page], head });
        if (head !== undefined) head.partsLeft += 1;
      } else slot.deltas.push(part.page);
    }
    return division.own;
  }

  async #mergeHead(merged: MergedPages, slot: Slot<Page>, live: Live<Page>, parts: Parts<Page>): Promise<void> {
    const head: Head<Page> = { slot, live, partsLeft: 0, isChanged: false };
    for (const delta of slot.deltas) {
      const own = this.#divide(slot, live.page, delta, parts, head);
      if (own === undefined) continue;
      await this.#inTurns(this.#operator.merge(slot.name.kind, live.page, own));
      head.isChanged = true;
    }
    if (head.partsLeft === 0) await this.#finish(merged, head);
  }

  async #mergePart(merged: MergedPages, slot: Slot<Page>, live: Live<Page>): Promise<void> {
    const { deltas, name } = slot;
    const head = slot.head!;
    for (const delta of deltas) await this.#inTurns(this.#operator.merge(name.kind, live.page, delta));
    if ((await this.#cut(merged, head, live.page)) > 0) head.isChanged = true;
    await this.#write(merged, slot, live);
    head.partsLeft -= 1;
    if (head.partsLeft === 0) await this.#finish(merged, head);
  }

  async #finish(merged: MergedPages, head: Head<Page>): Promise<void> {
    await this.#cut(merged, head, head.live.page);
    if (head.isChanged) await this.#write(merged, head.slot, head.live);
    else this.#keep(head.slot, head.live);
  }

  /** Writes what is cut off a page, and gives how many parts that makes. */
  async #cut(merged: MergedPages, { slot, live }: Head<Page>, page: Page): Promise<number> {
    const { name } = slot;
    const parts = await this.#inTurns(this.#operator.cut(name.kind, live.page, name.start, page));
    for (const part of parts) {
      const partName = { ...name, start: part.start };
      const partSlot = { id: idOf(partName), name: partName, key: pageKey(partName), deltas: [] };
      await this.#write(merged, partSlot, { page: part.page, storedBytes: 0 });
    }
    return parts.length;
  }

  async #write({ writes, growth }: MergedPages, slot: Slot<Page>, live: Live<Page>): Promise<void> {
    const { name, key } = slot;
    const value = seal(key, await this.#inTurns(this.#operator.encode(name.kind, live.page)));
    const before = live.storedBytes;
    live.storedBytes = key.length + value.length;
    grow(growth, name.deviceId, before, live.storedBytes);
    writes.push({ type: 'put', key, value });
    this.#keep(slot, live);
  }

  /** Lets go of others at once: a commit may touch any number. */
  #keep({ id, name: { kind } }: Slot<Page>, live: Live<Page>): void {
    this.#live.set(id, live, this.#operator.bytesOf(kind, live.page));
    this.#live.trim();
  }

  async #inTurns<T>(work: PageWork<T>): Promise<T> {
    for (;;) {
      const step = work.next();
      if (this.#turns.isOver()) await this.#turns.next();
      if (step.done) return step.value;
    }
  }
}

function idOf({ kind, deviceId, start, sensor }: PageKey): string {
  return `${kind}/${deviceId}/${start}/${sensor}`;
}

function grow(growth: Map<string, PageGrowth>, deviceId: string, before: number, bytes: number): void {
  const grown = growth.get(deviceId) ?? { pages: 0, pageBytes: 0, largestPage: 0 };
  if (before === 0) grown.pages += 1;
  grown.pageBytes += bytes - before;
  grown.largestPage = Math.max(grown.largestPage, bytes);
  growth.set(deviceId, grown);
}
