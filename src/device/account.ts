/**
 * Account: where every recorded event is, in counts and exact sums.
 *
 * Owns the balance `recorded = delivered + queued + quarantined + gaps` (promise 7). What has left the disk is stored
 * with the release that removed it; what is still there is counted again after every start. Promises that each change
 * moves events from one place to another, so that the balance holds by construction. Never touches the disk itself.
 */
import type { QueueState } from '../codec/index.ts';
import { minus, NOTHING, plus, reportOf, type Tally, type TallyReport, tallyFrom } from './tally.ts';

export type Place = 'delivered' | 'queued' | 'quarantined' | 'gaps';

export interface AccountReport {
  readonly recorded: TallyReport;
  readonly delivered: TallyReport;
  readonly queued: TallyReport;
  readonly quarantined: TallyReport;
  readonly gaps: TallyReport;
}

export interface Account {
  /** Adds to a place: events that were recorded, or found on disk after a start. */
  add(place: Place, tally: Tally): void;
  /** Takes back what `add` gave. */
  remove(place: Place, tally: Tally): void;
  move(from: Place, to: Place, tally: Tally): void;
  /** Queued events have become a gap; what sums the others have is for a recount to say. */
  lose(tally: Tally): void;
  /** Forgets what is queued but for how many events it is: their sums are about to be counted anew. */
  recount(events: number): void;
  /** Forgets what is in quarantine and in gaps that are not settled: all of it is about to be added anew. */
  restock(): void;
  /** Gaps that the gateway has acknowledged: their records are about to leave the disk. */
  settleGaps(tally: Tally): void;
  /** What the release that follows must store: everything whose events are no longer on disk. */
  settled(): Uint8Array;
  events(place: Place): number;
  /** What a batch says of it (proto-spec/delivery.md, "Balance"). */
  queueState(): QueueState;
  report(): AccountReport;
}

/**
 * @param stored what `settled` gave last, or undefined for a new queue
 * @param witnessed the same as kept elsewhere: what has left the disk only ever grows, so the further of both is right
 */
export function createAccount(stored: Uint8Array | undefined, witnessed?: Uint8Array): Account {
  const [ofDatabase, ofWitness] = [settledFrom(stored), settledFrom(witnessed)];
  const settled = eventsOf(ofWitness) > eventsOf(ofDatabase) ? ofWitness : ofDatabase;
  const tallies: Record<Place, Tally> = {
    delivered: settled.delivered,
    queued: NOTHING,
    quarantined: NOTHING,
    gaps: settled.gaps,
  };
  let gapsSettled = settled.gaps;
  const account: Account = {
    add(place, tally) {
      tallies[place] = plus(tallies[place], tally);
    },
    remove(place, tally) {
      tallies[place] = minus(tallies[place], tally);
    },
    move(from, to, tally) {
      account.remove(from, tally);
      account.add(to, tally);
    },
    lose(tally) {
      const { events, sums } = tallies.queued;
      // What is lost may have been on its way.
      tallies.queued = { events: Math.max(0, events - tally.events), sums };
      account.add('gaps', tally);
    },
    recount(events) {
      tallies.queued = { events, sums: new Map() };
    },
    restock() {
      tallies.quarantined = NOTHING;
      tallies.gaps = gapsSettled;
    },
    settleGaps(tally) {
      gapsSettled = plus(gapsSettled, tally);
    },
    settled() {
      const [delivered, gaps] = [reportOf(tallies.delivered), reportOf(gapsSettled)];
      return Buffer.from(JSON.stringify({ delivered, gaps }));
    },
    events: (place) => tallies[place].events,
    queueState() {
      const { delivered, quarantined, gaps } = tallies;
      const queued = Math.max(0, tallies.queued.events);
      const recorded = delivered.events + queued + quarantined.events + gaps.events;
      return { recorded, queued, quarantined: quarantined.events, gaps: gaps.events };
    },
    report() {
      const recorded = Object.values(tallies).reduce(plus, NOTHING);
      return {
        recorded: reportOf(recorded),
        delivered: reportOf(tallies.delivered),
        queued: reportOf(tallies.queued),
        quarantined: reportOf(tallies.quarantined),
        gaps: reportOf(tallies.gaps),
      };
    },
  };
  return account;
}

interface Settled {
  readonly delivered: Tally;
  readonly gaps: Tally;
}

function eventsOf({ delivered, gaps }: Settled): number {
  return delivered.events + gaps.events;
}

function settledFrom(stored: Uint8Array | undefined): Settled {
  if (stored === undefined) return { delivered: NOTHING, gaps: NOTHING };
  const record = JSON.parse(Buffer.from(stored).toString()) as Readonly<Record<string, unknown>>;
  const [delivered, gaps] = [tallyFrom(record['delivered']), tallyFrom(record['gaps'])];
  if (!delivered || !gaps) throw new Error('the stored totals are not readable');
  return { delivered, gaps };
}
