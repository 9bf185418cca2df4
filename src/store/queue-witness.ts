/**
 * What the witness of a queue says, held against the database that was found.
 *
 * Owns the statement: whose queue it is, which sequences are queued, under which streams, and the totals. Promises that
 * events which the database has lost without a trace, with the end of its log or altogether, become gaps of their exact
 * count, and that their sequences are not used again. Never doubts a database that is as far as the witness says, or
 * further.
 */
import { StoreError } from './errors.ts';
import { createIntervals } from './intervals.ts';
import { asideOf } from './queue-aside.ts';
import { withAppended, withCleared } from './queue-position.ts';
import { type Gap, gapPut } from './queue-records.ts';
import type { QueueState, Witnessed } from './queue-state.ts';
import { runsOf, type StreamRun, streamRanges } from './queue-streams.ts';
import type { Operation } from './rocks.ts';
import { WITNESSED_RUNS } from './stream-log.ts';

/** Of the streams the latest; all in a statement of before there was a stream log. */
type Statement = Omit<Witnessed, 'streamsFrom'>;

/** What the database has lost, and the state in which that is accounted for. */
export interface Found {
  readonly state: QueueState;
  readonly operations: readonly Operation[];
  readonly gaps: readonly Gap[];
}

/** Bytes of totals that a statement has room for: those of a thousand measures. */
const TOTALS_BYTES_MAX = 64 << 10;

/** @param aside as `Aside` has it */
export function encodeStatement({ deviceId, position, streams, totals }: QueueState, aside: string): Buffer {
  const { head, next, cleared, revision } = position;
  const runs = streams.all
    .slice(Math.max(streams.from, streams.all.length - WITNESSED_RUNS))
    .map(({ first, stream }) => [first, Buffer.from(stream).toString('hex')]);
  const away = cleared.map(({ first, last }) => [first, last]);
  const told = totals && totals.length <= TOTALS_BYTES_MAX ? Buffer.from(totals).toString('base64') : null;
  return Buffer.from(JSON.stringify([deviceId, head, next, away, runs, told, revision, aside]));
}

/**
 * Undefined where nothing is lost. Throws `other-device` where the queue was another's.
 * @param logged what the stream log says
 */
export function lostSince(
  bytes: Buffer | undefined,
  state: QueueState,
  logged: readonly StreamRun[],
): Found | undefined {
  if (bytes === undefined) return undefined;
  const { deviceId, position, streams } = decodeStatement(bytes);
  if (deviceId !== state.deviceId) throw new StoreError('other-device', `the queue belonged to ${deviceId}`);
  const from = state.position.next;
  if (position.next <= from) return undefined;
  const runs = runsOf(allRuns(logged, streams));
  const away = createIntervals();
  for (const range of position.cleared) away.add(range);
  const first = Math.max(from, position.head);
  const lost = first < position.next ? away.missing({ first, last: position.next - 1 }) : [];
  const gaps = lost
    .flatMap((range) => streamRanges(runs, range))
    .map((range): Gap => ({ ...range, reason: 'damage', sums: new Uint8Array() }));
  const grown = withAppended(state.position, position.next, state.position.offset);
  // The mark of what may have been sent is as old as the database that was found.
  const cleared = withCleared({ ...grown, unsent: position.next }, [{ first: from, last: position.next - 1 }], 0);
  return { state: { ...state, position: cleared }, operations: gaps.map(gapPut), gaps };
}

/** @param logged what the stream log says */
export function witnessedBy(statement: Buffer | undefined, logged: readonly StreamRun[] = []): Witnessed | undefined {
  if (statement === undefined) return undefined;
  const said = decodeStatement(statement);
  const streamsFrom = said.streams[0]?.first ?? Infinity;
  return { ...said, streams: knownRuns(logged, said.streams), streamsFrom };
}

/** What is older than any is taken as part of the oldest. */
function allRuns(logged: readonly StreamRun[], named: readonly StreamRun[]): StreamRun[] {
  const [oldest, ...others] = knownRuns(logged, named);
  return oldest === undefined ? [] : [{ ...oldest, first: 1 }, ...others];
}

/** The runs of before those that the witness names, and these. */
function knownRuns(logged: readonly StreamRun[], named: readonly StreamRun[]): StreamRun[] {
  const first = named[0]?.first ?? Infinity;
  return [...logged.filter((run) => run.first < first), ...named];
}

function decodeStatement(bytes: Buffer): Statement {
  const [deviceId, head, next, cleared, runs, totals, revision = 0, aside] = JSON.parse(bytes.toString()) as [
    string,
    number,
    number,
    [number, number][],
    [number, string][],
    (string | null)?,
    number?,
    string?,
  ];
  return {
    deviceId,
    position: { head, next, cleared: cleared.map(([first, last]) => ({ first, last })) },
    streams: runs.map(([first, stream]) => ({ first, stream: Buffer.from(stream, 'hex') })),
    totals: totals ? Buffer.from(totals, 'base64') : undefined,
    revision,
    aside: asideOf(aside),
  };
}
