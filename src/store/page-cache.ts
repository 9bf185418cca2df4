/**
 * The pages in use, as they are on disk or about to be.
 *
 * Owns the merging: many deltas go into a page in memory, and it is encoded once per commit. Promises that all cold
 * pages of a commit are read together, that no more than the bound stays in memory after it, and that a commit of very
 * many pages lets others have a turn. Works for one commit at a time; after a failed one it must be cleared, for its pages
 * are then ahead of the disk.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { StoreError } from './errors.ts';
import { pageKey } from './gateway-keys.ts';
import type { Admission, PageKey, PageKind, PageOperator } from './gateway-store.ts';
import { createLru, type Lru } from './lru.ts';
import type { Operation, Rocks } from './rocks.ts';
import { seal, unsealOrThrow } from './seal.ts';

/** Of the pages kept between commits, as they are on disk: tens of thousands of usual ones, a few of the largest. */
const CACHED_BYTES_MAX = 128 << 20;

/** Read at a time; and after so many pages, or so many bytes of them, others have a turn. What usually shares a commit is less. */
const PIECE_PAGES = 1_024;
const PIECE_BYTES = 1 << 20;
const PAGE_BYTES = PIECE_BYTES / PIECE_PAGES;

export type PageChange<Page> = Admission<Page>['pages'][number];

export interface MergedPages {
  /** One per changed page. */
  readonly writes: Operation[];
  /** By device, how many pages these add to what is stored, and how many bytes, keys included. */
  readonly growth: ReadonlyMap<string, PageGrowth>;
}

export interface PageGrowth {
  pages: number;
  pageBytes: number;
}

export interface PageCache<Page> {
  /** Merges the changes in order. */
  merge(rocks: Pick<Rocks, 'getMany'>, changes: readonly PageChange<Page>[]): Promise<MergedPages>;
  clear(): void;
}

export function createPageCache<Page>(operator: PageOperator<Page>, pagesMax: number): PageCache<Page> {
  return new OperatorPageCache(operator, pagesMax);
}

/** A page as it stands under its key. What has been damaged, or an operator cannot read, is a `StoreError` `corrupt`. */
export function decodePage<Page>(operator: PageOperator<Page>, kind: PageKind, key: Buffer, value: Buffer): Page {
  const bytes = unsealOrThrow(key, value);
  try {
    return operator.decode(kind, bytes);
  } catch (error) {
    throw new StoreError('corrupt', `not a page of kind ${kind}`, error);
  }
}

/** A place for a page; empty until the page has been read. */
interface Slot<Page> {
  readonly id: string;
  readonly deviceId: string;
  readonly kind: PageKind;
  readonly key: Buffer;
  page: Page | undefined;
  /** What it takes on disk with its key; nothing where it is new. */
  storedBytes: number;
}

class OperatorPageCache<Page> implements PageCache<Page> {
  readonly #operator: PageOperator<Page>;
  readonly #live: Lru<Slot<Page>>;

  constructor(operator: PageOperator<Page>, pagesMax: number) {
    this.#operator = operator;
    this.#live = createLru(pagesMax, CACHED_BYTES_MAX);
  }

  async merge(rocks: Pick<Rocks, 'getMany'>, changes: readonly PageChange<Page>[]): Promise<MergedPages> {
    const pace = createPace();
    const touched = new Map<string, Slot<Page>>();
    const slots: Slot<Page>[] = [];
    for (const { key } of changes) {
      slots.push(this.#touch(touched, key));
      if (pace(PAGE_BYTES)) await nextTurn();
    }
    const cold = [...touched.values()].filter(({ page }) => page === undefined);
    for (let at = 0; at < cold.length; at += PIECE_PAGES) await this.#read(rocks, cold.slice(at, at + PIECE_PAGES));
    for (const [i, { key, delta }] of changes.entries()) {
      this.#operator.merge(key.kind, slots[i]!.page!, delta);
      if (pace(PAGE_BYTES)) await nextTurn();
    }
    const writes: Operation[] = [];
    const growth = new Map<string, PageGrowth>();
    for (const slot of touched.values()) {
      const { id, key, kind, page } = slot;
      const value = seal(key, this.#operator.encode(kind, page!));
      this.#live.set(id, slot, value.length);
      writes.push({ type: 'put', key, value });
      grow(growth, slot, key.length + value.length);
      if (pace(PAGE_BYTES + value.length)) await nextTurn();
    }
    this.#live.trim();
    return { writes, growth };
  }

  clear(): void {
    this.#live.clear();
  }

  #touch(touched: Map<string, Slot<Page>>, key: PageKey): Slot<Page> {
    const id = `${key.kind}/${key.deviceId}/${key.start}/${key.sensor}`;
    let slot = touched.get(id);
    if (slot === undefined) {
      slot = this.#live.get(id) ?? newSlot(id, key);
      touched.set(id, slot);
    }
    return slot;
  }

  async #read(rocks: Pick<Rocks, 'getMany'>, cold: readonly Slot<Page>[]): Promise<void> {
    const values = await rocks.getMany(cold.map(({ key }) => key));
    const pace = createPace();
    for (const [i, slot] of cold.entries()) {
      const value = values[i];
      slot.page =
        value === undefined ? this.#operator.empty(slot.kind) : decodePage(this.#operator, slot.kind, slot.key, value);
      slot.storedBytes = value === undefined ? 0 : slot.key.length + value.length;
      if (pace(PAGE_BYTES + (value?.length ?? 0))) await nextTurn();
    }
  }
}

function newSlot<Page>(id: string, key: PageKey): Slot<Page> {
  return { id, deviceId: key.deviceId, kind: key.kind, key: pageKey(key), page: undefined, storedBytes: 0 };
}

function grow(growth: Map<string, PageGrowth>, slot: Slot<unknown>, bytes: number): void {
  let grown = growth.get(slot.deviceId);
  if (grown === undefined) {
    grown = { pages: 0, pageBytes: 0 };
    growth.set(slot.deviceId, grown);
  }
  if (slot.storedBytes === 0) grown.pages += 1;
  grown.pageBytes += bytes - slot.storedBytes;
  slot.storedBytes = bytes;
}

/** Tells whether a turn for others is due, once so many more bytes have been worked on. */
function createPace(): (bytes: number) => boolean {
  let done = 0;
  return (bytes) => {
    done += bytes;
    if (done < PIECE_BYTES) return false;
    done = 0;
    return true;
  };
}
