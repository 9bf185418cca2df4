/**
 * Books: what a gateway has counted (promises 4 to 6).
 *
 * Owns the law of the gateway's disk: an id counts once and for ever, an event counts once, what counts was recorded,
 * and what is acknowledged counts. Promises to judge each commit in the moment in which it becomes durable, from the
 * ledger and the batches that stand in it. Never adds anything up before it is asked: then it sums facts.
 */
import { eventsOf } from '../../src/codec/index.ts';
import { decodeBatch as decodeRecord } from '../../src/store/batch-record.ts';
import { streamOfLedgerKey } from '../../src/store/gateway-keys.ts';
import { decodeLedger, type LedgerView } from '../../src/store/index.ts';
import { GATEWAY } from '../../src/store/keys.ts';
import type { Operation } from '../../src/store/rocks.ts';
import { unsealOrThrow } from '../../src/store/seal.ts';
import { batchOf } from './body.ts';
import { contentOf, type Fact, serialOf } from './facts.ts';

export interface BooksOptions {
  factOf(serial: number): Fact | undefined;
  /** What was given up under an id; undefined where nothing was. */
  givenUp(deviceId: string, stream: string, sequence: number): Fact | undefined;
  /** Whether what was given up may count all the same. */
  mayCount(fact: Fact): boolean;
  breach(what: string): void;
}

/** One stream of one device. */
interface Account {
  readonly counted: Map<number, Fact>;
  readonly gaps: Map<number, Fact>;
}

export interface CountedFact {
  readonly fact: Fact;
  readonly sequence: number;
}

export class Books {
  readonly #options: BooksOptions;
  /** By device and stream. */
  readonly #accounts = new Map<string, Account>();
  /** The id under which an event counts. */
  readonly #ids = new Map<Fact, string>();
  /** Events that count more than once. */
  doubled = 0;

  constructor(options: BooksOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#ids.size;
  }

  isCounted(fact: Fact): boolean {
    return this.#ids.has(fact);
  }

  counted(deviceId: string, stream: string, sequence: number): Fact | undefined {
    return this.#accounts.get(`${deviceId}/${stream}`)?.counted.get(sequence);
  }

  isDeclared(deviceId: string, stream: string, sequence: number): boolean {
    return this.#accounts.get(`${deviceId}/${stream}`)?.gaps.has(sequence) ?? false;
  }

  /** All that is counted for a device, and all that was declared as given up. */
  ofDevice(deviceId: string): { readonly counted: CountedFact[]; readonly gaps: Fact[] } {
    const counted: CountedFact[] = [];
    const gaps: Fact[] = [];
    for (const [id, account] of this.#accounts) {
      if (!id.startsWith(`${deviceId}/`)) continue;
      for (const [sequence, fact] of account.counted) counted.push({ fact, sequence });
      gaps.push(...account.gaps.values());
    }
    return { counted, gaps };
  }

  /** Reads the batches of a commit on the spot: a commit that nobody can read is a breach. */
  durable(operations: readonly Operation[]): void {
    const batches = operations.flatMap((operation) =>
      operation.type === 'put' && operation.key[0] === GATEWAY.batch
        ? [this.#contentOf(operation.key, operation.value)]
        : [],
    );
    for (const operation of operations) {
      if (operation.type === 'del' || operation.key[0] !== GATEWAY.ledger) continue;
      const stream = streamOfLedgerKey(operation.key);
      const deviceId = operation.key.toString('latin1', 1, operation.key.indexOf(0));
      const own = batches.filter((batch) => batch.deviceId === deviceId && batch.stream === stream);
      // Of two batches with one id the earlier one was counted.
      const factAt = (sequence: number) => own.find(({ facts }) => facts.has(sequence))?.facts.get(sequence);
      this.#enter(deviceId, stream, decodeLedger(unsealOrThrow(operation.key, operation.value)), factAt);
    }
  }

  #enter(deviceId: string, stream: string, ledger: LedgerView, factAt: (sequence: number) => Fact | undefined) {
    const id = `${deviceId}/${stream}`;
    const account = this.#accounts.get(id) ?? { counted: new Map(), gaps: new Map() };
    this.#accounts.set(id, account);
    for (const { first, last } of ledger.intervals()) {
      for (let sequence = first; sequence <= last; sequence++) {
        if (account.counted.has(sequence)) continue;
        const fact = factAt(sequence);
        if (fact === undefined) return this.#breach(`${id}/${sequence} is in the ledger, and in no batch with it`);
        this.#count(account, `${id}/${sequence}`, sequence, fact);
      }
    }
    if (ledger.count !== account.counted.size) {
      this.#breach(`the ledger of ${id} has ${ledger.count} ids, and ${account.counted.size} were counted`);
    }
    for (const { first, last } of ledger.gaps()) {
      for (let sequence = first; sequence <= last; sequence++) {
        if (account.gaps.has(sequence)) continue;
        const fact = this.#options.givenUp(deviceId, stream, sequence);
        if (fact === undefined) return this.#breach(`${id}/${sequence} is in a gap, and was not given up`);
        account.gaps.set(sequence, fact);
      }
    }
  }

  #count(account: Account, id: string, sequence: number, fact: Fact): void {
    const before = this.#ids.get(fact);
    if (before !== undefined) this.doubled += 1;
    if (before !== undefined) this.#breach(`event ${fact.serial} counts twice: as ${before} and as ${id}`);
    if (fact.standing === 'refused') this.#breach(`event ${fact.serial} was refused, and counts as ${id}`);
    if (!this.#options.mayCount(fact)) this.#breach(`event ${fact.serial} was given up, and counts as ${id}`);
    if (!id.startsWith(`${fact.deviceId}/`)) this.#breach(`event ${fact.serial} of ${fact.deviceId} counts as ${id}`);
    account.counted.set(sequence, fact);
    this.#ids.set(fact, id);
  }

  #contentOf(key: Buffer, value: Buffer): { deviceId: string; stream: string; facts: Map<number, Fact> } {
    const { deviceId, stream, first, encoding, body } = decodeRecord(key, value);
    const facts = new Map<number, Fact>();
    let sequence = first;
    for (const event of eventsOf(batchOf(encoding, body).table)) {
      const fact = this.#options.factOf(serialOf(event));
      if (fact?.content === contentOf(event)) facts.set(sequence, fact);
      else this.#breach(`${deviceId}/${stream}/${sequence} counts, and nobody recorded it so: ${contentOf(event)}`);
      sequence += 1;
    }
    return { deviceId, stream, facts };
  }

  #breach(what: string): void {
    this.#options.breach(`the gateway: ${what}`);
  }
}
