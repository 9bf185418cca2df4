/**
 * Hearing: what is left when the fighting is over, and what the oracle says of it.
 *
 * Owns the peace before: every side starts once more, without a trap, and drains; then the gateway dies once more, so that
 * only what is on its disk is heard. Promises that what is lost is told with the death that lost it. Never judges by itself.
 */
import type { Programs } from '../../rig/programs.ts';
import type { Verdict } from '../oracle/verdict.ts';
import { askOracle, type DeviceSide, startOf } from '../sides.ts';
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
  /** Events that were given up for lack of room, and events that the gateway refused. */
  readonly gaps: number;
  readonly quarantined: number;
  readonly tolls: readonly Toll[];
  readonly problems: readonly { readonly fault: string; readonly what: string }[];
}

const NO_DEATH = 'SIGKILL';

export async function hear(programs: Programs, fought: Fought): Promise<Heard> {
  const { arena, deaths, troubles } = fought;
  const { gatewaySide, deviceSides, journals } = arena;
  const problems = troubles.map((what) => ({ fault: NO_DEATH, what }));
  const verdicts = new Map<string, Verdict>();
  await gatewaySide.start();
  try {
    const accounts = await Promise.all(deviceSides.map((side) => drained(side, fought)));
    await gatewaySide.kill();
    await gatewaySide.start();
    for (const [i, side] of deviceSides.entries()) {
      const mayMove = i === 0 ? arena.isRetrying : arena.isWiped;
      const verdict = await askOracle(programs, {
        gateway: gatewaySide.url,
        deviceId: side.id,
        journal: side.journal,
        quarantine: await side.exportQuarantine(),
        idsStay: !mayMove,
        // What a disk knew that is gone, its account does not know.
        ...(i === 0 && { account: accounts[i]! }),
      });
      verdicts.set(side.id, verdict);
      problems.push(...verdict.problems.map((what) => ({ fault: faultBehind(what), what: `${side.id}: ${what}` })));

      function faultBehind(problem: string): string {
        const serial = /^event (\d+) /.exec(problem)?.[1];
        const death = serial === undefined ? undefined : deathOf(side.id, Number(serial));
        return death === undefined ? NO_DEATH : labelOf(death);
      }
    }
    const status = await gatewaySide.stop();
    if (status !== 0)
      problems.push({ fault: NO_DEATH, what: `the gateway ended with status ${status} when it was asked to` });
  } catch (error) {
    problems.push({ fault: NO_DEATH, what: (error as Error).message });
  }

  /** What ended the life in which an event was recorded. */
  function deathOf(device: string, serial: number): Death | undefined {
    const number = startOf(serial);
    return deaths.find(({ lives }) => lives.some((life) => life.of === device && life.number === number));
  }

  const count = (death: Death, which: 'lost' | 'doubled'): number =>
    [...verdicts].reduce(
      (sum, [id, verdict]) => sum + verdict[which].filter((s) => deathOf(id, s) === death).length,
      0,
    );
  const tolls = deaths.map((death) => ({
    death,
    events: eventsAtStake(death, journals),
    lost: count(death, 'lost'),
    doubled: count(death, 'doubled'),
  }));
  const sum = (which: 'gaps' | 'quarantined'): number =>
    [...verdicts.values()].reduce((all, verdict) => all + verdict[which], 0);
  return { tolls, problems, gaps: sum('gaps'), quarantined: sum('quarantined') };
}

async function drained(side: DeviceSide, { arena }: Fought) {
  await side.kill();
  const retryQuarantine = arena.isRetrying && side === arena.deviceSides[0];
  return side.drain({ gateway: arena.gatewaySide.url, seed: 0, retryQuarantine }, DRAIN_MAX_MS);
}

/** A death, with its steps where there are any. */
function labelOf(death: Death): string {
  return [faultOf(death), ...death.steps.map(stepFaultOf)].join(', ');
}
