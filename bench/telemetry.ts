/**
 * Telemetry: real events from files, as other people publish them.
 *
 * Owns the reading of CSV with a heading and of NDJSON with flat rows, by means of its own: the exact sums come from
 * the digits that stand in the file, before anything has made doubles of them. Never changes a value.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TelemetryEvent } from '../src/codec/index.ts';
import { sumOfTexts, type Totals } from './totals.ts';

export interface TelemetryFile {
  readonly name: string;
  readonly events: readonly TelemetryEvent[];
  readonly totals: Totals;
}

/** A row by column, every value as it is written. */
type Row = ReadonlyMap<string, string>;

/** Every file in a folder that holds events; rejects with the error of the file system where there is no folder. */
export async function readTelemetry(folder: string): Promise<TelemetryFile[]> {
  const names = (await readdir(folder)).filter((name) => /\.(csv|ndjson)$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = (await readFile(join(folder, name), 'utf8')).trim();
      const rows = name.endsWith('.csv') ? rowsOfCsv(text) : text.split('\n').map(rowOfJson);
      return { name, events: rows.map(eventOf), totals: totalsOf(rows) };
    }),
  );
}

function rowsOfCsv(text: string): Row[] {
  const [heading = '', ...lines] = text.split(/\r?\n/);
  const names = heading.split(',');
  return lines.map((line) => {
    const cells = line.split(',');
    return new Map(names.map((name, at) => [name, cells[at] ?? ''] as const).filter(([, cell]) => cell !== ''));
  });
}

function rowOfJson(line: string): Row {
  const pairs = line.matchAll(/"([^"]+)":\s*(?:"([^"]*)"|([^,}\s]+))/g);
  return new Map(Array.from(pairs, ([, name, text, number]) => [name!, text ?? number!] as const));
}

function eventOf(row: Row): TelemetryEvent {
  const fields = Object.fromEntries(measuresOf(row).map(([name, value]) => [name, Number(value)]));
  return { ts: Date.parse(row.get('ts')!), sensor: row.get('sensor')!, fields };
}

function totalsOf(rows: readonly Row[]): Totals {
  const columns = new Map<string, string[]>();
  for (const [name, value] of rows.flatMap(measuresOf)) {
    const column = columns.get(name);
    if (column === undefined) columns.set(name, [value]);
    else column.push(value);
  }
  const sums = Array.from(columns, ([name, values]) => [name, sumOfTexts(values)] as const);
  return { events: rows.length, sums: Object.fromEntries(sums) };
}

function measuresOf(row: Row): [name: string, value: string][] {
  return [...row].filter(([name]) => name !== 'ts' && name !== 'sensor');
}
