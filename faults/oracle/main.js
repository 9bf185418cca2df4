/**
 * Oracle: a process that knows nothing of Tidegate but its HTTP routes, and says whether every promise held.
 *
 * Owns the hearing: it reads the journal, asks the gateway, and prints its verdict as one line of JSON. Shares no code with
 * what it judges; a test holds that.
 */
import { askBuckets, askDevice, askEvents, readQuarantine } from './evidence.js';
import { readJournal } from './journal.js';
import { judge } from './verdict.js';

const task = JSON.parse(process.argv[2] ?? '');
const { gateway, deviceId } = task;
const device = await askDevice(gateway, deviceId);
const events = device === undefined ? [] : await askEvents(gateway, deviceId);
let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
for (const { ts } of events) [from, to] = [Math.min(from, ts), Math.max(to, ts)];
const bucketsBy = async (granularity) =>
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
});
process.stdout.write(`${JSON.stringify(verdict)}\n`);
