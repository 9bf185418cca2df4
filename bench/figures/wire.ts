/**
 * Figure: bytes per event on the wire, beside what people send today.
 *
 * Owns the comparison with JSON rows under gzip, of the very same events in batches of the same size, and with what xz
 * makes of their columns as text, all in one go. Promises that the bytes counted give the events back, to the last
 * digit. Never counts HTTP's own bytes, on either side.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { compressBody, decodeBatch, encodeBatch, inflateBody, type TelemetryEvent } from '../../src/codec/index.ts';
import { BATCH_EVENTS, columnsOf } from '../fleet.ts';
import { bytesPerEvent, eventsPerSecond, type Figure, type Quantity, ratio, type Stand } from '../harness.ts';
import { createSums } from '../intake.ts';
import { readTelemetry } from '../telemetry.ts';
import { assertSameTotals, type Totals } from '../totals.ts';
import { createWorkload } from '../workload.ts';

const SYNTHETIC_EVENTS = 32 * BATCH_EVENTS;
const HEADER = {
  stream: Uint8Array.from({ length: 16 }, (_, at) => at * 17),
  sentAt: Date.UTC(2026, 0, 5),
  gaps: [],
};

const PACKING_MS = 400;
const QUICK_PACKING_MS = 20;

const compressJson = promisify(gzip);

export const figure: Figure = {
  title: `request bodies of at most ${BATCH_EVENTS.toLocaleString('en')} events`,
  async measure(stand) {
    const { count, event, totals } = createWorkload({ events: stand.events(SYNTHETIC_EVENTS) });
    await compare(
      stand,
      'synthetic',
      Array.from({ length: count }, (_, at) => event(at)),
      totals(),
    );
    const { telemetry } = stand.settings;
    const files = await readTelemetry(telemetry).catch(() => []);
    if (files.length === 0) stand.skip('real telemetry', `no .csv or .ndjson in ${telemetry}`);
    for (const { name, events, totals } of files) {
      await compare(stand, name, events, totals);
    }
  },
};

async function compare(stand: Stand, name: string, events: readonly TelemetryEvent[], totals: Totals): Promise<void> {
  const sums = createSums();
  const bytes = { ours: 0, plainJson: 0, json: 0, jsonWithIds: 0 };
  for (let at = 0; at < events.length; at += BATCH_EVENTS) {
    const part = events.slice(at, at + BATCH_EVENTS);
    const body = await bodyOf(part, at + 1, events.length);
    sums.add(decodeBatch(await inflateBody('br', body)));
    const rows = part.map(({ ts, sensor, fields }) => ({ ts, sensor, ...fields }));
    const plain = JSON.stringify(rows.map((row) => ({ id: randomUUID(), ...row })));
    bytes.ours += body.length;
    bytes.plainJson += plain.length;
    bytes.jsonWithIds += (await compressJson(plain)).length;
    bytes.json += (await compressJson(JSON.stringify(rows))).length;
  }
  assertSameTotals(sums.totals(), totals, name);
  const each = (total: number) => bytesPerEvent(total, events.length);
  stand.state(`${name}: events`, { value: events.length, unit: 'events' });
  stand.state(`${name}: Tidegate`, each(bytes.ours));
  const xz = await xzBytes(columnsAsText(events));
  if (xz === undefined) stand.skip(`${name}: columns as text, xz -9e`, 'xz is not installed');
  else {
    stand.state(`${name}: columns as text, xz -9e`, each(xz));
    stand.state(`${name}: Tidegate / xz -9e`, ratio(each(bytes.ours), each(xz)));
  }
  stand.state(`${name}: JSON rows with a UUID, gzip`, each(bytes.jsonWithIds));
  stand.state(`${name}: JSON rows without ids, gzip`, each(bytes.json));
  stand.state(`${name}: JSON rows with a UUID, as they are`, each(bytes.plainJson));
  stand.state(`${name}: JSON with a UUID, gzip / Tidegate`, ratio(each(bytes.jsonWithIds), each(bytes.ours)));
  stand.state(`${name}: packed`, await packingSpeed(events, stand.settings.quick ? QUICK_PACKING_MS : PACKING_MS));
}

/** Events to compressed bodies, one after another, again and again until it has taken long enough to be measured. */
async function packingSpeed(events: readonly TelemetryEvent[], packingMs: number): Promise<Quantity> {
  let packed = 0;
  let startedAt = performance.now();
  for (const enoughMs of [packingMs / 2, packingMs]) {
    packed = 0;
    startedAt = performance.now();
    while (performance.now() - startedAt < enoughMs) {
      for (let at = 0; at < events.length; at += BATCH_EVENTS) {
        await bodyOf(events.slice(at, at + BATCH_EVENTS), at + 1, events.length);
      }
      packed += events.length;
    }
  }
  return eventsPerSecond(packed, performance.now() - startedAt);
}

/** Column after column, a value to a line: times, sensors, and each measure. */
function columnsAsText(events: readonly TelemetryEvent[]): string {
  const measures = [...new Set(events.flatMap(({ fields }) => Object.keys(fields)))];
  return [
    events.map(({ ts }) => ts).join('\n'),
    events.map(({ sensor }) => sensor).join('\n'),
    ...measures.map((measure) => events.map(({ fields }) => fields[measure] ?? '').join('\n')),
  ].join('\n\n');
}

/** Undefined where there is no such program. */
function xzBytes(text: string): Promise<number | undefined> {
  return new Promise((done, failed) => {
    const xz = execFile('xz', ['-9e', '-c'], { encoding: 'buffer', maxBuffer: 1 << 30 }, (error, output) => {
      if (error?.code === 'ENOENT') done(undefined);
      else if (error) failed(error);
      else done(output.length);
    });
    xz.stdin?.on('error', () => {});
    xz.stdin?.end(text);
  });
}

function bodyOf(events: readonly TelemetryEvent[], first: number, recorded: number): Promise<Uint8Array> {
  const queue = { recorded, queued: recorded - first + 1, quarantined: 0, gaps: 0 };
  const columns = columnsOf({ event: (at) => events[at]! }, 0, events.length);
  return compressBody('br', encodeBatch({ ...HEADER, first, count: events.length, queue }, columns));
}
