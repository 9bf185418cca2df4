/**
 * Figure: how soon a device with a large backlog sends, after a start.
 *
 * Owns a device process that is killed, again and again, as soon as its first batch is acknowledged; so every start but
 * the first is one after SIGKILL. Promises that nothing is lost or doubled by that: the last process drains all that is
 * left.
 */
import { performance } from 'node:perf_hooks';
import { outputOf, taskArguments } from '../../rig/programs.ts';
import { formatCredential } from '../../src/codec/index.ts';
import { copyOfBacklog, storedBacklog } from '../backlog.ts';
import { assertDelivered } from '../balance.ts';
import type { DrainReport, DrainTask } from '../drainer.ts';
import { startGateway } from '../gateway.ts';
import { type Figure, milliseconds, type Stand } from '../harness.ts';
import type { RestartReport, RestartTask } from '../restarter.ts';

export const figure: Figure = {
  title: 'a device process started on a backlog, again and again after SIGKILL',
  async measure(stand) {
    const backlog = await storedBacklog(stand, stand.events(stand.settings.backlogEvents));
    const { deviceId, totals: expected } = backlog;
    const data = await copyOfBacklog(stand, backlog, 'device');
    const gateway = await startGateway(stand, { name: 'gateway', deviceIds: [deviceId] });
    const credential = formatCredential(gateway.keys.get(deviceId)!);
    const task: DrainTask = { gateway: gateway.url, id: deviceId, credential, data };
    stand.state('events of the backlog', { value: expected.events, unit: 'events' });
    await stand.repeat({ warmUps: 1, runs: 5 }, async () => {
      const { opening, opened, sending, acknowledged } = await startAndKill(stand, task);
      return {
        'process started → openDevice()': milliseconds(opening),
        'openDevice() → open': milliseconds(opened - opening),
        'openDevice() → first batch on the wire': milliseconds(sending - opening),
        'process started → first batch on the wire': milliseconds(sending),
        'process started → first batch acknowledged': milliseconds(acknowledged),
      };
    });
    const drainer = stand.programs.start('device', 'bench/drainer.js', taskArguments(task));
    const { status } = JSON.parse(await outputOf(drainer)) as DrainReport;
    assertDelivered({ status, gateway: await gateway.totals(), expected, mayRepeat: true });
    await gateway.stop();
  },
};

async function startAndKill(stand: Stand, options: DrainTask): Promise<RestartReport> {
  const task: RestartTask = { ...options, spawnedAt: performance.timeOrigin + performance.now() };
  const program = stand.programs.start('restarted', 'bench/restarter.js', taskArguments(task));
  const report = await new Promise<RestartReport>((done, failed) => {
    program.onLine((line) => {
      if (line.startsWith('{')) done(JSON.parse(line) as RestartReport);
    });
    outputOf(program).catch(failed);
  });
  program.kill('SIGKILL');
  await program.ended;
  return report;
}
