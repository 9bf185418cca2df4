/**
 * Figure: what becomes of a gateway that has stored a great deal, or knows a great many streams.
 *
 * Owns two gateways: one is filled, and its ingest measured while it is young and when it has grown; the other gets
 * each event under a stream of its own. Promises that counts and sums are right at the end, and looks at the ledgers on
 * disk.
 */
import assert from 'node:assert';
import { STREAM_BYTES } from '../../src/codec/index.ts';
import { openData } from '../../src/gateway/index.ts';
import { encodeLedger } from '../../src/store/index.ts';
import { BATCH_EVENTS, createFleet } from '../fleet.ts';
import { type GatewayProcess, startGateway } from '../gateway.ts';
import {
  eventsPerSecond,
  type Figure,
  medianOf,
  megabytes,
  microsecondsPerEvent,
  type Quantity,
  ratio,
  type Series,
  type Stand,
} from '../harness.ts';
import { addTotals, assertSameTotals, NO_EVENTS, type Totals } from '../totals.ts';
import { createWorkload } from '../workload.ts';

const CONNECTIONS = 16;
const YOUNG_EVENTS = 1_000_000;
/** Sent in one go by each of the devices, to be measured. */
const LOAD_EVENTS = 16 * BATCH_EVENTS;
/** A bench in a hurry has the full number in none of its parts. */
const QUICK_SHARE = 100;

const STREAM_CONNECTIONS = 256;
const STREAM_EVENTS = 1;
/** Signed and sent in one go, so that this process stays small. */
const STREAMS_AT_ONCE = 12_800;

/** Of the curve. */
const POINTS_MAX = 100;

/** Of a ledger's record beside the ledger itself: family, NUL and checksum. */
const RECORD_BYTES = 1 + 1 + 4;

export const figure: Figure = {
  title: `a gateway that has grown, batches of ${BATCH_EVENTS.toLocaleString('en')}, ${CONNECTIONS} connections`,
  async measure(stand) {
    await measureEvents(stand);
    await measureStreams(stand);
  },
};

async function measureEvents(stand: Stand): Promise<void> {
  const { quick, storedEvents } = stand.settings;
  const deviceIds = idsOf(CONNECTIONS);
  const gateway = await startGateway(stand, { name: 'gateway', deviceIds });
  const fleet = createFleet(gateway.url, gateway.keys);
  const perDevice = quick ? LOAD_EVENTS / 8 : LOAD_EVENTS;
  const scale = quick ? QUICK_SHARE : 1;
  let expected: Totals = NO_EVENTS;
  let startSeconds = 0;
  const curve: [stored: number, eventsPerSecond: number][] = [];
  const load = async (): Promise<{ readonly speed: Quantity; readonly cpuTime: Quantity | undefined }> => {
    const workload = createWorkload({ events: perDevice, startSeconds });
    startSeconds += workload.durationSeconds;
    const signed = await fleet.signCopies(workload, BATCH_EVENTS);
    const cpuBefore = gateway.cpuSeconds();
    const { inserted, duplicates, elapsedMs } = await fleet.send(signed);
    const cpuTime = microsecondsPerEvent(cpuBefore, gateway.cpuSeconds(), inserted);
    assert.deepEqual({ inserted, duplicates }, { inserted: CONNECTIONS * perDevice, duplicates: 0 });
    expected = addTotals(expected, ...Array.from({ length: CONNECTIONS }, () => workload.totals()));
    const speed = eventsPerSecond(inserted, elapsedMs);
    curve.push([expected.events, speed.value]);
    return { speed, cpuTime };
  };
  const measured = async (age: string, from: number): Promise<Quantity> => {
    while (expected.events < from) await load();
    stand.state(`${age}: events stored before`, { value: expected.events, unit: 'events' });
    const speeds: number[] = [];
    await stand.repeat({ warmUps: 0, runs: 5 }, async () => {
      const { speed, cpuTime } = await load();
      speeds.push(speed.value);
      return { [`${age}: ingest`]: speed, [`${age}: CPU time of the gateway`]: cpuTime };
    });
    return { value: medianOf(speeds), unit: 'events/s' };
  };
  const young = await measured('young', YOUNG_EVENTS / scale);
  const grown = await measured('grown', storedEvents / scale);
  stand.state('ingest, grown / young', ratio(grown, young));
  stateIfKnown(stand, 'grown: peak memory of the gateway', megabytes(gateway.peakMemoryBytes()));
  stand.series('ingest by events stored', thinned(curve));
  await fleet.close();
  await assertTotals(gateway, expected);
  await gateway.stop();

  const { count, largest, record } = await ledgersOf(gateway, deviceIds);
  assert.equal(count, CONNECTIONS);
  stand.state('events of the longest stream', { value: expected.events / CONNECTIONS, unit: 'events' });
  stand.state('largest ledger without holes', { value: largest, unit: 'B/stream' });
  stand.state('largest ledger without holes, with its key and checksum', { value: record, unit: 'B/stream' });
}

async function measureStreams(stand: Stand): Promise<void> {
  const streams = Math.ceil(stand.settings.streams / (stand.settings.quick ? QUICK_SHARE : 1));
  const deviceIds = idsOf(STREAM_CONNECTIONS);
  const gateway = await startGateway(stand, { name: 'gateway-of-streams', deviceIds });
  const fleet = createFleet(gateway.url, gateway.keys);
  let expected: Totals = NO_EVENTS;
  let startSeconds = 0;
  let sentMs = 0;
  for (let left = streams; left > 0; left -= STREAMS_AT_ONCE) {
    const workload = createWorkload({ events: Math.min(left, STREAMS_AT_ONCE) * STREAM_EVENTS, startSeconds });
    startSeconds += workload.durationSeconds;
    const { inserted, duplicates, elapsedMs } = await fleet.send(await fleet.signStreams(workload, STREAM_EVENTS));
    sentMs += elapsedMs;
    assert.deepEqual({ inserted, duplicates }, { inserted: workload.count, duplicates: 0 });
    expected = addTotals(expected, workload.totals());
  }
  await fleet.close();
  await assertTotals(gateway, expected);
  stateIfKnown(stand, 'memory of the gateway with these streams', megabytes(gateway.memoryBytes()));
  stateIfKnown(stand, 'peak memory of the gateway with these streams', megabytes(gateway.peakMemoryBytes()));
  await gateway.stop();

  const { count, largest, record } = await ledgersOf(gateway, deviceIds);
  assert.equal(count, streams);
  stand.state('streams in one gateway', { value: count, unit: 'streams' });
  stand.state('an event to a stream, all streams new', eventsPerSecond(expected.events, sentMs));
  stand.state('ledger of a stream with one batch', { value: largest, unit: 'B/stream' });
  stand.state('ledger of a stream with one batch, with its key and checksum', { value: record, unit: 'B/stream' });
}

function idsOf(devices: number): string[] {
  return Array.from({ length: devices }, (_, at) => `bench-${at + 1}`);
}

async function assertTotals(gateway: GatewayProcess, expected: Totals): Promise<void> {
  const { duplicates, ...totals } = await gateway.totals();
  assertSameTotals(totals, expected, 'the gateway');
  assert.equal(duplicates, 0);
}

/** How many ledgers an ended gateway's database holds, and what the largest takes, alone and with its key. */
async function ledgersOf({ data }: GatewayProcess, deviceIds: readonly string[]) {
  const { store, close } = await openData(data);
  let count = 0;
  let largest = 0;
  let record = 0;
  try {
    for (const deviceId of deviceIds) {
      for await (const { ledger } of store.ledgers(deviceId)) {
        assert.equal(ledger.intervals().length, 1, 'a stream has no holes');
        const bytes = encodeLedger(ledger).length;
        count++;
        largest = Math.max(largest, bytes);
        record = Math.max(record, RECORD_BYTES + deviceId.length + STREAM_BYTES + bytes);
      }
    }
  } finally {
    await close();
  }
  return { count, largest, record };
}

function stateIfKnown(stand: Stand, name: string, quantity: Quantity | undefined): void {
  if (quantity === undefined) stand.skip(name, 'this system does not tell');
  else stand.state(name, quantity);
}

/** Enough points for a line. */
function thinned(curve: readonly [number, number][]): Series['points'] {
  const every = Math.ceil(curve.length / POINTS_MAX);
  return curve.filter((_, at) => at % every === 0);
}
