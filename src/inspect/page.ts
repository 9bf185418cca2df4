/**
 * Page: a report as text for a person.
 *
 * Owns the words and the layout. Promises that nothing from the batch reaches the terminal as a control sequence. Never
 * computes anything that the report does not have, save ratios.
 */
import { type Alignment, printable, tableLines } from '../cli/index.ts';
import { type ColumnDescription, eventsOf, type IntegerForm, type TelemetryEvent } from '../codec/index.ts';
import type { OpenedBody } from './body.ts';
import type { Report } from './report.ts';
import type { SignatureVerdict } from './signature.ts';

/** Events shown from either end. */
const EVENTS_SHOWN = 5;
/** Sensors and measures shown: what fits on two screens. */
const ROWS_SHOWN = 50;

export function pageOf(report: Report, body: OpenedBody): string {
  const sections = [
    headOf(report),
    columnTable(report),
    sensorTable(report),
    measureTable(report),
    eventList(report, body),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

export function verdictLine(verdict: SignatureVerdict): string {
  const { valid, deviceId, keyId, timestamp, contentEncoding } = verdict;
  const covered = `device ${printable(deviceId)}, key ${printable(keyId)}, ${timeOf(timestamp)}`;
  return valid
    ? `signature valid: ${covered}, content encoding ${printable(String(contentEncoding))}\n\n`
    : `signature INVALID for ${covered}\n\n`;
}

function headOf(report: Report): string {
  const { version, stream, first, last, count, sentAt, queue, gaps, encoding, bytes } = report;
  const title = `batch of ${number(count)} ${count === 1 ? 'event' : 'events'}, version ${version}`;
  const range = last === null ? `no events; the next is ${number(first)}` : `${number(first)} … ${number(last)}`;
  const lines: [label: string, text: string][] = [
    ['stream', stream],
    ['range', range],
    ['sent', `${timeOf(sentAt)} by the device's clock`],
    [
      'queue',
      `${number(queue.recorded)} recorded, ${number(queue.queued)} queued, ` +
        `${number(queue.quarantined)} quarantined, ${number(queue.gaps)} in gaps`,
    ],
    ...gaps.map((gap): [string, string] => {
      const events = number(gap.last - gap.first + 1);
      const sums =
        gap.sums === null ? 'sums unknown' : Object.entries(gap.sums).map(([name, sum]) => `${printable(name)} ${sum}`);
      const range = `${number(gap.first)} … ${number(gap.last)}`;
      return ['gap', [`${range}: ${events} events, ${gap.reason}`, ...[sums].flat()].join(', ')];
    }),
    ['body', `${number(bytes.body)} bytes ${encoding}, ${number(bytes.uncompressed)} uncompressed`],
  ];
  if (count > 0) {
    const times = (bytes.json / bytes.body).toFixed(1);
    lines.push([
      'per event',
      `${(bytes.body / count).toFixed(2)} bytes; as JSON ${(bytes.json / count).toFixed(2)}, ${times} times that`,
    ]);
  }
  return [title, ...lines.map(([label, text]) => `  ${label.padEnd(10)}${text}`)].join('\n');
}

function columnTable({ columns, count, bytes }: Report): string {
  const perEvent = (packed: number) => (count === 0 ? '' : (packed / count).toFixed(2));
  const inColumns = columns.reduce((sum, { packedBytes }) => sum + packedBytes, 0);
  const envelope = bytes.uncompressed - inColumns;
  const rows = columns.map((column) => [
    column.name,
    column.kind,
    number(column.values),
    wordsFor(column),
    number(column.packedBytes),
    perEvent(column.packedBytes),
  ]);
  rows.push(['', 'envelope', '', 'header and sensors', number(envelope), perEvent(envelope)]);
  const head = ['column', 'kind', 'values', 'encoding', 'bytes', 'per event'];
  return tableText(head, rows, ['left', 'left', 'right', 'left', 'right', 'right']);
}

/** How a column is packed, in words. */
function wordsFor({ packed }: ColumnDescription): string {
  switch (packed.form) {
    case 'integers':
      return integerWords(packed.integers);
    case 'doubles':
      return 'raw float64';
    case 'bits':
      return 'one bit each';
    case 'dictionary':
      return `${number(packed.texts)} ${packed.texts === 1 ? 'text' : 'texts'}, ${integerWords(packed.integers)}`;
    case 'decimals': {
      const words = [packed.scale === 0 ? 'whole' : `scale ${packed.scale}`, integerWords(packed.integers)];
      if (packed.fractionPlaces > 0) words.push(`fractions of ${packed.fractionPlaces} places`);
      if (packed.nudged) words.push('nudged');
      if (packed.odd > 0) words.push(`${number(packed.odd)} odd`);
      return words.join(', ');
    }
  }
}

function integerWords({ differences, residuals, planes }: IntegerForm): string {
  if (residuals === 'zero') return ['all zero', 'constant', 'evenly spaced'][differences]!;
  const what = ['plain', 'deltas', 'deltas of deltas'][differences]!;
  if (residuals === 'varints') return `${what} as varints`;
  return `${what} in ${planes} byte ${planes === 1 ? 'plane' : 'planes'}`;
}

function sensorTable({ sensors }: Report): string {
  const rows = sensors.map(({ sensor, events }) => [sensor, number(events)]);
  return tableText(['sensor', 'events'], rows, ['left', 'right']);
}

function measureTable({ measures }: Report): string {
  const rows = measures.map(({ measure, values, min, max, sum }) => [
    measure,
    number(values),
    ...(values === 0 ? ['', ''] : [String(min), String(max)]),
    sum,
  ]);
  return tableText(['measure', 'values', 'least', 'greatest', 'exact sum'], rows, [
    'left',
    'right',
    'right',
    'right',
    'right',
  ]);
}

function eventList({ first, count }: Report, { batch }: OpenedBody): string {
  if (count === 0) return '';
  const headCount = count <= 2 * EVENTS_SHOWN ? count : EVENTS_SHOWN;
  const tailFrom = Math.max(headCount, count - EVENTS_SHOWN);
  const rows: string[][] = [];
  const add = (from: number, to: number) => {
    let sequence = first + from;
    for (const event of eventsOf(batch.table, from, to)) rows.push([number(sequence++), ...eventCells(event)]);
  };
  add(0, headCount);
  if (tailFrom > headCount) rows.push(['…', `${number(tailFrom - headCount)} more`, '', '']);
  add(tailFrom, count);
  return tableText(['sequence', 'time', 'sensor', 'fields'], rows, ['right', 'left', 'left', 'left']);
}

function eventCells({ ts, sensor, fields }: TelemetryEvent): string[] {
  const values = Object.entries(fields).map(([name, value]) => {
    const shown = Object.is(value, -0) ? '-0' : JSON.stringify(value);
    return `${name} ${shown}`;
  });
  return [timeOf(ts), sensor, values.join('  ')];
}

function tableText(head: readonly string[], rows: readonly (readonly string[])[], alignments: Alignment[]): string {
  if (rows.length === 0) return '';
  const hidden = rows.length - ROWS_SHOWN;
  const lines = tableLines([head, ...rows.slice(0, ROWS_SHOWN)], alignments);
  return [...lines, ...(hidden > 0 ? [`… ${number(hidden)} more`] : [])].join('\n');
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
