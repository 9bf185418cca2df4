/**
 * Figure: a slow and lossy link, as a meter in a cellar has it.
 *
 * Owns the link, simulated by the fault proxy: 20 kbit/s in either direction, 800 ms round trip, every fiftieth request
 * lost after it has crossed the line. JSON rows under gzip have one like it at the same time. Promises that once the
 * links have healed everything arrives, once. The heads of requests take their time; the bytes of TCP and IP are not
 * simulated.
 */
import assert from 'node:assert';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFaultProxy } from '../../rig/link/fault-proxy.ts';
import type { FaultName } from '../../rig/link/faults.ts';
import type { LineOptions } from '../../rig/link/line.ts';
import { formatCredential } from '../../src/codec/index.ts';
import { openDevice } from '../../src/device/index.ts';
import { copyOfBacklog, countedStatus, storedBacklog } from '../backlog.ts';
import { assertDelivered } from '../balance.ts';
import { startGateway } from '../gateway.ts';
import { bytesPerEvent, eventsPerSecond, type Figure, ratio, type Stand } from '../harness.ts';
import { sendRows, startRowReceiver } from '../rows.ts';
import { assertSameTotals } from '../totals.ts';
import { createWorkload } from '../workload.ts';

/** More than the link carries meanwhile. */
const EVENTS = 250_000;
const LINE: LineOptions = { bitsPerSecond: 20_000, roundTripMs: 800 };
const MEASURED_MS = 60_000;

/** Where it should be quick, the link is faster, and the time shorter, by so much. */
const QUICK_TIMES = 20;

const LOST_ONE_OF = 50;
const LOSSES: readonly (FaultName | 'none')[] = Array.from({ length: 10_000 }, (_, at) =>
  at % LOST_ONE_OF === LOST_ONE_OF / 2 ? 'reset-after' : 'none',
);

/** As many bytes as a batch of 4,096 events has in Tidegate, and a bit more. */
const ROWS_TO_A_BATCH = 256;
const ROW_BATCHES_IN_FLIGHT = 4;

/** What came through between the first acknowledgement and the last. */
interface Passed {
  readonly events: number;
  readonly bodyBytes: number;
  readonly elapsedMs: number;
}

export const figure: Figure = {
  title: '20 kbit/s, 800 ms round trip, every 50th request lost',
  async measure(stand) {
    const times = stand.settings.quick ? QUICK_TIMES : 1;
    const line = { bitsPerSecond: LINE.bitsPerSecond * times, roundTripMs: LINE.roundTripMs / times };
    const measuredMs = MEASURED_MS / times;
    const [ours, rows] = await Promise.all([deliver(stand, line, measuredMs), deliverRows(line, measuredMs)]);
    const goodput = ({ bodyBytes, elapsedMs }: Passed) => ({
      value: bodyBytes / ((elapsedMs / 1_000) * (line.bitsPerSecond / 8)),
      unit: '×' as const,
    });
    const speed = ({ events, elapsedMs }: Passed) => eventsPerSecond(events, elapsedMs);
    stand.state('goodput / what the link carries', goodput(ours));
    stand.state('Tidegate', speed(ours));
    stand.state('Tidegate: request bodies', bytesPerEvent(ours.bodyBytes, ours.events));
    stand.state('JSON rows with a UUID, gzip: goodput / what the link carries', goodput(rows));
    stand.state('JSON rows with a UUID, gzip', speed(rows));
    stand.state('JSON rows with a UUID, gzip: request bodies', bytesPerEvent(rows.bodyBytes, rows.events));
    stand.state('Tidegate / JSON rows', ratio(speed(ours), speed(rows)));
  },
};

async function deliver(stand: Stand, line: LineOptions, measuredMs: number): Promise<Passed> {
  const backlog = await storedBacklog(stand, EVENTS);
  const { deviceId, totals: expected } = backlog;
  const data = await copyOfBacklog(stand, backlog, 'device');
  const gateway = await startGateway(stand, { name: 'gateway', deviceIds: [deviceId] });
  const { proxy, passed } = await openLink(gateway.url, line);
  const credential = formatCredential(gateway.keys.get(deviceId)!);
  const device = await openDevice({ gateway: proxy.url, id: deviceId, credential, data });
  const acknowledged: number[] = [];
  device.on('acknowledged', ({ inserted }) => acknowledged.push(inserted));
  try {
    await sleep(measuredMs);
    const { batches, ...through } = passed();
    const events = acknowledged.slice(1, batches).reduce((sum, inserted) => sum + inserted, 0);
    assert(device.status().queued.events > 0, 'the backlog outlasts the measurement');
    proxy.heal();
    await device.drain();
    assertDelivered({ status: await countedStatus(device), gateway: await gateway.totals(), expected });
    return { ...through, events };
  } finally {
    await device.close();
    await proxy.close();
    await gateway.stop();
  }
}

async function deliverRows(line: LineOptions, measuredMs: number): Promise<Passed> {
  const workload = createWorkload({ events: EVENTS });
  const receiver = await startRowReceiver();
  const { proxy, passed } = await openLink(receiver.url, line);
  const enough = new AbortController();
  const sending = sendRows(workload, {
    url: proxy.url,
    batchEvents: ROWS_TO_A_BATCH,
    inFlight: ROW_BATCHES_IN_FLIGHT,
    signal: enough.signal,
  });
  try {
    await sleep(measuredMs);
    const { batches, ...through } = passed();
    enough.abort();
    proxy.heal();
    const sent = await sending;
    assertSameTotals(receiver.totals(), workload.totals(0, sent), 'the receiver of rows');
    return { ...through, events: (batches - 1) * ROWS_TO_A_BATCH };
  } finally {
    await proxy.close();
    await receiver.close();
  }
}

async function openLink(target: string, line: LineOptions) {
  const taken: { readonly at: number; readonly bytes: number }[] = [];
  const proxy = await createFaultProxy({
    target,
    line,
    faults: LOSSES,
    seed: 1,
    onOver({ status, headers }) {
      if (status === 200) taken.push({ at: performance.now(), bytes: Number(headers['content-length']) });
    },
  });
  return {
    proxy,
    /** Without the first batch, which the clock starts with. */
    passed() {
      assert(taken.length > 1, 'something came through');
      return {
        batches: taken.length,
        bodyBytes: taken.slice(1).reduce((sum, { bytes }) => sum + bytes, 0),
        elapsedMs: taken.at(-1)!.at - taken[0]!.at,
      };
    },
  };
}
