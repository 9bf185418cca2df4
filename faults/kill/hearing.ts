/**
 * Hearing: what is left when the fighting is over, and what the oracle says of it.
 *
 * Owns the peace before: every side starts once more, without a trap, and drains; then the gateway dies once more, so
 * that only what is on its disk is heard. Promises that what is lost is told with the death that lost it. Never judges
 * by itself.
 */
import type { Programs } from '../../rig/programs.ts';
import type { Verdict } from '../oracle/verdict.ts';
import { askOracle, startOf } from '../sides.ts';
import type { Arena } from './arena.ts';
import { type Death, eventsAtStake, faultOf, stepFaultOf } from './death.ts';
import { DRAIN_MAX_MS, type Fought } from './round.ts';

/** A death with what it cost. */
export interface Toll {
  readonly death: Death;
  readonly events: number;
  readonly lost: number;
  readonly doubled: number;
}

export interface Heard {
  readonly tolls: readonly Toll[];
  readonly problems: readonly { readonly fault: string; readonly what: string }[];
  /** Events that were given up for lack of room, and events that the gateway refused. */
  readonly gaps: number;
  readonly quarantined: number;
}

/** Where no single death is to blame. */
const ANY_DEATH = 'SIGKILL';

export async function hear(programs: Programs, { arena, deaths, troubles }: Fought): Promise<Heard> {
  const problems = troubles.map((what) => ({ fault: ANY_DEATH, what }));
  let verdicts: readonly Verdict[] = [];
  try {
    verdicts = await verdictsOn(programs, arena);
    const status = await arena.gatewaySide.stop();
    if (status !== 0) throw new Error(`the gateway ended with status ${status} when it was asked to`);
  } catch (error) {
    problems.push({ fault: ANY_DEATH, what: (error as Error).message });
  } finally {
    await Promise.all([arena.gatewaySide, ...arena.deviceSides].map((side) => side.kill()));
  }

  /** What ended the life in which an event was recorded. */
  function deathOf(device: string, serial: number): Death | undefined {
    const number = startOf(serial);
    return deaths.find(({ lives }) => lives.some((life) => life.of === device && life.number === number));
  }

  const [lost, doubled] = [new Map<Death | undefined, number>(), new Map<Death | undefined, number>()];
  for (const [i, verdict] of verdicts.entries()) {
    const { id } = arena.deviceSides[i]!;
    for (const what of verdict.problems) {
      const serial = /^event (\d+) /.exec(what)?.[1];
      const death = serial === undefined ? undefined : deathOf(id, Number(serial));
      problems.push({ fault: death === undefined ? ANY_DEATH : labelOf(death), what: `${id}: ${what}` });
    }
    for (const serial of verdict.lost) count(lost, deathOf(id, serial));
    for (const serial of verdict.doubled) count(doubled, deathOf(id, serial));
  }
  const tolls = deaths.map((death) => {
    const events = eventsAtStake(death, arena.journals);
    // What nobody can be asked about any more is lost.
    const isHeard = verdicts.length > 0;
    return { death, events, lost: isHeard ? (lost.get(death) ?? 0) : events, doubled: doubled.get(death) ?? 0 };
  });
  const sum = (which: 'gaps' | 'quarantined') => verdicts.reduce((all, verdict) => all + verdict[which], 0);
  return { tolls, problems, gaps: sum('gaps'), quarantined: sum('quarantined') };
}

/** Of each device. Rejects where one does not drain. */
async function verdictsOn(programs: Programs, arena: Arena): Promise<Verdict[]> {
  const { gatewaySide, deviceSides } = arena;
  await gatewaySide.start();
  const accounts = await Promise.all(
    deviceSides.map(async (side, i) => {
      await side.kill();
      const retryQuarantine = arena.isRetrying && i === 0;
      return side.drain({ gateway: gatewaySide.url, seed: 0, retryQuarantine }, DRAIN_MAX_MS);
    }),
  );
  await gatewaySide.kill();
  await gatewaySide.start();
  return Promise.all(
    deviceSides.map(async (side, i) =>
      askOracle(programs, {
        gateway: gatewaySide.url,
        deviceId: side.id,
        journal: side.journal,
        quarantine: await side.exportQuarantine(),
        idsStay: i === 0 || !arena.isWiped,
        // What a disk knew that is gone, its account does not know.
        ...(i === 0 && { account: accounts[i]! }),
      }),
    ),
  );
}

function count(into: Map<Death | undefined, number>, death: Death | undefined): void {
  into.set(death, (into.get(death) ?? 0) + 1);
}

/** A death, with its steps where there are any. */
function labelOf(death: Death): string {
  return [faultOf(death), ...death.steps.map(stepFaultOf)].join(', ');
}
