/**
 * RunEnd: what the last line of a run says.
 *
 * Owns its words and its stable `end`. Promises never to call done what a signal has cut short, what is still queued,
 * or what of the input is not recorded.
 */

export interface RunFacts {
  /** The signal that kept the run from finishing. */
  readonly cutShortBy: string | undefined;
  /** The signal that ended an input without an end. */
  readonly endedBy: string | undefined;
  readonly queuedEvents: number;
  /** What an earlier run has left is not counted yet. */
  readonly counting: boolean;
  /** All of the input is recorded. */
  readonly isWhole: boolean;
}

export interface RunEnd {
  readonly end: 'done' | 'incomplete' | 'interrupted' | 'queued';
  readonly level: 'info' | 'warn';
  readonly text: string;
}

export function runEnd({ cutShortBy, endedBy, queuedEvents, counting, isWhole }: RunFacts): RunEnd {
  const left = counting
    ? 'what is queued is on disk, and not counted yet'
    : `${queuedEvents.toLocaleString('en-US')} ${queuedEvents === 1 ? 'event is' : 'events are'} queued on disk`;
  const isSent = queuedEvents === 0 && !counting;
  const queue = isSent ? 'everything recorded is acknowledged' : left;
  if (cutShortBy !== undefined) {
    const text = `interrupted by ${cutShortBy}: ${queue}; the same command goes on where it was`;
    return { end: 'interrupted', level: 'warn', text };
  }
  if (!isWhole) {
    const text = `ended: ${queue}, and the lines above say what of the input is not recorded`;
    return { end: 'incomplete', level: 'warn', text };
  }
  if (isSent) return { end: 'done', level: 'info', text: `done: ${queue}` };
  const why = endedBy === undefined ? '--no-drain' : `ended by ${endedBy}`;
  return { end: 'queued', level: 'info', text: `recorded: ${queue} (${why}), and the next run sends it` };
}
