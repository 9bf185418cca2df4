/**
 * Figure: bytes per event on the wire, beside what people send today.
 *
 * Owns the comparison with JSON rows under gzip, of the very same events in batches of the same size. Promises that the
 * bytes counted give the events back, to the last digit. Never counts HTTP's own bytes, on either side.
 */
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import {
  BLOCK_EVENTS_MAX,
  compressBody,
  decodeBatch,
  encodeBatch,
  inflateBody,
  type TelemetryEvent,
} from '../../src/codec/index.ts';
import { columnsOf } from '../fleet.ts';
import { bytesPerEvent, type Figure, ratio, type Stand } from '../harness.ts';
import { createSums } from '../intake.ts';
import { readTelemetry } from '../telemetry.ts';
import { assertSameTotals, type Totals } from '../totals.ts';
import { createWorkload } from '../workload.ts';

const SYNTHETIC_EVENTS = 32 * BLOCK_EVENTS_MAX;
const HEADER = {
  stream: Uint8Array.from({ length: 16 }, (_, at) => at * 17),
  sentAt: Date.UTC(2026, 0, 5),
  gaps: [],
};

const compressJson = promisify(gzip);

export const figure: Figure = {
  title: `request bodies of at most ${BLOCK_EVENTS_MAX.toLocaleString('en')} events`,
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
      await compare(stand, `${name} (${events.length.toLocaleString('en')})`, events, totals);
    }
  },
};

async function compare(stand: Stand, name: string, events: readonly TelemetryEvent[], totals: Totals): Promise<void> {
  const sums = createSums();
  const bytes = { ours: 0, plainJson: 0, json: 0, jsonWithIds: 0 };
  for (let at = 0; at < events.length; at += BLOCK_EVENTS_MAX) {
    const part = events.slice(at, at + BLOCK_EVENTS_MAX);
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
  stand.state(`${name}: Tidegate`, each(bytes.ours));
  stand.state(`${name}: JSON rows with a UUID, gzip`, each(bytes.jsonWithIds));
  stand.state(`${name}: JSON rows without ids, gzip`, each(bytes.json));
  stand.state(`${name}: JSON rows with a UUID, as they are`, each(bytes.plainJson));
  stand.state(`${name}: JSON with a UUID, gzip / Tidegate`, ratio(each(bytes.jsonWithIds), each(bytes.ours)));
}

function bodyOf(events: readonly TelemetryEvent[], first: number, recorded: number): Promise<Uint8Array> {
  const queue = { recorded, queued: recorded - first + 1, quarantined: 0, gaps: 0 };
  const columns = columnsOf({ event: (at) => events[at]! }, 0, events.length);
  return compressBody('br', encodeBatch({ ...HEADER, first, count: events.length, queue }, columns));
}
