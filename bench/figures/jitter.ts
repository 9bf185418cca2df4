/**
 * Figure: how late a sensor's timer is while the same process drains a backlog.
 *
 * Owns the comparison of two device processes, each with a 1 kHz timer that calls `record()`: one has a backlog to
 * deliver, the other has none and runs for as long. Promises that every tick counts, and that each event is at the
 * gateway in the end.
 */
import { outputOf, taskArguments } from '../../rig/programs.ts';
import { formatCredential } from '../../src/codec/index.ts';
import { copyOfBacklog, storedBacklog } from '../backlog.ts';
import { assertDelivered } from '../balance.ts';
import { distributionOf } from '../distribution.ts';
import { startGateway } from '../gateway.ts';
import { type Figure, milliseconds, type Quantities, ratio, type Stand } from '../harness.ts';
import type { TickReport, TickTask } from '../ticker.ts';
import { addTotals, NO_EVENTS, type Totals } from '../totals.ts';
import { createWorkload } from '../workload.ts';

/** What a device finds on its disk. */
interface Start {
  readonly deviceId: string;
  readonly data: string;
  readonly backlog: Totals;
}

/** A short drain would leave the timer without a backlog too few ticks to be judged by. */
const AT_LEAST_MS = 1_000;
const QUICK_AT_LEAST_MS = 300;

/** Five minutes of them: the bench gives up on a figure soon after. */
const TICKS_MAX = 300_000;

export const figure: Figure = {
  title: 'a 1 kHz timer that calls record(), while a backlog drains and without one',
  async measure(stand) {
    const stored = await storedBacklog(stand, stand.events(stand.settings.backlogEvents));
    const atLeastMs = stand.settings.quick ? QUICK_AT_LEAST_MS : AT_LEAST_MS;
    const all = { draining: [] as number[], calm: [] as number[] };
    await stand.repeat({ warmUps: 0, runs: 3 }, async (run) => {
      const { deviceId } = stored;
      const loaded = { deviceId, data: await copyOfBacklog(stand, stored, `device-${run}`), backlog: stored.totals };
      const draining = await tick(stand, `draining-${run}`, loaded, 0);
      const empty = { deviceId, data: await stand.folder(`calm-device-${run}`), backlog: NO_EVENTS };
      const calm = await tick(stand, `calm-${run}`, empty, Math.max(atLeastMs, draining.elapsedMs));
      all.draining.push(...draining.lateness);
      all.calm.push(...calm.lateness);
      const share = 0.999;
      const [worst, usual] = [draining, calm].map(({ lateness }) => distributionOf(lateness).percentile(share));
      return {
        ...inWords('while draining', draining),
        ...inWords('no backlog', calm),
        'lateness, p99.9: draining / no backlog': ratio(milliseconds(worst!), milliseconds(usual!)),
      };
    });
    stand.series('lateness while a backlog drains', distributionOf(all.draining).buckets());
    stand.series('lateness without a backlog', distributionOf(all.calm).buckets());
  },
};

async function tick(
  stand: Stand,
  name: string,
  { deviceId, data, backlog }: Start,
  atLeastMs: number,
): Promise<TickReport> {
  const gateway = await startGateway(stand, { name, deviceIds: [deviceId] });
  const credential = formatCredential(gateway.keys.get(deviceId)!);
  const task: TickTask = {
    gateway: gateway.url,
    id: deviceId,
    credential,
    data,
    backlogEvents: backlog.events,
    atLeastMs,
    ticksMax: TICKS_MAX,
  };
  const device = stand.programs.start('device', 'bench/ticker.js', taskArguments(task));
  const report = JSON.parse(await outputOf(device)) as TickReport;
  const totals = await gateway.totals();
  await gateway.stop();
  const ticks = createWorkload({ events: TICKS_MAX }).totals(0, report.lateness.length);
  assertDelivered({ status: report.status, gateway: totals, expected: addTotals(backlog, ticks) });
  return report;
}

function inWords(when: string, { lateness, calls, elapsedMs }: TickReport): Quantities {
  const late = distributionOf(lateness);
  const call = distributionOf(calls);
  return {
    [`${when}: measured for`]: milliseconds(elapsedMs),
    [`${when}: lateness, p50`]: milliseconds(late.percentile(0.5)),
    [`${when}: lateness, p99`]: milliseconds(late.percentile(0.99)),
    [`${when}: lateness, p99.9`]: milliseconds(late.percentile(0.999)),
    [`${when}: lateness, max`]: milliseconds(late.max),
    [`${when}: record(), p50`]: milliseconds(call.percentile(0.5)),
    [`${when}: record(), p99`]: milliseconds(call.percentile(0.99)),
    [`${when}: record(), p99.9`]: milliseconds(call.percentile(0.999)),
    [`${when}: record(), max`]: milliseconds(call.max),
  };
}
