/**
 * Holdings: what is on a device's disk, and what has left it, event by event.
 *
 * Owns that knowledge and its copies, for disks are copied and put back. Promises nothing of it is a counter. Never
 * judges.
 */
import type { Position } from '../../src/store/queue-position.ts';
import type { Fact } from './facts.ts';

/** Events that were given up. */
export interface GivenUp {
  readonly first: number;
  readonly last: number;
  readonly stream: string;
  readonly reason: 'quota' | 'damage';
  readonly facts: readonly Fact[];
}

export class Holdings {
  /** Of the queue's database. */
  path: string | undefined;
  position: Position | undefined;
  /** The sequence that the next event gets. */
  next = 1;
  /** By first sequence, like quarantine and gaps. */
  readonly blocks = new Map<number, readonly Fact[]>();
  readonly quarantine = new Map<number, readonly Fact[]>();
  /** Those that the gateway has acknowledged, too. */
  readonly gaps = new Map<number, GivenUp>();
  readonly settledGaps = new Set<number>();
  readonly recorded = new Set<Fact>();
  readonly bySequence = new Map<number, Fact>();
  readonly delivered = new Set<Fact>();
  /** Sequences whose blocks are not what they were. */
  readonly spoiled = new Set<number>();

  get queuedEvents(): number {
    let events = 0;
    for (const { length } of this.blocks.values()) events += length;
    return events;
  }

  /** Whether it is here, or was given up here. */
  has(fact: Fact): boolean {
    const within = (facts: readonly Fact[]) => facts.includes(fact);
    return (
      [...this.blocks.values()].some(within) ||
      [...this.quarantine.values()].some(within) ||
      [...this.gaps.values()].some(({ facts }) => within(facts))
    );
  }

  queuedAt(sequence: number): Fact | undefined {
    return factAt(this.blocks, sequence);
  }

  refusedAt(sequence: number): Fact | undefined {
    return factAt(this.quarantine, sequence);
  }

  /** What was there before it rotted. */
  spoiledAt(sequence: number): Fact | undefined {
    return this.spoiled.has(sequence) ? this.bySequence.get(sequence) : undefined;
  }

  /** The block that begins there rots. */
  spoil(first: number): void {
    for (const [i] of (this.blocks.get(first) ?? []).entries()) this.spoiled.add(first + i);
  }

  copy(): Holdings {
    const copy = new Holdings();
    copy.path = this.path;
    copy.position = this.position;
    copy.next = this.next;
    for (const name of ['blocks', 'quarantine', 'gaps', 'bySequence'] as const) {
      for (const [key, value] of this[name]) (copy[name] as Map<number, unknown>).set(key, value);
    }
    for (const name of ['settledGaps', 'recorded', 'delivered', 'spoiled'] as const) {
      for (const value of this[name]) (copy[name] as Set<unknown>).add(value);
    }
    return copy;
  }
}

function factAt(pieces: ReadonlyMap<number, readonly Fact[]>, sequence: number): Fact | undefined {
  for (const [first, facts] of pieces) {
    if (sequence >= first && sequence < first + facts.length) return facts[sequence - first];
  }
  return undefined;
}
