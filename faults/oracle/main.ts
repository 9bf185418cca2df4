/**
 * Oracle: a process that knows nothing of Tidegate but its HTTP routes, and says whether every promise held.
 *
 * Owns the hearing: it reads the journal, asks the gateway, and prints its verdict as one line of JSON. Shares no code with
 * what it judges; a test holds that.
 */
import { type AccountSays, askBuckets, askDevice, askEvents, type Granularity, readQuarantine } from './evidence.ts';
import { readJournal } from './journal.ts';
import { judge } from './verdict.ts';

export interface OracleTask {
  readonly gateway: string;
  readonly deviceId: string;
  readonly journal: string;
  /** How much of the journal counts, bytes; default all. */
  readonly journalBytes?: number;
  /** What `tidegate-device quarantine export` wrote; default nothing. */
  readonly quarantine?: string;
  /** The device's own account after it has drained; default: not asked for. */
  readonly account?: AccountSays;
  /**
   * Every event must have the id of its receipt, and every gap be of the life that recorded its events. Default false:
   * collisions, and what was in quarantine and tried again, give events other ids.
   */
  readonly idsStay?: boolean;
}

const task = JSON.parse(process.argv[2] ?? '') as OracleTask;
const { gateway, deviceId } = task;
const device = await askDevice(gateway, deviceId);
const events = device === undefined ? [] : await askEvents(gateway, deviceId);
let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
for (const { ts } of events) [from, to] = [Math.min(from, ts), Math.max(to, ts)];
const bucketsBy = async (granularity: Granularity) =>
  events.length === 0 ? [] : await askBuckets(gateway, deviceId, granularity, { from, to });
const buckets = {
  minute: await bucketsBy('minute'),
  hour: await bucketsBy('hour'),
  day: await bucketsBy('day'),
};
const verdict = judge({
  journal: readJournal(task.journal, task.journalBytes),
  device,
  events,
  buckets,
  quarantine: readQuarantine(task.quarantine),
  account: task.account,
  idsStay: task.idsStay ?? false,
});
process.stdout.write(`${JSON.stringify(verdict)}\n`);
