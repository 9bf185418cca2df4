/**
 * Run: the command `tidegate-device run`.
 *
 * Owns the life of one run: open, feed, drain, report, close. Promises that a signal loses nothing that was recorded.
 * Never decides how events are stored or sent.
 */
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CommandError,
  createLogger,
  createStatusLine,
  type Logger,
  onShutdown,
  type ProgramValues,
  readCertificates,
  readSecret,
  type SettingValues,
  type ShutdownSignal,
  type StatusLine,
} from '../cli/index.ts';
import { openDevice } from './assembly.ts';
import { serveControl } from './control.ts';
import type { Device } from './device.ts';
import { feedRows, feedSimulation } from './feed.ts';
import { keepHeapSmall } from './heap.ts';
import { type Chunk, formatOf, type InputFile, openInputFile, type RefusedRow, readRows } from './input.ts';
import type { RowOptions } from './row.ts';
import { createRunLog, type RunLog } from './run-log.ts';
import type { runSettings } from './settings.ts';
import { createSimulation } from './simulation.ts';

const COUNTED_POLL_MS = 10;
const PROGRESS_EVERY_MS = 100;
const BAR_CHARS = 40;

export type RunValues = SettingValues<typeof runSettings>;

export async function run(values: RunValues, program: ProgramValues): Promise<void> {
  keepHeapSmall();
  const statusLine = createStatusLine();
  const log = createLogger('tidegate-device', program, statusLine.log);
  const device = await openDevice({
    gateway: values.gateway,
    id: values.id,
    data: values.data,
    whenFull: values.whenFull,
    credential: await readSecret({
      name: 'device credential',
      flag: '--secret-file',
      file: values.secretFile,
      variable: 'TIDEGATE_SECRET',
    }),
    ...(values.ca !== undefined && { ca: await readCertificates('--ca', values.ca) }),
    ...(values.queueBytes !== undefined && { queueBytesMax: values.queueBytes }),
    lingerMs: Math.round(values.linger),
    batchEventsMax: values.batchEvents,
    batchBytesMax: values.batchBytes,
    inFlightMax: values.inFlight,
    requestTimeoutMs: Math.round(values.requestTimeout),
    retryBaseMs: Math.round(values.retryBase),
    retryMaxMs: Math.round(values.retryMax),
    reserveBytes: values.reserve,
  });
  const runLog = createRunLog(device, log);
  const stop = new AbortController();
  let interruption: ShutdownSignal | undefined;
  const shutdown = onShutdown(async (signal) => {
    log.info({ signal }, 'stopping; what is queued stays on disk');
    interruption = signal;
    stop.abort();
  });
  let closeControl = async (): Promise<void> => {};
  try {
    closeControl = await serveControl(device, values.data).catch((error: Error) => {
      // Some file systems have no sockets: events are worth more than other commands' answers.
      log.warn({ reason: error.message }, 'no control socket: status and quarantine work once this run has ended');
      return closeControl;
    });
    const input = await feed(device, values, stop.signal, log, runLog, statusLine);
    const isEnded = !stop.signal.aborted;
    if (values.drain) await device.drain({ signal: stop.signal }).catch(unlessAborted(stop.signal));
    // A script must not take what a signal cut short for done; what has no end of its own is done when it is told to.
    if (interruption && (isEnded || !isEndless(values))) process.exitCode = 128 + constants.signals[interruption];
    await counted(device, stop.signal);
    report(device, values, input, log);
  } finally {
    runLog.stop();
    await closeControl();
    await device.close();
    shutdown.release();
  }
}

/** A pipe may stay open for ever, and so may a simulation. */
function isEndless({ input, events }: RunValues): boolean {
  return input === '-' || (input === 'simulate' && events === undefined);
}

interface InputReport {
  readonly recorded: number;
  readonly refused: number;
  /** Rows that an earlier run had recorded. */
  readonly skipped: number;
}

async function feed(
  device: Device,
  values: RunValues,
  signal: AbortSignal,
  log: Logger,
  runLog: RunLog,
  statusLine: StatusLine,
): Promise<InputReport> {
  const onWait = runLog.waiting;
  if (values.input === 'none') return { recorded: 0, refused: 0, skipped: 0 };
  if (values.input === 'simulate') {
    const simulation = createSimulation(values);
    const eventsMax = values.events ?? Number.POSITIVE_INFINITY;
    const recorded = await feedSimulation({ device, simulation, rate: values.rate, eventsMax, signal, onWait });
    return { recorded, refused: 0, skipped: 0 };
  }
  const rows: RowOptions = {
    names: new Map(Object.entries(values.map ?? {}).map(([ours, theirs]) => [theirs, ours])),
    skip: new Set(values.skip),
    timeUnit: values.timeUnit,
    sensor: values.sensor,
  };
  let refused = 0;
  const onRefused = (list: readonly RefusedRow[]): void => {
    refused += list.length;
    const [{ line, code, message }] = list as [RefusedRow];
    if (values.strict) throw new CommandError('bad-value', `line ${line} of the input: ${message} (${code})`);
    log.warn({ rows: list.length, line, code, reason: message }, 'rows refused');
  };
  const options = { device, signal, onWait, onRefused };
  if (values.input === '-') {
    // A pipe may stay silent: a signal ends the wait for its next row.
    signal.addEventListener('abort', () => process.stdin.destroy(), { once: true });
    const chunks = readRows(process.stdin, values.format ?? 'ndjson', rows);
    let recorded = 0;
    const onChunk = ({ events }: Chunk): void => {
      recorded += events.length;
    };
    await feedRows(chunks, { ...options, onChunk }).catch(unlessAborted(signal));
    return { recorded, refused, skipped: 0 };
  }
  const file = await openInputFile({
    path: values.input,
    format: values.format ?? formatOf(values.input),
    fromStart: values.fromStart,
    stored: (name) => device.mark(name),
  });
  if (file.skipRows > 0) log.info({ rows: file.skipRows }, 'recorded by an earlier run; going on behind them');
  const bar = progressBar(file, statusLine);
  try {
    const recorded = await feedRows(file.read(rows), { ...options, file, onChunk: bar.update });
    return { recorded, refused, skipped: file.skipRows };
  } finally {
    bar.stop();
  }
}

/** On a terminal, and only for files: what a pipe will bring is not known. */
function progressBar(file: InputFile, statusLine: StatusLine): { update: (chunk: Chunk) => void; stop: () => void } {
  let shownAt = Number.NEGATIVE_INFINITY;
  return {
    update({ bytes, rows }) {
      const now = performance.now();
      if (now - shownAt < PROGRESS_EVERY_MS) return;
      shownAt = now;
      const share = file.bytes === 0 ? 1 : Math.min(1, bytes / file.bytes);
      const full = Math.round(share * BAR_CHARS);
      const bar = '━'.repeat(full) + '─'.repeat(BAR_CHARS - full);
      statusLine.show(`recorded ${bar} ${Math.floor(share * 100)} %, ${rows.toLocaleString('en-US')} rows`);
    },
    stop: () => statusLine.clear(),
  };
}

/** Until the report can be complete: what an earlier run has left may still be being counted. */
async function counted(device: Device, signal: AbortSignal): Promise<void> {
  while (device.status().counting && !signal.aborted)
    await sleep(COUNTED_POLL_MS, undefined, { signal }).catch(() => {});
}

function report(device: Device, values: RunValues, input: InputReport, log: Logger): void {
  const status = device.status();
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ input, ...status })}\n`);
    return;
  }
  const { recorded, delivered, queued, quarantined } = status;
  log.info(
    {
      recorded: input.recorded,
      refused: input.refused,
      total: recorded.events,
      delivered: delivered.events,
      queued: queued.events,
      quarantined: quarantined.events,
      volume: delivered.sums['volume'] ?? '0',
    },
    queued.events === 0 && !status.counting ? 'done: everything recorded is acknowledged' : 'stopped',
  );
}

function unlessAborted(signal: AbortSignal): (error: unknown) => undefined {
  return (error) => {
    if (!signal.aborted) throw error;
    return undefined;
  };
}
