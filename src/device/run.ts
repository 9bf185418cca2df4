/**
 * Run: the command `tidegate-device run`.
 *
 * Owns the life of one run: open, feed, drain, report, close. Promises that a signal loses nothing that was recorded,
 * and that SIGHUP reads the secret file anew.
 * Never decides how events are stored or sent.
 */
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createLogger,
  createStatusLine,
  type Logger,
  onShutdown,
  type ProgramValues,
  readCertificates,
  type SettingValues,
  type ShutdownSignal,
} from '../cli/index.ts';
import { openDevice } from './assembly.ts';
import { serveControl } from './control.ts';
import { followCredential, readCredential } from './credential-file.ts';
import type { Device } from './device.ts';
import { keepHeapSmall } from './heap.ts';
import { runEnd } from './run-end.ts';
import { feed, type InputReport } from './run-input.ts';
import { createRunLog } from './run-log.ts';
import type { runSettings } from './settings.ts';

const COUNTED_POLL_MS = 10;

export type RunValues = SettingValues<typeof runSettings>;

export async function run(values: RunValues, program: ProgramValues): Promise<void> {
  keepHeapSmall();
  // Without a listener it ends the process, also one that has only just begun.
  let reload = () => {};
  const onHangUp = () => reload();
  process.on('SIGHUP', onHangUp);
  const statusLine = createStatusLine();
  const log = createLogger('tidegate-device', program, statusLine.log);
  const credential = await readCredential(values.secretFile);
  const device = await openDevice({
    gateway: values.gateway,
    id: values.id,
    data: values.data,
    whenFull: values.whenFull,
    credential,
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
  const followed = followCredential({ file: values.secretFile, used: credential, device, log });
  reload = () => void followed.reload();
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
    const {
      report: input,
      status,
      isEndless,
    } = await feed(device, values, { signal: stop.signal, log, runLog, statusLine });
    const isEnded = !stop.signal.aborted;
    if (values.drain) await device.drain({ signal: stop.signal }).catch(unlessAborted(stop.signal));
    // A script must not take what a signal cut short for done; what has no end of its own is done when it is told to.
    const cutShortBy = isEnded || !isEndless ? interruption : undefined;
    if (cutShortBy) process.exitCode = 128 + constants.signals[cutShortBy];
    else if (status !== 0) process.exitCode = status;
    await counted(device, stop.signal);
    report(device, { values, input, cutShortBy, endedBy: interruption }, log);
  } finally {
    runLog.stop();
    followed.close();
    await closeControl();
    await device.close();
    shutdown.release();
    process.off('SIGHUP', onHangUp);
  }
}

/** Until the report can be complete: what an earlier run has left may still be being counted. */
async function counted(device: Device, signal: AbortSignal): Promise<void> {
  while (device.status().counting && !signal.aborted)
    await sleep(COUNTED_POLL_MS, undefined, { signal }).catch(() => {});
}

interface Reported {
  readonly values: RunValues;
  readonly input: InputReport;
  readonly cutShortBy: ShutdownSignal | undefined;
  readonly endedBy: ShutdownSignal | undefined;
}

function report(device: Device, { values, input, cutShortBy, endedBy }: Reported, log: Logger): void {
  const status = device.status();
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ input, ...status })}\n`);
    return;
  }
  const { recorded, delivered, queued, quarantined } = status;
  const isWhole = input.refused + input.waitingBytes + input.lostBytes + input.dropped + input.unreadable === 0;
  const { counting } = status;
  const { end, level, text } = runEnd({ cutShortBy, endedBy, queuedEvents: queued.events, counting, isWhole });
  log[level](
    {
      end,
      recorded: input.recorded,
      refused: input.refused,
      total: recorded.events,
      delivered: delivered.events,
      queued: queued.events,
      quarantined: quarantined.events,
      volume: delivered.sums['volume'] ?? '0',
    },
    text,
  );
}

function unlessAborted(signal: AbortSignal): (error: unknown) => undefined {
  return (error) => {
    if (!signal.aborted) throw error;
    return undefined;
  };
}
