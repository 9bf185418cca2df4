/**
 * PageSlots: the places for pages that a commit changes, each with what comes into it.
 */
import type { Admission, PageKey } from './gateway-store.ts';
import type { Steps } from './stepped-work.ts';

export type PageChange<Page> = Admission<Page>['pages'][number];

/** A page in memory. */
export interface Live<Page> {
  readonly key: Buffer;
  readonly page: Page;
  /** What it takes on disk with its key; nothing where it is new. */
  storedBytes: number;
}

/** A place for a page, and what a commit adds to it. */
export interface Slot<Page> {
  readonly id: string;
  readonly name: PageKey;
  readonly deltas: Page[];
  /** Of a part that is merged. */
  readonly head?: Head<Page> | undefined;
}

/** By id. */
export type Slots<Page> = Map<string, Slot<Page>>;

/** A page of which a commit changes parts. */
export interface Head<Page> {
  readonly slot: Slot<Page>;
  readonly live: Live<Page>;
  /** Parts that are still to be merged. */
  partsLeft: number;
  isChanged: boolean;
}

/** What it weighs to find a place for a page (see `Steps`). */
export const SLOT_WEIGHT = 64;

export function* slotsOf<Page>(changes: readonly PageChange<Page>[]): Steps<Slots<Page>> {
  const slots: Slots<Page> = new Map();
  for (const { key, delta } of changes) {
    const id = idOf(key);
    const slot = slots.get(id);
    if (slot === undefined) slots.set(id, { id, name: key, deltas: [delta] });
    else slot.deltas.push(delta);
    yield SLOT_WEIGHT;
  }
  return slots;
}

export function idOf({ kind, deviceId, start, sensor }: PageKey): string {
  return `${kind}/${deviceId}/${start}/${sensor}`;
}
