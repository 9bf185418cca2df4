/**
 * What the witness of a queue says, held against the database that was found.
 *
 * Owns the statement: whose queue it is, which sequences are queued, and under which streams. Promises that events which
 * the database has lost without a trace, with the end of its log or altogether, become gaps of their exact count, and that
 * their sequences are not used again. Never doubts a database that is as far as the witness says, or further.
 */
import { StoreError } from './errors.ts';
import { createIntervals } from './intervals.ts';
import { type Position, withAppended, withCleared } from './queue-position.ts';
import { type Gap, gapPut } from './queue-records.ts';
import type { QueueState } from './queue-state.ts';
import { type StreamRuns, streamRanges } from './queue-streams.ts';
import type { Operation } from './rocks.ts';

interface Statement {
  readonly deviceId: string;
  readonly position: Pick<Position, 'head' | 'next' | 'cleared'>;
  readonly streams: StreamRuns;
}

/** What the database has lost, and the state in which that is accounted for. */
export interface Found {
  readonly state: QueueState;
  readonly operations: readonly Operation[];
  readonly gaps: readonly Gap[];
}

export function encodeStatement({ deviceId, position, streams }: QueueState): Buffer {
  const { head, next, cleared } = position;
  const runs = streams.map(({ first, stream }) => [first, Buffer.from(stream).toString('hex')]);
  return Buffer.from(JSON.stringify([deviceId, head, next, cleared.map(({ first, last }) => [first, last]), runs]));
}

/** Undefined where nothing is lost. Throws `other-device` where the queue was another's. */
export function lostSince(bytes: Buffer | undefined, state: QueueState): Found | undefined {
  if (bytes === undefined) return undefined;
  const { deviceId, position, streams } = decodeStatement(bytes);
  if (deviceId !== state.deviceId) throw new StoreError('other-device', `the queue belonged to ${deviceId}`);
  const from = state.position.next;
  if (position.next <= from) return undefined;
  const away = createIntervals();
  for (const range of position.cleared) away.add(range);
  const first = Math.max(from, position.head);
  const lost = first < position.next ? away.missing({ first, last: position.next - 1 }) : [];
  const gaps = lost
    .flatMap((range) => streamRanges(streams, range))
    .map((range): Gap => ({ ...range, reason: 'damage', sums: new Uint8Array() }));
  const grown = withAppended(state.position, position.next, state.position.offset);
  // The mark of what may have been sent is as old as the database that was found.
  const cleared = withCleared({ ...grown, unsent: position.next }, [{ first: from, last: position.next - 1 }], 0);
  return { state: { ...state, position: cleared }, operations: gaps.map(gapPut), gaps };
}

function decodeStatement(bytes: Buffer): Statement {
  const [deviceId, head, next, cleared, runs] = JSON.parse(bytes.toString()) as [
    string,
    number,
    number,
    [number, number][],
    [number, string][],
  ];
  return {
    deviceId,
    position: { head, next, cleared: cleared.map(([first, last]) => ({ first, last })) },
    streams: runs.map(([first, stream]) => ({ first, stream: Buffer.from(stream, 'hex') })),
  };
}
