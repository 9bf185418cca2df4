/**
 * Figure: how much a device writes to its disk for each event that it delivers.
 *
 * Owns the two ends: everything at full speed, and one event a second, each with a commit of its own, at several
 * settings of `lingerMs`. Time in the second is sped up: pauses and linger are both a fiftieth. Promises that every
 * event was delivered.
 */
import { outputOf, taskArguments } from '../../rig/programs.ts';
import { formatCredential } from '../../src/codec/index.ts';
import { assertDelivered } from '../balance.ts';
import { startGateway } from '../gateway.ts';
import { bytesPerEvent, type Figure, type Stand } from '../harness.ts';
import { createWorkload } from '../workload.ts';
import type { WriteReport, WriteTask } from '../writer.ts';

const DEVICE_ID = 'bench';
const EVENTS = 1_000_000;

/** A minute of them, or a sixth and not at every setting. */
const SINGLE_EVENTS = 60;
const QUICK_SINGLE_EVENTS = 10;
const QUICK_LINGERS = 2;
const SPEED_UP = 50;
const DEFAULT_LINGER_MS = 1_000;
const LINGERS: readonly (readonly [name: string, lingerMs: number])[] = [
  ['lingering off', 0],
  ['lingering 1 s, the default', DEFAULT_LINGER_MS],
  ['lingering 10 s', 10_000],
  ['lingering 60 s', 60_000],
];

export const figure: Figure = {
  title: 'bytes that the device process has written to its disk, each event recorded, delivered and released',
  async measure(stand) {
    await stand.repeat({ warmUps: 0, runs: 3 }, async (run) => {
      const events = stand.events(EVENTS);
      const { written, blockBytes } = await write(stand, `full-${run}`, { events, lingerMs: DEFAULT_LINGER_MS });
      const each = written === undefined ? undefined : bytesPerEvent(written, events);
      return {
        'full speed: bytes of the blocks': bytesPerEvent(blockBytes, events),
        'full speed: written': each,
        'full speed: written / bytes of the blocks': each && { value: written! / blockBytes, unit: '×' },
      };
    });
    const events = stand.settings.quick ? QUICK_SINGLE_EVENTS : SINGLE_EVENTS;
    for (const [name, lingerMs] of stand.settings.quick ? LINGERS.slice(0, QUICK_LINGERS) : LINGERS) {
      const single = { events, lingerMs: lingerMs / SPEED_UP, everyMs: 1_000 / SPEED_UP };
      const { written, status } = await write(stand, `single-${lingerMs}`, single);
      if (written === undefined) stand.skip(`1 event/s, ${name}`, 'this system does not tell');
      else stand.state(`1 event/s, ${name}: written`, bytesPerEvent(written, events));
      stand.state(`1 event/s, ${name}: events to a request`, {
        value: events / status.session.requests,
        unit: 'events',
      });
    }
  },
};

async function write(
  stand: Stand,
  name: string,
  work: Pick<WriteTask, 'events' | 'lingerMs' | 'everyMs'>,
): Promise<WriteReport> {
  const gateway = await startGateway(stand, { name: `gateway-${name}`, deviceIds: [DEVICE_ID] });
  const credential = formatCredential(gateway.keys.get(DEVICE_ID)!);
  const data = await stand.folder(`device-${name}`);
  const task: WriteTask = { gateway: gateway.url, id: DEVICE_ID, credential, data, ...work };
  const device = stand.programs.start('device', 'bench/writer.js', taskArguments(task));
  const report = JSON.parse(await outputOf(device)) as WriteReport;
  const expected = createWorkload({ events: work.events }).totals();
  assertDelivered({ status: report.status, gateway: await gateway.totals(), expected });
  await gateway.stop();
  return report;
}
