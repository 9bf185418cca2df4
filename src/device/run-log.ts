/**
 * RunLog: what a run says about its device while it works.
 *
 * Owns which events become a line. Promises that the first of a kind is told at once, that what lasts or comes again is
 * told about once a minute, and that the last line about the link is never wrong for longer than that. Never logs a
 * secret.
 */
import type { Logger } from '../cli/index.ts';
import type { Device } from './device.ts';
import { linkSentence } from './explanation.ts';
import { createRepeats, type Repeats } from './repeats.ts';

const REPEAT_MS = 60_000;
const CHECK_MS = 10_000;

export interface RunLog {
  /** Why the next rows cannot be recorded now; may be called at every try. */
  waiting(error: Error): void;
  stop(): void;
}

export function createRunLog(device: Device, log: Logger, now: () => number = Date.now): RunLog {
  const repeats = createRepeats({ everyMs: REPEAT_MS, now });
  const link = watchLink(device, log, repeats, now);
  device.on('quarantined', (events) => {
    const [{ code, detail }] = events as [(typeof events)[number]];
    const count = repeats.take(`quarantined ${code}`, events.length);
    if (count > 0)
      log.error({ events: count, code, reason: detail }, `${eventsOf(count)} refused for good; kept in quarantine`);
  });
  device.on('gap', ({ first, last, reason }) => {
    const count = repeats.take(`gap ${reason}`, last - first + 1);
    if (count === 0) return;
    const why = reason === 'quota' ? 'given up for the limit of the queue' : 'lost to damage on disk';
    log.warn(
      { code: `gap-${reason}`, events: count, first, last, reason },
      `${eventsOf(count)} ${why}; declared as a gap`,
    );
  });
  device.on('fault', (error) => {
    const code = codeOf(error);
    if (repeats.take(`fault ${code}`) > 0)
      log.error({ code, reason: error.message }, `the disk refused something: ${error.message}`);
  });
  return {
    waiting(error) {
      const code = codeOf(error);
      if (repeats.take(`waiting ${code}`) === 0) return;
      log.warn(
        { code, reason: error.message },
        `cannot record now: ${error.message}; nothing is lost, trying again every second`,
      );
    },
    stop: link.stop,
  };
}

function watchLink(device: Device, log: Logger, repeats: Repeats, now: () => number): { stop(): void } {
  let told = '';
  let timer: NodeJS.Timeout | undefined;
  const tell = (): void => {
    const status = device.status();
    const { state, code, nextAttemptAt } = status.link;
    told = kindOf(device);
    const waitMs = nextAttemptAt === null ? undefined : Math.max(0, nextAttemptAt - now());
    const level = state === 'paused' ? 'error' : code === null ? 'info' : 'warn';
    const { gateway, queued } = status;
    log[level](
      { link: state, code: code ?? undefined, gateway, queuedEvents: queued.events, waitMs },
      linkSentence(status, now()),
    );
  };
  const look = (): void => {
    clearTimeout(timer);
    const kind = kindOf(device);
    const isNews = kind !== told || device.status().link.code !== null;
    if (!isNews) return;
    const isDue = repeats.take(`link ${kind}`) > 0;
    if (isDue) tell();
    // What lasts is told again, and what came and went too often for a line of its own is told where it still holds.
    timer = setTimeout(look, isDue ? REPEAT_MS : CHECK_MS);
    timer.unref();
  };
  device.on('link', look);
  return { stop: () => clearTimeout(timer) };
}

function kindOf(device: Device): string {
  const { state, code } = device.status().link;
  return `${state} ${code}`;
}

function codeOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : 'unexpected';
}

function eventsOf(count: number): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? 'event' : 'events'}`;
}
