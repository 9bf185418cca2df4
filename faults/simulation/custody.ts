/**
 * Custody: what a device has on its disk, and what it may do with it (promises 1 to 3 and 7).
 *
 * Owns the law of the device's disk: an event comes to it once, leaves it only when the gateway has signed for it,
 * refused it for good, or when it was given up on purpose; and the position says what is there. Promises to judge each
 * write in the moment in which it becomes durable. Never believes a counter of the device's: it counts facts.
 */
import { decodeColumns, eventsOf } from '../../src/codec/index.ts';
import { numberOfKey, QUEUE } from '../../src/store/keys.ts';
import { decodeBlock } from '../../src/store/queue-blocks.ts';
import { decodePosition } from '../../src/store/queue-position.ts';
import { decodeGap, decodeQuarantine, POSITION_KEY } from '../../src/store/queue-records.ts';
import type { Operation } from '../../src/store/rocks.ts';
import { contentOf, difference, type Fact, serialOf, sumsOf, unitsOf } from './facts.ts';
import { type GivenUp, Holdings } from './holdings.ts';

export interface CustodyOptions {
  readonly name: string;
  factOf(serial: number): Fact | undefined;
  /** Whether the gateway has counted it. */
  isCounted(fact: Fact): boolean;
  /** Whether events may be given up. */
  mayDrop(): boolean;
  onGivenUp(gap: GivenUp): void;
  breach(what: string): void;
}

export class Custody {
  readonly #options: CustodyOptions;
  #holdings = new Holdings();
  /** Sequences, and first sequences of gaps, for which the gateway has signed to this run of the device. */
  readonly #acknowledged = new Set<number>();
  readonly #acknowledgedGaps = new Set<number>();
  readonly #refused = new Set<number>();
  /** Whether the disk was another's, or its own of an earlier time: then what it gives up may have been counted. */
  isCopy = false;

  constructor(options: CustodyOptions) {
    this.#options = options;
  }

  get recorded(): ReadonlySet<Fact> {
    return this.#holdings.recorded;
  }

  get delivered(): ReadonlySet<Fact> {
    return this.#holdings.delivered;
  }

  get gaps(): Iterable<GivenUp> {
    return this.#holdings.gaps.values();
  }

  get queuedEvents(): number {
    return this.#holdings.queuedEvents;
  }

  get queued(): Fact[] {
    return [...this.#holdings.blocks.values()].flat();
  }

  get quarantined(): Fact[] {
    return [...this.#holdings.quarantine.values()].flat();
  }

  /** Whether it is on this disk, or was given up here. */
  holds(fact: Fact): boolean {
    return this.#holdings.has(fact);
  }

  /** The event of a sequence, queued or in quarantine. */
  kept(sequence: number): Fact | undefined {
    return this.#holdings.queuedAt(sequence) ?? this.#holdings.refusedAt(sequence);
  }

  /** Another run of the device begins, which has heard nothing yet. */
  begin(): void {
    this.#acknowledged.clear();
    this.#acknowledgedGaps.clear();
    this.#refused.clear();
  }

  acknowledged(first: number, count: number, gaps: Iterable<number>): void {
    for (let sequence = first; sequence < first + count; sequence++) this.#acknowledged.add(sequence);
    for (const gap of gaps) this.#acknowledgedGaps.add(gap);
  }

  refused(sequence: number): void {
    this.#refused.add(sequence);
  }

  spoiled(first: number): void {
    this.#holdings.spoil(first);
  }

  copy(): Holdings {
    return this.#holdings.copy();
  }

  replace(holdings: Holdings): void {
    this.#holdings = holdings;
    this.isCopy = true;
  }

  published(path: string): void {
    this.#holdings.path = path;
  }

  /** First sequences of the blocks that are queued. */
  get blockFirsts(): number[] {
    return [...this.#holdings.blocks.keys()];
  }

  get path(): string | undefined {
    return this.#holdings.path;
  }

  /** What the device must say of all that it ever recorded; of what has rotted nobody knows the sums. */
  recordedSums(): Map<string, bigint> {
    const rotted = new Set([...this.gaps].filter(({ reason }) => reason === 'damage').flatMap(({ facts }) => facts));
    return sumsOf([...this.recorded].filter((fact) => !rotted.has(fact)));
  }

  durable(path: string, operations: readonly Operation[]): void {
    this.#holdings.path ??= path;
    // A database that is not the queue yet.
    if (path !== this.#holdings.path) return;
    const change = new Change(operations);
    this.#takeGaps(change);
    this.#takeQuarantine(change);
    this.#releaseBlocks(change);
    this.#takeBlocks(change);
    this.#dropGaps(change);
    this.#checkPosition(change);
  }

  #takeGaps({ puts }: Change) {
    for (const [key, value] of puts.get(QUEUE.gap) ?? []) {
      const gap = decodeGap(key, value);
      if (gap === undefined) return this.#breach('a gap that cannot be read was written');
      const { first, last, reason } = gap;
      const facts: Fact[] = [];
      for (let sequence = first; sequence <= last; sequence++) {
        const fact = reason === 'damage' ? this.#holdings.spoiledAt(sequence) : this.#holdings.queuedAt(sequence);
        if (fact === undefined) return this.#breach(`${sequence} was given up for ${reason}, and need not be`);
        facts.push(fact);
      }
      const givenUp = { first, last, reason, stream: hex(gap.stream), facts };
      this.#holdings.gaps.set(first, givenUp);
      this.#options.onGivenUp(givenUp);
      if (reason === 'damage') continue;
      if (!this.#options.mayDrop()) this.#breach(`${first} to ${last} were given up without leave`);
      const counted = facts.find((fact) => this.#options.isCounted(fact));
      if (counted && !this.isCopy) this.#breach(`event ${counted.serial} was given up, and is counted`);
      const said = JSON.parse(Buffer.from(gap.sums).toString()) as { events: number; sums: Record<string, string> };
      const sums = new Map(Object.entries(said.sums).map(([name, text]) => [name, unitsOf(text)]));
      if (said.events !== facts.length) this.#breach(`a gap of ${facts.length} events says ${said.events}`);
      const wrong = difference(sums, sumsOf(facts));
      if (wrong !== undefined) this.#breach(`the sums of a gap are wrong: ${wrong}`);
    }
  }

  #takeQuarantine({ puts, dels }: Change) {
    for (const [key, value] of puts.get(QUEUE.quarantine) ?? []) {
      const entry = decodeQuarantine(key, value);
      if (entry === undefined) return this.#breach('a refusal that cannot be read was written');
      const record = JSON.parse(Buffer.from(entry.bytes).toString()) as { columns: string };
      const facts = this.#factsIn(Buffer.from(record.columns, 'base64'));
      // A release that had failed is made again, and may have been on disk.
      const before = this.#holdings.quarantine.get(entry.first);
      if (before?.length === facts.length && before.every((fact, i) => fact === facts[i])) continue;
      facts.forEach((fact, i) => {
        if (this.#holdings.queuedAt(entry.first + i) !== fact)
          this.#breach(`event ${fact.serial} is in quarantine under another's id`);
      });
      for (let sequence = entry.first; sequence <= entry.last; sequence++) {
        if (!this.#refused.has(sequence)) this.#breach(`${sequence} is in quarantine, and nobody has refused it`);
      }
      this.#holdings.quarantine.set(entry.first, facts);
    }
    for (const key of dels.get(QUEUE.quarantine) ?? []) {
      const first = numberOfKey(key);
      for (const [i, fact] of (this.#holdings.quarantine.get(first) ?? []).entries()) {
        if (!this.#acknowledged.has(first + i)) {
          this.#breach(`event ${fact.serial} (${first + i}) left quarantine, and nobody has signed for it`);
        }
        this.#holdings.delivered.add(fact);
      }
      this.#holdings.quarantine.delete(first);
    }
  }

  #releaseBlocks({ dels }: Change): void {
    const { blocks, gaps, quarantine, delivered } = this.#holdings;
    for (const key of dels.get(QUEUE.block) ?? []) {
      const first = numberOfKey(key);
      const facts = blocks.get(first);
      if (facts === undefined) continue;
      blocks.delete(first);
      facts.forEach((fact, i) => {
        const sequence = first + i;
        const gap = [...gaps.values()].find((one) => one.first <= sequence && one.last >= sequence);
        if (gap !== undefined) return;
        if ([...quarantine].some(([from, refused]) => refused[sequence - from] === fact)) return;
        if (!this.#acknowledged.has(sequence)) {
          this.#breach(`event ${fact.serial} (${sequence}) left the disk, and nobody has signed for it`);
        }
        delivered.add(fact);
      });
    }
  }

  #takeBlocks({ puts }: Change) {
    const { blocks, recorded, bySequence } = this.#holdings;
    for (const [key, value] of puts.get(QUEUE.block) ?? []) {
      // The fence is no block.
      if (key.length === 1) continue;
      const block = decodeBlock(key, value);
      if (block === undefined) return this.#breach('a block that cannot be read was written');
      if (block.first !== this.#holdings.next) {
        this.#breach(`a block begins at ${block.first}, not at ${this.#holdings.next}`);
      }
      this.#holdings.next = block.last + 1;
      const facts = this.#factsIn(block.bytes);
      if (facts.length !== block.count) this.#breach(`a block of ${block.count} holds ${facts.length} events`);
      for (const [i, fact] of facts.entries()) {
        bySequence.set(block.first + i, fact);
        if (recorded.has(fact)) this.#breach(`event ${fact.serial} comes to the disk a second time`);
        if (fact.standing === 'refused') this.#breach(`event ${fact.serial} was refused, and is on disk`);
        recorded.add(fact);
      }
      blocks.set(block.first, facts);
    }
  }

  #dropGaps({ dels }: Change): void {
    for (const key of dels.get(QUEUE.gap) ?? []) {
      const first = numberOfKey(key);
      if (!this.#acknowledgedGaps.has(first)) this.#breach(`the gap at ${first} is forgotten, and was not declared`);
      this.#holdings.settledGaps.add(first);
    }
  }

  /** Everything from the head on is queued or known to have left, and nothing before it is queued. */
  #checkPosition({ puts }: Change): void {
    for (const [key, value] of puts.get(QUEUE.meta) ?? []) {
      if (key.equals(POSITION_KEY)) this.#holdings.position = decodePosition(value);
    }
    const { position, blocks, next } = this.#holdings;
    if (position === undefined) return;
    let left = next - position.head;
    for (const { first, last } of position.cleared) left -= last - first + 1;
    for (const [first, { length }] of blocks) {
      left -= length;
      const cleared = position.cleared.some((range) => first <= range.last && first + length - 1 >= range.first);
      if (first < position.head || cleared) this.#breach(`${first} is queued, and the position says that it has left`);
    }
    if (left !== 0) this.#breach(`${left} events from the head on are nowhere`);
  }

  #factsIn(columns: Uint8Array): Fact[] {
    return [...eventsOf(decodeColumns(columns))].flatMap((event) => {
      const fact = this.#options.factOf(serialOf(event));
      if (fact?.content === contentOf(event)) return [fact];
      this.#breach(`an event was stored that nobody recorded so: ${contentOf(event)}`);
      return [];
    });
  }

  #breach(what: string): void {
    this.#options.breach(`${this.#options.name}: ${what}`);
  }
}

/** One write, by the family of its keys. */
class Change {
  readonly puts = new Map<number, (readonly [key: Buffer, value: Buffer])[]>();
  readonly dels = new Map<number, Buffer[]>();

  constructor(operations: readonly Operation[]) {
    for (const operation of operations) {
      const family = operation.key[0]!;
      if (operation.type === 'del') this.dels.set(family, [...(this.dels.get(family) ?? []), operation.key]);
      else this.puts.set(family, [...(this.puts.get(family) ?? []), [operation.key, operation.value]]);
    }
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
