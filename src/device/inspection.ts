/**
 * Inspection: the commands `status` and `quarantine`.
 *
 * Owns how they reach a queue: through the running device where there is one that answers, else on disk. Promises that
 * they end, that neither disturbs a running device, and that looking changes nothing. Never sends events.
 */
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { CommandError, failureText, printable, tableLines } from '../cli/index.ts';
import { HEADLINE } from '../codec/index.ts';
import { isNotFound } from '../store/index.ts';
import { askControl } from './control.ts';
import type { DeviceStatus } from './device.ts';
import { DeviceError } from './errors.ts';
import { linkSentence } from './explanation.ts';
import { type OfflineStatus, offlineQuarantine, offlineStatus, retryOffline } from './offline.ts';
import type { QuarantinedEvent } from './quarantine.ts';

/** Columns of sums; all of them are in the JSON. */
const MEASURES_SHOWN = 3;

export async function printStatus({ data, json: asJson }: { data: string; json: boolean }): Promise<void> {
  const status = await askOrLook(
    data,
    async () => {
      const answer = await askControl(data, 'GET', '/status');
      return answer && ((await json(answer)) as DeviceStatus);
    },
    (silent) => offlineStatus(data, silent).catch(queueGone(data)),
  );
  process.stdout.write(asJson ? `${JSON.stringify(status)}\n` : statusText(status));
}

export async function listQuarantine({ data, json: asJson }: { data: string; json: boolean }): Promise<void> {
  if (asJson) return exportQuarantine({ data });
  const rows = [['sequence', 'time', 'sensor', 'code', 'detail', 'retry']];
  await eachQuarantined(data, async (lines) => {
    for await (const line of lines) {
      const { sequence, event, code, detail, retry } = JSON.parse(line) as QuarantinedEvent;
      const time = new Date(event.ts).toISOString();
      rows.push([String(sequence), time, event.sensor, code, detail, retry ? 'asked for' : '']);
    }
  });
  process.stdout.write(rows.length === 1 ? 'nothing is in quarantine\n' : linesOfText(tableLines(rows, ['right'])));
}

export async function exportQuarantine({ data, output }: { data: string; output?: string | undefined }): Promise<void> {
  await eachQuarantined(data, async (lines) => {
    if (output === undefined) return await pipeline(Readable.from(lines), process.stdout, { end: false });
    const unwritable = (cause: NodeJS.ErrnoException): never => {
      if (cause.syscall !== 'open' && cause.syscall !== 'write') throw cause;
      throw new CommandError('output-unwritable', `--output: cannot write ${output}`, { cause });
    };
    const file = await open(output, 'w', 0o600).catch(unwritable);
    await pipeline(Readable.from(lines), file.createWriteStream()).catch(unwritable);
  });
}

export async function retryQuarantine({ data }: { data: string }): Promise<void> {
  const answer = await askControl(data, 'POST', '/quarantine/retry');
  const events = answer
    ? ((await json(answer)) as { events: number }).events
    : await retryOffline(data).catch(queueGone(data));
  process.stdout.write(`${events} events will be sent again\n`);
}

/** A mistyped folder is a call to change. */
function queueGone(data: string): (error: unknown) => never {
  return (error) => {
    if (!isNotFound(error)) throw error;
    throw new CommandError('not-found', `there is no queue in ${data}: --data names the folder that \`run\` has`);
  };
}

/** Gives the events as NDJSON lines. */
async function eachQuarantined(data: string, use: (lines: AsyncIterable<string>) => Promise<void>): Promise<void> {
  const lines = async function* () {
    try {
      for await (const event of offlineQuarantine(data)) yield `${JSON.stringify(event)}\n`;
    } catch (error) {
      queueGone(data)(error);
    }
  };
  const asked = async () => {
    const answer = await askControl(data, 'GET', '/quarantine');
    return answer && linesOf(answer);
  };
  await use(await askOrLook(data, asked, async () => lines()));
}

/** What the disk holds, where the device does not answer; that is said, and the exit status tells, too. */
async function askOrLook<T, U>(
  data: string,
  ask: () => Promise<T | undefined>,
  look: (silent: boolean) => Promise<U>,
): Promise<T | U> {
  try {
    return (await ask()) ?? (await look(false));
  } catch (error) {
    if (!(error instanceof DeviceError && error.code === 'no-answer')) throw error;
    process.stderr.write(`${printable(`${failureText(error, false)}; this is what its disk in ${data} holds`)}\n`);
    process.exitCode = 1;
    return await look(true);
  }
}

async function* linesOf(stream: Readable): AsyncGenerator<string, void, void> {
  let rest = '';
  for await (const text of stream.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) yield `${line}\n`;
  }
}

function statusText(status: DeviceStatus | OfflineStatus): string {
  const measures = Object.keys(status.recorded.sums).sort((a, b) => Number(b === HEADLINE) - Number(a === HEADLINE));
  const shown = measures.slice(0, MEASURES_SHOWN);
  const rows = [['', 'events', ...shown]];
  for (const place of ['recorded', 'delivered', 'queued', 'quarantined', 'gaps'] as const) {
    const { events, sums } = status[place];
    rows.push([place, events.toLocaleString('en'), ...shown.map((measure) => sums[measure] ?? '–')]);
  }
  const counting = 'counting' in status && status.counting ? ', still counting' : '';
  const more = measures.length > shown.length ? [`… and ${measures.length - shown.length} more measures: --json`] : [];
  return linesOfText([
    printable(`device ${status.id}: ${stateOf(status)}`),
    `${status.queueBytes.toLocaleString('en')} bytes queued${counting}`,
    ...tableLines(rows, ['left', ...rows[0]!.map(() => 'right' as const)]),
    ...more,
  ]);
}

function stateOf(status: DeviceStatus | OfflineStatus): string {
  if (status.link !== null) return linkSentence(status, Date.now());
  return (
    `${status.silent ? 'does not answer' : 'not running'}; ${status.queued.events.toLocaleString('en')} ` +
    'events safe on disk'
  );
}

function linesOfText(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
