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
import type { PageKind, PageOperator } from './gateway-store.ts';
import { createLru, type Lru } from './lru.ts';
import {
  type Head,
  idOf,
  type Live,
  type PageChange,
  SLOT_WEIGHT,
  type Slot,
  type Slots,
  slotsOf,
} from './page-slots.ts';
import type { Operation, Rocks } from './rocks.ts';
import { seal, unsealOrThrow } from './seal.ts';
import { inTurns, type Steps } from './stepped-work.ts';
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

/** What it weighs to look at a page (see `Steps`). */
const VISIT_WEIGHT = 256;

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

/** What is done with each of several pages. */
interface Visit<Page> {
  page(slot: Slot<Page>, live: Live<Page>): Steps<void>;
  /** Whether the pages that are left need not be looked at. */
  isEnough?(): boolean;
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
    const parts: Slots<Page> = new Map();
    const slots = await this.#inTurns(slotsOf(changes));
    await this.#each(rocks, slots, { page: (slot, live) => this.#mergeHead(merged, slot, live, parts) });
    await this.#each(rocks, parts, { page: (slot, live) => this.#mergePart(merged, slot, live) });
    return merged;
  }

  async weigh(rocks: Pick<Rocks, 'getMany'>, changes: readonly PageChange<Page>[], bytesMax: number): Promise<number> {
    let bytes = 0;
    const isEnough = () => bytes > bytesMax;
    const parts: Slots<Page> = new Map();
    const divide = this.#divide.bind(this);
    const slots = await this.#inTurns(slotsOf(changes));
    await this.#each(rocks, slots, {
      *page(slot, { page, storedBytes }) {
        bytes += storedBytes;
        for (const delta of slot.deltas) {
          divide(slot, page, delta, parts);
          yield SLOT_WEIGHT;
        }
      },
      isEnough,
    });
    await this.#each(rocks, parts, {
      *page(_, { storedBytes }) {
        bytes += storedBytes;
        yield SLOT_WEIGHT;
      },
      isEnough,
    });
    return bytes;
  }

  clear(): void {
    this.#live.clear();
  }

  /** Visits the pages of these places, those in memory first. */
  async #each(rocks: Pick<Rocks, 'getMany'>, slots: Slots<Page>, visit: Visit<Page>): Promise<void> {
    const cold: Slot<Page>[] = [];
    await this.#inTurns(this.#eachInMemory(slots, visit, cold));
    for (let at = 0, pages = READ_PAGES_FIRST; at < cold.length && !visit.isEnough?.(); ) {
      const piece = cold.slice(at, at + pages);
      const keys = piece.map(({ name }) => pageKey(name));
      const bytes = await this.#inTurns(this.#eachRead(piece, keys, await rocks.getMany(keys), visit));
      at += piece.length;
      const fitting = Math.floor((READ_BYTES * piece.length) / (bytes + 1));
      pages = Math.max(1, Math.min(fitting, 2 * pages, READ_PAGES_MAX));
    }
  }

  /** Those that are not in memory go to `cold`. */
  *#eachInMemory(slots: Slots<Page>, visit: Visit<Page>, cold: Slot<Page>[]): Steps<void> {
    for (const slot of slots.values()) {
      if (visit.isEnough?.()) return;
      const live = this.#live.get(slot.id);
      if (live === undefined) cold.push(slot);
      else yield* visit.page(slot, live);
      yield VISIT_WEIGHT;
    }
  }

  /** Gives how many bytes were read of the pages that were visited. */
  *#eachRead(
    slots: readonly Slot<Page>[],
    keys: readonly Buffer[],
    values: readonly (Buffer | undefined)[],
    visit: Visit<Page>,
  ): Steps<number> {
    let bytes = 0;
    for (const [i, slot] of slots.entries()) {
      if (visit.isEnough?.()) break;
      const { kind } = slot.name;
      const key = keys[i]!;
      const value = values[i];
      const page = value === undefined ? this.#operator.empty(kind) : decodePage(this.#operator, kind, key, value);
      const storedBytes = value === undefined ? 0 : key.length + value.length;
      bytes += storedBytes;
      yield* visit.page(slot, { key, page, storedBytes });
      yield VISIT_WEIGHT;
    }
    return bytes;
  }

  /** What is the page's own of `delta`; what belongs into its parts goes to theirs. */
  #divide({ name }: Slot<Page>, page: Page, delta: Page, parts: Slots<Page>, head?: Head<Page>): Page | undefined {
    const division = this.#operator.divide(name.kind, page, delta);
    if (division === undefined) return delta;
    for (const part of division.parts) {
      const partName = { ...name, start: part.start };
      const id = idOf(partName);
      const slot = parts.get(id);
      if (slot === undefined) {
        parts.set(id, { id, name: partName, deltas: [part.page], head });
        if (head !== undefined) head.partsLeft += 1;
      } else slot.deltas.push(part.page);
    }
    return division.own;
  }

  *#mergeHead(merged: MergedPages, slot: Slot<Page>, live: Live<Page>, parts: Slots<Page>): Steps<void> {
    const head: Head<Page> = { slot, live, partsLeft: 0, isChanged: false };
    for (const delta of slot.deltas) {
      const own = this.#divide(slot, live.page, delta, parts, head);
      if (own === undefined) continue;
      yield* this.#operator.merge(slot.name.kind, live.page, own);
      head.isChanged = true;
    }
    if (head.partsLeft === 0) yield* this.#finish(merged, head);
  }

  *#mergePart(merged: MergedPages, slot: Slot<Page>, live: Live<Page>): Steps<void> {
    const { deltas, name } = slot;
    const head = slot.head!;
    for (const delta of deltas) yield* this.#operator.merge(name.kind, live.page, delta);
    if ((yield* this.#cut(merged, head, live.page)) > 0) head.isChanged = true;
    yield* this.#write(merged, slot, live);
    head.partsLeft -= 1;
    if (head.partsLeft === 0) yield* this.#finish(merged, head);
  }

  *#finish(merged: MergedPages, head: Head<Page>): Steps<void> {
    yield* this.#cut(merged, head, head.live.page);
    if (head.isChanged) yield* this.#write(merged, head.slot, head.live);
    else this.#keep(head.slot, head.live);
  }

  /** Writes what is cut off a page, and gives how many parts that makes. */
  *#cut(merged: MergedPages, { slot, live }: Head<Page>, page: Page): Steps<number> {
    const { name } = slot;
    const cutting = this.#operator.cut(name.kind, live.page, name.start, page);
    if (cutting === undefined) return 0;
    const parts = yield* cutting;
    for (const part of parts) {
      const partName = { ...name, start: part.start };
      const partSlot = { id: idOf(partName), name: partName, deltas: [] };
      yield* this.#write(merged, partSlot, { key: pageKey(partName), page: part.page, storedBytes: 0 });
    }
    return parts.length;
  }

  *#write({ writes, growth }: MergedPages, slot: Slot<Page>, live: Live<Page>): Steps<void> {
    const { name } = slot;
    const { key } = live;
    const value = seal(key, yield* this.#operator.encode(name.kind, live.page));
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

  #inTurns<T>(steps: Steps<T>): Promise<T> {
    return inTurns(steps, this.#turns);
  }
}

function grow(growth: Map<string, PageGrowth>, deviceId: string, before: number, bytes: number): void {
  const grown = growth.get(deviceId) ?? { pages: 0, pageBytes: 0, largestPage: 0 };
  if (before === 0) grown.pages += 1;
  grown.pageBytes += bytes - before;
  grown.largestPage = Math.max(grown.largestPage, bytes);
  growth.set(deviceId, grown);
}
