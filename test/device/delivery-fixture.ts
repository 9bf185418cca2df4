/** A delivery over the model gateway, without a disk: parcels in, requests out. */
import assert from 'node:assert/strict';
import { createTableBuilder, encodeColumns, parseCredential, type TelemetryEvent } from '../../src/codec/index.ts';
import { createGatewayClock } from '../../src/device/clock.ts';
import type { Parcel } from '../../src/device/cutter.ts';
import { createDelivery } from '../../src/device/delivery.ts';
import { createExchange } from '../../src/device/exchange.ts';
import { createLink, type LinkStatus } from '../../src/device/link.ts';
import { systemTimer } from '../../src/device/timer.ts';
import type { Range } from '../../src/store/index.ts';
import { CREDENTIAL, type ModelGateway } from './model-gateway.ts';

export const OLD = Buffer.alloc(16, 1);

const NOTHING_QUEUED = { recorded: 0, queued: 0, quarantined: 0, gaps: 0 };

/** Which stream each sequence is in, without a disk. */
function testStreams(next: number) {
  let streams = 1;
  const at = new Map<number, Uint8Array>();
  return {
    next,
    moved: [] as Range[],
    streamAt(sequence: number) {
      const stream = at.get(sequence) ?? OLD;
      let last = sequence;
      while (last + 1 < next && (at.get(last + 1) ?? OLD) === stream) last++;
      return { stream, last };
    },
    async restream(ranges: readonly Range[]): Promise<Uint8Array> {
      const stream = Buffer.alloc(16, ++streams);
      for (const range of ranges) {
        this.moved.push(range);
        for (let sequence = range.first; sequence <= range.last; sequence++) at.set(sequence, stream);
      }
      return stream;
    },
  };
}

export function parcelOf(events: readonly TelemetryEvent[], first = 1): Parcel {
  const builder = createTableBuilder();
  for (const event of events) assert(builder.add(event));
  const table = builder.build();
  return { first, count: table.count, table, columns: encodeColumns(table) };
}

export function testDelivery(
  gateway: ModelGateway,
  { batchEventsMax = 4_096, clock = Date.now, next = 100_000, queueState = () => NOTHING_QUEUED } = {},
) {
  const stop = new AbortController();
  const { signal } = stop;
  const gatewayClock = createGatewayClock(clock);
  const links: LinkStatus[] = [];
  const counts = { retries: 0, inserted: 0, duplicates: 0 };
  const link = createLink({
    retryBaseMs: 1,
    retryMaxMs: 4,
    pauseMaxMs: 4,
    clock,
    timer: systemTimer,
    random: Math.random,
    onChange: (status) => links.push(status),
  });
  const exchange = createExchange({
    deviceId: 'pump-7',
    credential: () => parseCredential(CREDENTIAL)!,
    transport: gateway,
    clock: gatewayClock,
    queueState,
    onSent: () => {},
  });
  const queue = testStreams(next);
  const delivery = createDelivery({
    exchange,
    link,
    clock: gatewayClock,
    queue,
    deviceClock: () => 77,
    batchEventsMax,
    signal,
    onRetry: () => {
      counts.retries++;
    },
    onAcknowledged: (inserted, duplicates) => {
      counts.inserted += inserted;
      counts.duplicates += duplicates;
    },
  });
  return {
    delivery: {
      deliver: (parcel: Parcel) => delivery.deliver(parcel, queue),
      declare: delivery.declare.bind(delivery),
    },
    ...{ queue, stop, counts, links, clock: gatewayClock },
  };
}

export const sizes = (gateway: ModelGateway): number[] => gateway.batches.map(({ count }) => count);

/** The events as the gateway has them, by sequence, whatever their stream; fails where one is there twice. */
export function bySequence(gateway: ModelGateway): Map<number, string> {
  const found = new Map<number, string>();
  for (const [id, text] of gateway.events) {
    const sequence = Number(id.split('/')[1]);
    assert(!found.has(sequence), `${sequence} counts once`);
    found.set(sequence, text);
  }
  return found;
}

export const assertAll = (gateway: ModelGateway, events: readonly TelemetryEvent[], first = 1): void => {
  const found = bySequence(gateway);
  assert.equal(found.size, events.length);
  events.forEach((event, i) => {
    assert.equal(found.get(first + i), JSON.stringify(event));
  });
};
