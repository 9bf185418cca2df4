/**
 * The pages in use, as they are on disk or about to be.
 *
 * Owns the merging: many deltas go into a page in memory, and it is encoded once per commit. Promises that all cold
 * pages of a commit are read together and that no more than the bound stays in memory after it. Works for one commit at
 * a time; after a failed one it must be cleared, for its pages are then ahead of the disk.
 */
import { StoreError } from './errors.ts';
import { pageKey } from './gateway-keys.ts';
import type { Admission, PageKey, PageKind, PageOperator } from './gateway-store.ts';
import { createLru, type Lru } from './lru.ts';
import type { Operation, Rocks } from './rocks.ts';
import { seal, unsealOrThrow } from './seal.ts';

export type PageChange<Page> = Admission<Page>['pages'][number];

export interface PageCache<Page> {
  /** Merges the changes in order; gives one write per changed page. */
  merge(rocks: Pick<Rocks, 'getMany'>, changes: readonly PageChange<Page>[]): Promise<Operation[]>;
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
  readonly kind: PageKind;
  readonly key: Buffer;
  page: Page | undefined;
}

class OperatorPageCache<Page> implements PageCache<Page> {
  readonly #operator: PageOperator<Page>;
  readonly #live: Lru<Slot<Page>>;

  constructor(operator: PageOperator<Page>, pagesMax: number) {
    this.#operator = operator;
    this.#live = createLru(pagesMax);
  }

  async merge(rocks: Pick<Rocks, 'getMany'>, changes: readonly PageChange<Page>[]): Promise<Operation[]> {
    const touched = new Map<string, Slot<Page>>();
    const slots = changes.map(({ key }) => this.#touch(touched, key));
    await this.#read(
      rocks,
      [...touched.values()].filter(({ page }) => page === undefined),
    );
    changes.forEach(({ key, delta }, i) => {
      this.#operator.merge(key.kind, slots[i]!.page!, delta);
    });
    const writes: Operation[] = [];
    for (const { key, kind, page } of touched.values()) {
      writes.push({ type: 'put', key, value: seal(key, this.#operator.encode(kind, page!)) });
    }
    this.#live.trim();
    return writes;
  }

  clear(): void {
    this.#live.clear();
  }

  #touch(touched: Map<string, Slot<Page>>, key: PageKey): Slot<Page> {
    const id = `${key.kind}/${key.deviceId}/${key.start}/${key.sensor}`;
    let slot = touched.get(id);
    if (slot === undefined) {
      slot = this.#live.get(id) ?? { id, kind: key.kind, key: pageKey(key), page: undefined };
      touched.set(id, slot);
    }
    return slot;
  }

  async #read(rocks: Pick<Rocks, 'getMany'>, cold: readonly Slot<Page>[]): Promise<void> {
    const values = await rocks.getMany(cold.map(({ key }) => key));
    cold.forEach((slot, i) => {
      const value = values[i];
      slot.page =
        value === undefined ? this.#operator.empty(slot.kind) : decodePage(this.#operator, slot.kind, slot.key, value);
      this.#live.set(slot.id, slot);
    });
  }
}
