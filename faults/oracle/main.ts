/**
 * Oracle: a process that knows nothing of Tidegate but its HTTP routes, and says whether every promise held.
 *
 * Owns the hearing: it reads the journal, asks the gateway, and prints its verdict as one line of JSON. Shares no code
 * with what it judges; a test holds that.
 */
import { type AccountSays, askBuckets, askDevice, askEvents, readQuarantine } from './evidence.ts';
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
   * collisions give events other ids.
   */
  readonly idsStay?: boolean;
}

const task = JSON.parse(process.argv[2] ?? '') as OracleTask;
const { gateway, deviceId } = task;
const device = await askDevice(gateway, deviceId);
const events = device === undefined ? [] : await askEvents(gateway, deviceId);
const times = events.map(({ ts }) => ts);
const buckets = {
  minute: await askBuckets(gateway, deviceId, 'minute', times),
  hour: await askBuckets(gateway, deviceId, 'hour', times),
  day: await askBuckets(gateway, deviceId, 'day', times),
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
