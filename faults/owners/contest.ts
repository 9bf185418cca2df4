/**
 * Contest: several programs that open one folder within a few milliseconds, some of which are killed.
 *
 * Owns what was seen of each. Promises to say so where two had the folder at the same time, where one was turned away
 * without being told that another is running, and where nobody has it. Never judges an event.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Program, Programs } from '../../rig/programs.ts';
import { taskArguments } from '../../rig/programs.ts';
import { trapAt } from '../failpoints.ts';
import type { OpenerSays, OpenerTask } from './opener.ts';
import type { StartStep } from './steps.ts';

export interface Contender {
  readonly task: OpenerTask;
  /** Where it dies by itself. */
  readonly trap: StartStep | undefined;
  /** How long after the instant it is killed; undefined where it is not. */
  readonly killAfterMs: number | undefined;
}

export interface ContestResult {
  readonly problems: readonly string[];
  /** Steps at which one has died. */
  readonly steps: readonly StartStep[];
  readonly killed: number;
  readonly refused: number;
  readonly attempted: number;
  readonly resolved: number;
  /** What the gateway that had the folder in the end says it has counted; undefined where none had. */
  readonly counted: number | undefined;
}

/** Opening takes some 50 ms; more only on a busy machine. */
const SETTLE_MAX_MS = 60_000;
const KILLED = 137;

interface Seen {
  readonly contender: Contender;
  readonly program: Program;
  /** What it has said, one over the other. */
  says: OpenerSays;
  status: number | undefined;
  /** Whether it may have the folder no longer: it was killed, or has ended. */
  isGone: boolean;
}

export async function compete(programs: Programs, contenders: readonly Contender[]): Promise<ContestResult> {
  const problems: string[] = [];
  const seen = contenders.map((contender, i) => start(programs, contender, `opener ${i + 1}`));
  for (const one of seen) {
    one.program.onLine((line) => {
      if (!line.startsWith('{')) return;
      one.says = { ...one.says, ...(JSON.parse(line) as OpenerSays) };
      const others = seen.filter((other) => other !== one && other.says.opened && !other.isGone);
      if (line.includes('"opened"') && others.length > 0) problems.push('two have the folder at the same time');
    });
  }
  await Promise.all(seen.map((one) => settled(one, problems)));
  const owners = seen.filter(({ says, isGone }) => says.opened && !isGone);
  if (owners.length === 0 && seen.every(({ says }) => says.refused)) problems.push('nobody has the folder');
  for (const { says } of seen) {
    if (says.refused === undefined) continue;
    const { code, message } = says.refused;
    if (code !== 'locked' || !message.includes('already running'))
      problems.push(`turned away with ${code}: ${message}`);
  }
  const url = owners.find(({ says }) => says.url)?.says.url;
  const counted =
    url === undefined ? undefined : await countedBy(url).catch((error: Error) => void problems.push(error.message));
  await Promise.all(owners.map(end));
  return {
    problems,
    steps: seen.flatMap(({ status, contender: { trap } }) => (status === KILLED && trap !== undefined ? [trap] : [])),
    killed: seen.filter(({ status }) => status === KILLED).length,
    refused: seen.filter(({ says }) => says.refused).length,
    attempted: seen.reduce((sum, { says }) => sum + (says.attempted ?? 0), 0),
    resolved: seen.reduce((sum, { says }) => sum + (says.resolved ?? 0), 0),
    counted: counted ?? undefined,
  };
}

export async function countedBy(url: string): Promise<number> {
  const answer = await fetch(new URL('/v1/totals', url), { signal: AbortSignal.timeout(SETTLE_MAX_MS) });
  if (!answer.ok) throw new Error(`/v1/totals answers ${answer.status}`);
  return ((await answer.json()) as { events: number }).events;
}

function start(programs: Programs, contender: Contender, name: string): Seen {
  const { task, trap } = contender;
  const options = trap === undefined ? {} : trapAt(trap.name, 1);
  const program = programs.start(name, 'faults/owners/opener.js', taskArguments(task), options);
  const seen: Seen = { contender, program, says: {}, status: undefined, isGone: false };
  program.ended.then(
    ({ status }) => {
      seen.status = status;
      seen.isGone = true;
    },
    () => {},
  );
  return seen;
}

/** Until it has opened and recorded, was turned away, or is dead. */
async function settled(one: Seen, problems: string[]): Promise<void> {
  const { task, killAfterMs } = one.contender;
  const end = performance.now() + SETTLE_MAX_MS;
  const isDone = () =>
    one.status !== undefined ||
    (one.says.opened && (one.says.resolved ?? 0) >= task.events && (task.side === 'device' || one.says.url));
  while (!isDone()) {
    if (killAfterMs !== undefined && Date.now() >= task.at + killAfterMs) {
      one.isGone = true;
      one.program.kill('SIGKILL');
      await one.program.ended;
      return;
    }
    if (performance.now() > end) {
      problems.push(`neither opened nor turned away within ${SETTLE_MAX_MS} ms: ${one.program.lastWords()}`);
      return;
    }
    await sleep(2);
  }
}

/** It may be set to die in closing. */
async function end(one: Seen): Promise<void> {
  one.isGone = true;
  one.program.kill('SIGTERM');
  const impatience = setTimeout(() => one.program.kill('SIGKILL'), SETTLE_MAX_MS);
  await one.program.ended;
  clearTimeout(impatience);
}
