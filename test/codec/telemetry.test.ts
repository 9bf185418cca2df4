/** Real telemetry (test/data): what the format is made for. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  compressBody,
  decodeBatch,
  encodeBatch,
  encodeColumns,
  formatDecimal,
  inflateBody,
  sumMeasures,
  type TelemetryEvent,
} from '../../src/codec/index.ts';
import { eventsIn, headerOf, tableOf } from './events.ts';
import { exactSum } from './exact.ts';

/** Bytes per event, without and with compression, that the encoder has reached: it must not get worse unseen. */
const FILES: readonly [file: string, packedMax: number, bodyMax: number][] = [
  ['heat-meter.csv', 20.5, 20.5],
  ['machine-temperature.ndjson', 5.7, 4.6],
  ['road-sensors.csv', 6, 3.8],
];

for (const [file, packedMax, bodyMax] of FILES) {
  test(`${file} goes through a batch without a changed digit`, async (t) => {
    const text = readFileSync(new URL(`../data/${file}`, import.meta.url), 'utf8').trim();
    const events = file.endsWith('.csv') ? fromCsv(text) : fromNdjson(text);
    const batch = encodeBatch(headerOf(events.length), encodeColumns(tableOf(events)));
    const body = await compressBody('br', batch);
    const { table } = decodeBatch(await inflateBody('br', body));
    assert.deepEqual(eventsIn(table), events);
    for (const column of table.columns) {
      assert(column.kind === 'measure');
      const values = events.flatMap((event) => (event.fields[column.name] as number | undefined) ?? []);
      assert.equal(formatDecimal(sumMeasures(column.measures)), exactSum(values));
    }
    const [packed, sent] = [batch, body].map((bytes) => bytes.length / events.length) as [number, number];
    t.diagnostic(
      `${packed.toFixed(2)} bytes per event, ${sent.toFixed(2)} compressed; ` +
        `${(text.length / events.length).toFixed(0)} as text`,
    );
    assert(packed <= packedMax && sent <= bodyMax, `${packed} and ${sent} bytes per event`);
  });
}

function fromCsv(text: string): TelemetryEvent[] {
  const [head, ...rows] = text.split('\n').map((line) => line.split(','));
  const names = head!.slice(2);
  return rows.map(([ts, sensor, ...values]) => ({
    ts: Date.parse(ts!),
    sensor: sensor!,
    fields: Object.fromEntries(names.flatMap((name, i) => (values[i] === '' ? [] : [[name, Number(values[i])]]))),
  }));
}

function fromNdjson(text: string): TelemetryEvent[] {
  return text.split('\n').map((line) => {
    const { ts, sensor, ...fields } = JSON.parse(line) as { ts: string; sensor: string };
    return { ts: Date.parse(ts), sensor, fields };
  });
}
