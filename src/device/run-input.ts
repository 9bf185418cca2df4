/**
 * RunInput: the part of a run that reads.
 *
 * Owns what a person is told about the input: where it goes on, what was refused and why, what is left. Promises that
 * nothing is left out silently: what was not recorded has a line in the log, and an exit status of its own.
 */
import { CommandError, type Logger, type SettingValues, type StatusLine } from '../cli/index.ts';
import type { Device } from './device.ts';
import { feedInput } from './feed.ts';
import {
  type Chunk,
  type Input,
  InputError,
  NOTHING_LEFT,
  type OpenInput,
  openInput,
  type RefusalCode,
  type RefusedRow,
  type Rest,
  SimulatedInput,
  shown,
} from './inputs/index.ts';
import type { RunLog } from './run-log.ts';
import type { runSettings } from './settings.ts';
import { createSimulation } from './simulation.ts';

type RunValues = SettingValues<typeof runSettings>;

/** Flags that say what is simulated. */
const SIMULATED = ['rate', 'events', 'sensors', 'seed', 'profile'] as const;

const PROGRESS_EVERY_MS = 100;
const BAR_CHARS = 40;

/** Some rows were refused; all others are recorded. */
export const REFUSED_STATUS = 3;
/** Something at the end of the input is not recorded: bytes without a line end, or what was cut off unread. */
export const LEFT_STATUS = 4;
/** Flags name fields that no row of a pipe had. */
const CALL_STATUS = 2;

/** Lines that are named for each reason; the file for refused rows has them all. */
const SHOWN_LINES = 20;

export interface Refusals {
  readonly rows: number;
  /** Where the first of them are. */
  readonly lines: readonly number[];
  /** What was wrong with the first one. */
  readonly message: string;
}

/** What `run --json` says about the input. */
export interface InputReport {
  readonly recorded: number;
  readonly refused: number;
  /** Rows that an earlier run had recorded. */
  readonly skipped: number;
  readonly refusals: Readonly<Partial<Record<RefusalCode, Refusals>>>;
  /** Bytes behind the last line end. */
  readonly waitingBytes: number;
  /** Bytes that were gone before they were read. */
  readonly lostBytes: number;
  /** Rows of a pipe that were read and could not be recorded before the run was told to end. */
  readonly dropped: number;
  /** Rows that an earlier run has refused for good: NULs, rows that are too long. */
  readonly unreadable: number;
  /** Rows with a time and no value: nothing of them is recorded, and nothing is wrong with them. */
  readonly valueless: number;
}

export interface FedRun {
  readonly report: InputReport;
  /** 0 where all of the input is recorded. */
  readonly status: number;
  readonly isEndless: boolean;
}

const NOTHING: FedRun = {
  report: {
    ...{ recorded: 0, refused: 0, skipped: 0, refusals: {} },
    ...{ waitingBytes: 0, lostBytes: 0, dropped: 0, unreadable: 0, valueless: 0 },
  },
  status: 0,
  isEndless: false,
};

export interface FeedContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly runLog: RunLog;
  readonly statusLine: StatusLine;
}

export async function feed(
  device: Device,
  values: RunValues,
  { signal, log, runLog, statusLine }: FeedContext,
): Promise<FedRun> {
  if (values.input === 'none') return NOTHING;
  const { input, rejects } = await openFor(device, values, log);
  const refusals = new RefusalCount(values.strict, log);
  if (input.skipped > 0) log.info({ rows: input.skipped }, 'recorded by an earlier run; going on behind them');
  const bar = progressBar(input, statusLine);
  try {
    const fed = await feedInput(input, {
      ...{ device, signal, rejects, onChunk: bar.update },
      onWait: runLog.waiting,
      onRefused: (rows) => refusals.add(rows),
    });
    bar.stop();
    const rest = signal.aborted ? { ...NOTHING_LEFT, lostBytes: input.rest().lostBytes } : input.rest();
    refusals.tell(values.rejects);
    tellRest(rest, fed.dropped, values, log);
    const { waitingBytes, lostBytes, unreadable, unknownNames } = rest;
    const { valueless } = input.rest();
    const report = {
      ...{ recorded: fed.recorded, dropped: fed.dropped, refused: refusals.rows, skipped: input.skipped },
      ...{ refusals: refusals.byCode, waitingBytes, lostBytes, unreadable, valueless },
    };
    const isLeft = waitingBytes + lostBytes + fed.dropped > 0;
    const status =
      refusals.rows + unreadable > 0
        ? REFUSED_STATUS
        : unknownNames.length > 0
          ? CALL_STATUS
          : isLeft
            ? LEFT_STATUS
            : 0;
    if (status === 0 && fed.recorded === 0 && input.skipped > 0 && !signal.aborted) {
      log.info(
        { rows: input.skipped },
        'nothing new: all of the input was recorded by an earlier run; --from-start records it again',
      );
    }
    return { report, status, isEndless: input.isEndless };
  } finally {
    bar.stop();
    await rejects?.close();
  }
}

async function openFor(device: Device, values: RunValues, log: Logger): Promise<OpenInput> {
  if (values.input === 'simulate') {
    const eventsMax = values.events ?? Number.POSITIVE_INFINITY;
    const { profile = 'flow', sensors = 3, seed = 1, rate = 10 } = values;
    const input = new SimulatedInput({ simulation: createSimulation({ profile, sensors, seed }), rate, eventsMax });
    return { input, rejects: undefined };
  }
  const idle = SIMULATED.find((name) => values[name] !== undefined);
  if (idle !== undefined) {
    throw new InputError(
      'input-flags',
      `--${idle} means nothing beside --input ${shown(values.input)}: leave it out, or --input simulate`,
    );
  }
  return openInput({
    ...values,
    path: values.input,
    names: values.map ?? new Map(),
    skip: values.skip ?? new Set(),
    texts: values.text,
    numbers: values.number,
    goOn: values.continue,
    stored: (name) => device.mark(name),
    onRewritten: (lostBytes) => {
      const text = 'the file was cut short while it was being read; going on with what is in it now';
      log.warn({ file: values.input, lostBytes }, text);
    },
  });
}

/** What was refused, by reason. */
class RefusalCount {
  readonly #strict: boolean;
  readonly #log: Logger;
  readonly #byCode = new Map<RefusalCode, { rows: number; lines: number[]; message: string }>();
  rows = 0;

  constructor(strict: boolean, log: Logger) {
    this.#strict = strict;
    this.#log = log;
  }

  get byCode(): InputReport['refusals'] {
    return Object.fromEntries(this.#byCode);
  }

  add(rows: readonly RefusedRow[]): void {
    for (const { line, code, message } of rows) {
      if (this.#strict)
        throw new CommandError('bad-value', `line ${line} of the input is refused as ${code}: ${message}`);
      this.rows++;
      const known = this.#byCode.get(code);
      if (known === undefined) {
        this.#byCode.set(code, { rows: 1, lines: [line], message });
        this.#log.warn({ line, code, reason: message }, 'row refused; more of this kind are counted');
        continue;
      }
      known.rows++;
      if (known.lines.length < SHOWN_LINES) known.lines.push(line);
    }
  }

  tell(rejects: string | undefined): void {
    for (const [code, { rows, lines, message }] of this.#byCode) {
      this.#log.warn({ code, rows, lines, more: rows - lines.length, reason: message }, 'rows refused');
    }
    if (this.rows === 0) return;
    const where =
      rejects === undefined
        ? 'rows were refused and are not recorded; the next run tries those of a file again, but for NULs and ' +
          'rows that are too long; --rejects FILE keeps them'
        : 'rows were refused and are not recorded; they are kept to be put right';
    this.#log.error({ refused: this.rows, ...(rejects !== undefined && { rejects }) }, where);
  }
}

function tellRest(
  { waitingBytes, lostBytes, unreadable, unknownNames, knownNames, quotedNumbers, valueless }: Rest,
  dropped: number,
  values: RunValues,
  log: Logger,
): void {
  if (waitingBytes > 0) {
    const text =
      'the input ends without a line end: what is behind the last one waits for it; --last-line records it as it is';
    log.error({ file: values.input, bytes: waitingBytes }, text);
  }
  if (lostBytes > 0)
    log.error({ file: values.input, bytes: lostBytes }, 'the file was cut short before these bytes were read');
  if (unreadable > 0) {
    const text =
      'an earlier run refused rows that cannot be read, and they are not recorded: NUL bytes, or rows that are ' +
      'too long';
    log.error({ file: values.input, rows: unreadable }, text);
  }
  if (valueless > 0) {
    const text = 'rows have a time and no value: nothing was measured then, and nothing of them is recorded';
    log.warn({ file: values.input, rows: valueless }, text);
  }
  if (quotedNumbers.length > 0) {
    const text =
      'numbers in quotes are texts, and these columns are kept as such; --number NAMES if they are numbers, ' +
      '--text NAMES if not';
    log.warn({ columns: quotedNumbers }, text);
  }
  if (dropped > 0)
    log.error({ rows: dropped }, 'rows were read from the pipe and could not be recorded before the run ended');
  if (unknownNames.length > 0)
    log.error(
      { names: unknownNames, known: knownNames },
      'flags name fields that no row had; the rows are recorded, their fields called as they were in the input',
    );
}

/** On a terminal, and only for files: what a pipe will bring is not known. */
function progressBar(
  { bytes: total }: Input,
  statusLine: StatusLine,
): { update: (chunk: Chunk) => void; stop: () => void } {
  let shownAt = Number.NEGATIVE_INFINITY;
  return {
    update({ bytes, rows }) {
      if (total === undefined) return;
      const now = performance.now();
      if (now - shownAt < PROGRESS_EVERY_MS) return;
      shownAt = now;
      const share = total === 0 ? 1 : Math.min(1, bytes / total);
      const full = Math.round(share * BAR_CHARS);
      const bar = '━'.repeat(full) + '─'.repeat(BAR_CHARS - full);
      statusLine.show(`recorded ${bar} ${Math.floor(share * 100)} %, ${rows.toLocaleString('en-US')} rows`);
    },
    stop: () => statusLine.clear(),
  };
}
