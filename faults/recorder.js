/**
 * Recorder: the device that campaigns attack, a program around the library as a user would write it.
 *
 * Owns the journal's writing: with one system call each, an attempt before `record()` is called, and its end before
 * anything else learns of it. Promises to record as fast as the disk takes, in bursts of random size, while it drains.
 * SIGTERM has it record no more and drain. Its standard error says what it is at, a line of JSON each.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownTask } from '../rig/programs.js';
import { createRandom } from '../rig/random.js';
import { openDevice } from '../src/device/index.js';
import { telemetry } from './telemetry.js';

const BURST_MAX = 64;
const task = ownTask();
const { seed, serial, events, around, pauseMaxMs = 4 } = task;
const random = createRandom(seed);
const journal = openSync(task.journal, 'a', 0o600);
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
const device = await openDevice({
  ...task.options,
  credential: (await readFile(task.secretFile, 'utf8')).trim(),
  ...(task.caFile !== undefined && { ca: await readFile(task.caFile) }),
});
let acknowledged = 0;
device.on('acknowledged', ({ inserted }) => {
  acknowledged += inserted;
  if (inserted > 0) say({ acknowledged });
});
device.on('fault', (error) => say({ fault: error.code ?? error.message }));
device.on('link', ({ state, reason }) => say({ link: state, reason }));
say({ opened: device.status().queued.events });
const source = telemetry({ random, serial, around });
let left = events ?? Number.POSITIVE_INFINITY;
let refused = 0;
while (left > 0 && !stop.signal.aborted) {
  const burst = Array.from({ length: Math.min(left, 1 + Math.floor(random() * BURST_MAX)) }, () => source.next().value);
  left -= burst.length;
  write(burst);
  const settled = random() < 0.3 ? [recordTogether(burst)] : burst.map(recordOne);
  // Not every burst is waited for, so that commits are shared.
  if (random() < 0.5) await Promise.all(settled);
  else await sleep(random() * pauseMaxMs);
  // A disk that refuses is not asked again at once.
  if (refused > 0) await sleep(50);
  refused = 0;
}
await device.drain();
say({ drained: device.status() });
await device.close();
closeSync(journal);
process.exit();
async function recordOne(event) {
  try {
    const { ts: at, sensor } = event;
    const { stream, sequence } = await device.record(fieldsOf(event), { at, sensor });
    write([{ kind: 'resolved', serial: event.serial, stream, sequence }]);
  } catch (error) {
    reject([event], error);
  }
}
async function recordTogether(burst) {
  try {
    const rows = burst.map((event) => ({ ts: event.ts, sensor: event.sensor, fields: fieldsOf(event) }));
    const { stream, sequence } = await device.recordAll(rows);
    write(burst.map((event, i) => ({ kind: 'resolved', serial: event.serial, stream, sequence: sequence + i })));
  } catch (error) {
    reject(burst, error);
  }
}
function reject(burst, error) {
  refused += burst.length;
  const { code } = error;
  // A failure without a code is a bug: it ends the process, and the campaign with it.
  if (typeof code !== 'string') throw error;
  write(burst.map((event) => ({ kind: 'rejected', serial: event.serial, code })));
}
function fieldsOf({ measures, notes }) {
  const numbers = Object.entries(measures).map(([name, text]) => [name, Number(text)]);
  return { ...Object.fromEntries(numbers), ...notes };
}
function write(lines) {
  writeSync(journal, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}
function say(what) {
  process.stderr.write(`${JSON.stringify(what)}\n`);
}
