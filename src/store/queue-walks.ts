/**
 * Walks: every block that was queued when the walk began, while the queue goes on changing.
 *
 * Owns what a walk has not seen yet. Promises to give each of those blocks once, also those that leave the queue before
 * the walk gets to them: a count of the queue can then be kept right by counting what changes. Never holds a snapshot
 * of the database, which would keep its old files alive.
 */
import type { Block, ReadLimit } from './queue-blocks.ts';

/** How much a walk takes in at once. */
export const WALK_LIMIT: ReadLimit = { bytesMax: 1 << 20, blocksMax: 1024 };

export interface Walks {
  /** Blocks below `end`: ascending, and last those that left meanwhile. `read` gives those from a sequence on. */
  begin(from: number, end: number, read: (from: number) => Promise<Block[]>): AsyncGenerator<Block, void, void>;
  /** To be told before blocks leave the queue. */
  leaving(blocks: readonly Block[]): void;
}

interface Walk {
  at: number;
  readonly end: number;
  /** By first sequence. */
  readonly left: Map<number, Block>;
}

export function createWalks(): Walks {
  return new OpenWalks();
}

class OpenWalks implements Walks {
  readonly #walks = new Set<Walk>();

  async *begin(from: number, end: number, read: (from: number) => Promise<Block[]>): AsyncGenerator<Block, void, void> {
    const walk: Walk = { at: from, end, left: new Map() };
    this.#walks.add(walk);
    try {
      while (walk.at < end) {
        const blocks = await read(walk.at);
        for (const block of blocks) {
          walk.at = block.last + 1;
          if (block.first >= end) break;
          // One that left after it was read, or whose leaving failed.
          walk.left.delete(block.first);
          yield block;
        }
        if (blocks.length === 0) walk.at = end;
      }
      yield* walk.left.values();
    } finally {
      this.#walks.delete(walk);
    }
  }

  leaving(blocks: readonly Block[]): void {
    for (const { at, end, left } of this.#walks) {
      for (const block of blocks) if (block.first >= at && block.first < end) left.set(block.first, block);
    }
  }
}
