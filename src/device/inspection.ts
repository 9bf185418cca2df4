/**
 * Inspection: the commands `status` and `quarantine`.
 *
 * Owns how they reach a queue: through the running device where there is one, else by opening it. Promises that neither
 * disturbs a running device. Never sends events.
 */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import Table from 'cli-table3';
import { askControl } from './control.ts';
import type { DeviceStatus } from './device.ts';
import { type OfflineQueue, type OfflineStatus, openOffline } from './offline.ts';
import type { QuarantinedEvent } from './quarantine.ts';

/** No colours: what stands in the cells is read, or goes through a pipe. */
const PLAIN = { head: [], border: [] };

export async function printStatus({ data, json: asJson }: { data: string; json: boolean }): Promise<void> {
  const answer = await askControl(data, 'GET', '/status');
  const status = answer ? ((await json(answer)) as DeviceStatus) : await offline(data, (queue) => queue.status());
  process.stdout.write(asJson ? `${JSON.stringify(status)}\n` : statusText(status));
}

export async function listQuarantine({ data, json: asJson }: { data: string; json: boolean }): Promise<void> {
  if (asJson) return exportQuarantine({ data });
  const table = new Table({ head: ['sequence', 'time', 'sensor', 'code', 'detail', 'retry'], style: PLAIN });
  await eachQuarantined(data, async (lines) => {
    for await (const line of lines) {
      const { sequence, event, code, detail, retry } = JSON.parse(line) as QuarantinedEvent;
      table.push([sequence, new Date(event.ts).toISOString(), event.sensor, code, detail, retry ? 'asked for' : '']);
    }
  });
  process.stdout.write(table.length === 0 ? 'nothing is in quarantine\n' : `${table.toString()}\n`);
}

export async function exportQuarantine({ data, output }: { data: string; output?: string | undefined }): Promise<void> {
  await eachQuarantined(data, async (lines) => {
    const target = output === undefined ? process.stdout : createWriteStream(output, { mode: 0o600 });
    await pipeline(Readable.from(lines), target, { end: output !== undefined });
  });
}

export async function retryQuarantine({ data }: { data: string }): Promise<void> {
  const answer = await askControl(data, 'POST', '/quarantine/retry');
  const events = answer
    ? ((await json(answer)) as { events: number }).events
    : await offline(data, (queue) => queue.retryQuarantine());
  process.stdout.write(`${events} events will be sent again\n`);
}

/** Gives the events as NDJSON lines. */
async function eachQuarantined(data: string, use: (lines: AsyncIterable<string>) => Promise<void>): Promise<void> {
  const answer = await askControl(data, 'GET', '/quarantine');
  if (answer) return use(linesOf(answer));
  await offline(data, async (queue) => {
    const lines = async function* () {
      for await (const event of queue.quarantine()) yield `${JSON.stringify(event)}\n`;
    };
    await use(lines());
  });
}

async function* linesOf(stream: Readable): AsyncGenerator<string, void, void> {
  let rest = '';
  for await (const text of stream.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) yield `${line}\n`;
  }
}

async function offline<T>(data: string, use: (queue: OfflineQueue) => Promise<T>): Promise<T> {
  const queue = await openOffline(data);
  try {
    return await use(queue);
  } finally {
    await queue.close();
  }
}

function statusText(status: DeviceStatus | OfflineStatus): string {
  const table = new Table({ head: ['', 'events', 'volume'], colAligns: ['left', 'right', 'right'], style: PLAIN });
  for (const place of ['recorded', 'delivered', 'queued', 'quarantined', 'gaps'] as const) {
    const { events, sums } = status[place];
    table.push([place, events.toLocaleString('en'), sums['volume'] ?? '–']);
  }
  const { link } = status;
  const state = link === null ? 'not running' : `${link.state}${link.reason === null ? '' : ` (${link.reason})`}`;
  const counting = 'counting' in status && status.counting ? ', still counting' : '';
  return `device ${status.id}: ${state}, ${status.queueBytes.toLocaleString('en')} bytes queued${counting}\n${table.toString()}\n`;
}
