/**
 * The pages in use, as they are on disk or about to be.
 *
 * Owns the merging: many deltas go into a page in memory, and it is encoded once per commit. Promises that cold pages are
 * read many at a time, that memory is bounded by what pages take there, not on disk, also while a commit touches very many
 * of them, and that a commit lets others have a turn in the middle of a page. Works for one commit at a time; after a failed
 * one it must be cleared, for its pages are then ahead of the disk.
 */
import { StoreError } from './errors.ts';
import { pageKey } from './gateway-keys.ts';
import type { Admission, PageKind, PageOperator, PageWork } from './gateway-store.ts';
import { createLru, type Lru } from './lru.ts';
import type { Operation, Rocks } from './rocks.ts';
import { seal, unsealOrThrow } from './seal.ts';
import type { Turns } from './time-slicing.ts';

/** Of the pages kept between commits, as they are in memory: tens of thousands of usual ones. */
const CACHED_BYTES_MAX = 128 << 20;

/** Cold pages are read as many at a time as come to about so many bytes, going by those before them. */
const READ_BYTES = 1 << 20;
const READ_PAGES_FIRST = 64;
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
}

export interface PageCache<Page> {
  /** Merges the changes in order. */
  merge(rocks: Pick<Rocks, 'getMany'>, changes: readonly PageChange<Page>[]): Promise<MergedPages>;
  clear(): void;
}

export function createPageCache<Page>(operator: PageOperator<Page>, pagesMax: number, turns: Turns): PageCache<Page> {
  return new OperatorPageCache(operator, pagesMax, turns);
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

/** A page in memory. */
interface Live<Page> {
  readonly page: Page;
  /** What it takes on disk with its key; nothing where it is new. */
  storedBytes: number;
}

/** A place for a page, and what a commit adds to it. */
interface Slot<Page> {
  readonly id: string;
  readonly deviceId: string;
  readonly kind: PageKind;
  readonly key: Buffer;
  readonly deltas: Page[];
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
    const touched = new Map<string, Slot<Page>>();
    for (const change of changes) {
      touch(touched, change);
      if (this.#turns.isOver()) await this.#turns.next();
    }
    const merged = { writes: [], growth: new Map() };
    const cold: Slot<Page>[] = [];
    for (const slot of touched.values()) {
      const live = this.#live.get(slot.id);
      if (live === undefined) cold.push(slot);
      else await this.#add(merged, slot, live);
    }
    for (let at = 0, pages = READ_PAGES_FIRST; at < cold.length; ) {
      const piece = cold.slice(at, at + pages);
      const bytes = await this.#read(rocks, piece, merged);
      at += piece.length;
      pages = Math.min(READ_PAGES_MAX, Math.max(1, Math.floor((READ_BYTES * piece.length) / (bytes + 1))));
    }
    return merged;
  }

  clear(): void {
    this.#live.clear();
  }

  /** Gives how many bytes these pages took on disk. */
  async #read(rocks: Pick<Rocks, 'getMany'>, cold: readonly Slot<Page>[], merged: MergedPages): Promise<number> {
    const values = await rocks.getMany(cold.map(({ key }) => key));
    let bytes = 0;
    for (const [i, slot] of cold.entries()) {
      const { kind, key } = slot;
      const value = values[i];
      const page = value === undefined ? this.#operator.empty(kind) : decodePage(this.#operator, kind, key, value);
      const storedBytes = value === undefined ? 0 : key.length + value.length;
      bytes += storedBytes;
      await this.#add(merged, slot, { page, storedBytes });
    }
    return bytes;
  }

  /** Adds what the commit adds to a page, keeps it, and lets go of others at once: a commit may touch any number. */
  async #add({ writes, growth }: MergedPages, slot: Slot<Page>, live: Live<Page>): Promise<void> {
    const { id, kind, key, deltas } = slot;
    const { page, storedBytes } = live;
    for (const delta of deltas) await this.#inTurns(this.#operator.merge(kind, page, delta));
    const value = seal(key, await this.#inTurns(this.#operator.encode(kind, page)));
    live.storedBytes = key.length + value.length;
    grow(growth, slot.deviceId, storedBytes, live.storedBytes);
    writes.push({ type: 'put', key, value });
    this.#live.set(id, live, this.#operator.bytesOf(kind, page));
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

function touch<Page>(touched: Map<string, Slot<Page>>, { key, delta }: PageChange<Page>): void {
  const { kind, deviceId, start, sensor } = key;
  const id = `${kind}/${deviceId}/${start}/${sensor}`;
  const slot = touched.get(id);
  if (slot === undefined) touched.set(id, { id, deviceId, kind, key: pageKey(key), deltas: [delta] });
  else slot.deltas.push(delta);
}

function grow(growth: Map<string, PageGrowth>, deviceId: string, before: number, bytes: number): void {
  const grown = growth.get(deviceId) ?? { pages: 0, pageBytes: 0 };
  if (before === 0) grown.pages += 1;
  grown.pageBytes += bytes - before;
  growth.set(deviceId, grown);
}
