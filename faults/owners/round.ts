/**
 * Round: a gateway's folder and a device's, which are opened over and over by several programs at once.
 *
 * Owns who opens, when, and who dies meanwhile. Promises that what the device resolved is counted once in the end,
 * whoever had which folder when. Never starts two that must not agree on the folder's name: each spells it in its own
 * way.
 */
import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Programs } from '../../rig/programs.ts';
import { taskArguments } from '../../rig/programs.ts';
import { createRandom } from '../../rig/random.ts';
import { oneOf } from '../kill/settings.ts';
import { createGatewaySide, firstOf } from '../sides.ts';
import { type Contender, type ContestResult, compete, countedBy } from './contest.ts';
import type { OpenerSays, OpenerTask } from './opener.ts';
import { START_STEPS } from './steps.ts';

export interface RoundOptions {
  readonly programs: Programs;
  /** Empty. */
  readonly folder: string;
  readonly seed: number;
  readonly contests: number;
  readonly signal: AbortSignal;
  readonly onContest: (side: OpenerTask['side'], result: ContestResult) => void;
}

export interface RoundResult {
  readonly problems: readonly string[];
  /** Resolved events. */
  readonly events: number;
  readonly lost: number;
  readonly doubled: number;
}

const ID = 'pump-7';
/** From the start of a process until it is loaded. */
const LOADED_MS = 2_500;
const SPREAD_MS = 10;
const THIRD = 0.25;
const TRAPPED = 0.3;
const KILLED = 0.2;
const KILL_MAX_MS = 150;
const EVENTS = 20;

export async function contend(options: RoundOptions): Promise<RoundResult> {
  const { programs, folder, seed, contests, signal, onContest } = options;
  const random = createRandom(seed);
  const gateway = await createGatewaySide({ programs, folder });
  const secretFile = await gateway.addKey(ID);
  const places = { gateway: gateway.data, device: join(folder, ID) };
  for (const place of Object.values(places)) {
    await mkdir(place, { recursive: true, mode: 0o700 });
    await symlink(place, `${place}-link`);
  }
  const problems: string[] = [];
  let [attempted, resolved] = [0, 0];
  for (let contest = 0; contest < contests && !signal.aborted; contest += 1) {
    const side: OpenerTask['side'] = contest % 2 === 0 ? 'device' : 'gateway';
    const at = Date.now() + LOADED_MS;
    const count = random() < THIRD ? 3 : 2;
    const contenders = Array.from({ length: count }, (): Contender => {
      const data = spelt(places[side], random);
      const task = {
        side,
        data,
        at: at + random() * SPREAD_MS,
        id: ID,
        secretFile,
        events: side === 'device' ? EVENTS : 0,
      };
      const steps = START_STEPS.filter(({ sides }) => sides.includes(side));
      const trap = random() < TRAPPED ? oneOf(random, steps) : undefined;
      return { task, trap, killAfterMs: random() < KILLED ? random() * KILL_MAX_MS : undefined };
    });
    const result = await compete(programs, contenders);
    if (side === 'gateway' && result.counted !== undefined && result.counted !== 0)
      problems.push('events from nowhere');
    attempted += result.attempted;
    resolved += result.resolved;
    problems.push(...result.problems);
    onContest(side, result);
  }
  const base = { at: 0, id: ID, secretFile, events: 0 };
  const counted = await drained(programs, { ...base, places }).catch((error: Error) => {
    problems.push(`in the end: ${error.message}`);
    return 0;
  });
  return {
    problems,
    events: resolved,
    lost: Math.max(0, resolved - counted),
    doubled: Math.max(0, counted - attempted),
  };
}

/** What the gateway has counted once the device has delivered everything. */
async function drained(
  programs: Programs,
  {
    places,
    ...base
  }: Omit<OpenerTask, 'side' | 'data'> & { readonly places: Readonly<Record<OpenerTask['side'], string>> },
): Promise<number> {
  const open = (task: Pick<OpenerTask, 'side' | 'data' | 'gateway'>) =>
    programs.start(task.side, 'faults/owners/opener.js', taskArguments({ ...base, ...task }));
  const gateway = open({ side: 'gateway', data: places.gateway });
  const url = await firstOf(gateway, (line) => (line as OpenerSays).url);
  const device = open({ side: 'device', data: places.device, gateway: url });
  const { recorded, delivered } = await firstOf(device, (line) => (line as OpenerSays).drained);
  await device.ended;
  const counted = await countedBy(url);
  gateway.kill('SIGTERM');
  await gateway.ended;
  if (recorded !== counted || delivered !== counted)
    throw new Error(`${recorded} recorded, ${delivered} delivered, ${counted} counted`);
  return counted;
}

function spelt(place: string, random: () => number): string {
  const spellings = [
    place,
    `${place}-link`,
    `${place}/.`,
    join(dirname(place), '.', place.slice(dirname(place).length + 1)),
  ];
  return oneOf(random, spellings);
}
