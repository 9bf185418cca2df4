/**
 * Everything at once: recording, restarts, a link in any weather, refusals, collisions, a queue that is full; and in
 * the end every event that was recorded is in exactly one place, by an account of its own in big integers.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { eventsOf, problemOf, type TelemetryEvent } from '../../src/codec/index.ts';
import type { Device, DeviceOptions, TransportAnswer } from '../../src/device/index.ts';
import { createRandom, seedOf } from '../codec/property.ts';
import { collect } from '../store/queue-fixture.ts';
import { temporaryDirectory, testDevice, until } from './device-fixture.ts';
import { createModelGateway, type ModelGateway, page, refusal } from './model-gateway.ts';

const WEATHERS = ['fair', 'fair', 'no route', 'lost answers', 'portal', 'silence', 'busy', 'revoked', 'storm'] as const;
type Weather = (typeof WEATHERS)[number];

/** What another device has put under an id of ours: it has no volume. */
const FOREIGN = '{"ts":0,"sensor":"foreign","fields":{}}';

const RECORDED_MAX = 6_000;

class World {
  readonly random: () => number;
  readonly gateway: ModelGateway = createModelGateway();
  #weather: Weather = 'fair';
  readonly #silent = new Set<() => void>();
  /** The times of recorded events, which tell them apart, and their volumes in millionths. */
  readonly recorded = new Map<number, bigint>();
  readonly ids = new Map<number, string>();
  #ts = 1_700_000_000_000;

  constructor(random: () => number) {
    this.random = random;
    this.gateway.encodings = ['identity'];
    this.gateway.before = (request) => this.#before(request);
    this.gateway.after = (answer) => this.#after(answer);
    this.gateway.judge = ({ count, table }) => {
      if (count > 300) return problemOf('batch-limit', '', { eventsMax: 300 });
      return [...eventsOf(table)].some(({ sensor }) => sensor === 'guilty') ? problemOf('sensor-limit', '') : undefined;
    };
  }

  get weather(): Weather {
    return this.#weather;
  }

  set weather(weather: Weather) {
    this.#weather = weather;
    for (const end of this.#silent) end();
    this.#silent.clear();
  }

  below(bound: number): number {
    return Math.floor(this.random() * bound);
  }

  events(count: number): TelemetryEvent[] {
    return Array.from({ length: count }, () => ({
      ts: this.#ts++,
      sensor: this.below(60) === 0 ? 'guilty' : `s${this.below(3)}`,
      fields: { volume: (this.below(2_000_001) - 1_000_000) / 10 ** this.below(7), level: this.below(5) },
    }));
  }

  /** Notes what a receipt was given for. */
  note(events: readonly TelemetryEvent[], { stream, sequence }: { stream: string; sequence: number }): void {
    events.forEach(({ ts, fields }, i) => {
      this.recorded.set(ts, millionths(fields['volume'] as number));
      this.ids.set(ts, `${stream}/${sequence + i}`);
    });
  }

  /** Puts another event under an id that has not arrived. */
  collide(): void {
    const waiting = [...this.ids.values()].filter((id) => !this.gateway.events.has(id));
    const id = waiting[this.below(waiting.length)];
    if (id !== undefined) this.gateway.events.set(id, FOREIGN);
  }

  async #before(request: Parameters<ModelGateway['post']>[0]): Promise<TransportAnswer | Error | undefined> {
    const weather = this.weather === 'storm' ? WEATHERS[this.below(WEATHERS.length)]! : this.weather;
    switch (weather) {
      case 'no route':
        return new Error('ENETUNREACH');
      case 'portal':
        return page([200, 302, 400, 401, 403, 409, 413, 422, 503][this.below(9)]!, { 'retry-after': '0' });
      case 'silence':
        return await new Promise((answer) => {
          const end = (): void => answer(new Error('ETIMEDOUT'));
          this.#silent.add(end);
          request.signal.addEventListener('abort', end, { once: true });
        });
      case 'busy':
        return refusal(this.gateway, request, problemOf('overloaded', '', { retryAfterMs: 1 }));
      case 'revoked':
        return refusal(this.gateway, request, problemOf('key-revoked', ''));
      default:
        return undefined;
    }
  }

  #after(answer: TransportAnswer): TransportAnswer | Error {
    const isLost = this.weather === 'lost answers' || (this.weather === 'storm' && this.below(4) === 0);
    return isLost ? new Error('ECONNRESET') : answer;
  }
}

const millionths = (volume: number): bigint => BigInt(Math.round(volume * 1e6));

/** Plain decimal text in millionths. */
function parsed(text = '0'): bigint {
  const [whole = '0', fraction = ''] = text.replace('-', '').split('.');
  const magnitude = BigInt(whole + fraction.padEnd(6, '0'));
  return text.startsWith('-') ? -magnitude : magnitude;
}

const total = (volumes: Iterable<bigint>): bigint => [...volumes].reduce((sum, volume) => sum + volume, 0n);

function assertBalance(world: World, device: Device): void {
  const { counting, recorded, delivered, queued, quarantined, gaps } = device.status();
  if (counting) return;
  assert.equal(recorded.events, world.recorded.size);
  assert.equal(parsed(recorded.sums['volume']), total(world.recorded.values()));
  for (const place of [delivered, queued, quarantined, gaps]) assert(place.events >= 0);
}

/** Settled: nothing is queued, and everything that was recorded is in one place. */
async function assertSettled(world: World, device: Device): Promise<void> {
  const { gateway } = world;
  const { queued, delivered, quarantined, gaps } = device.status();
  assert.equal(queued.events, 0);
  const arrived = new Map<number, bigint>();
  for (const text of gateway.events.values()) {
    if (text === FOREIGN) continue;
    const { ts, fields } = JSON.parse(text) as { ts: number; fields: { volume: number } };
    assert(!arrived.has(ts), 'no event counts twice');
    arrived.set(ts, millionths(fields.volume));
    assert.equal(world.recorded.get(ts), millionths(fields.volume), 'nothing else than what was recorded arrives');
  }
  const kept = new Map<number, bigint>();
  for (const { event } of await collect(device.quarantine())) {
    assert(!arrived.has(event.ts) && !kept.has(event.ts), 'what is refused is in one place');
    kept.set(event.ts, millionths(event.fields['volume'] as number));
  }
  const declared = [...gateway.gaps.values()];
  const lostEvents = declared.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  const lostVolume = total(declared.map(({ sums }) => parsed(sums!['volume'])));
  assert.deepEqual(
    [delivered.events, quarantined.events, gaps.events],
    [arrived.size, kept.size, lostEvents],
    'the device and the gateway have the same counts',
  );
  assert.deepEqual(
    [delivered, quarantined, gaps].map(({ sums }) => parsed(sums['volume'])),
    [total(arrived.values()), total(kept.values()), lostVolume],
    'and the same sums',
  );
  assert.equal(arrived.size + kept.size + lostEvents, world.recorded.size, 'nothing is missing');
  assert.equal(total(arrived.values()) + total(kept.values()) + lostVolume, total(world.recorded.values()));
}

async function live(t: TestContext, world: World, steps: number, options: Partial<DeviceOptions>): Promise<void> {
  const data = await temporaryDirectory(t);
  const open = () =>
    testDevice(t, world.gateway, {
      data,
      random: world.random,
      batchEventsMax: 100,
      inFlightMax: 1 + world.below(4),
      ...options,
    });
  let device = await open();
  for (let step = 0; step < steps; step++) {
    const some = world.events(1 + world.below(world.below(5) === 0 ? 400 : 20));
    const noted = (receipt: { stream: string; sequence: number }): void => world.note(some, receipt);
    // A full queue may refuse.
    const refused = (error: { code: string }): void => assert.equal(error.code, 'queue-full');
    switch (world.below(10)) {
      case 0:
      case 1:
      case 2:
        if (world.recorded.size < RECORDED_MAX) await device.recordAll(some).then(noted, refused);
        break;
      case 3: {
        const receipts = some.map((event) =>
          device.record(event.fields, { at: event.ts, sensor: event.sensor }).then((receipt) => {
            world.note([event], receipt);
          }, refused),
        );
        await Promise.all(receipts);
        break;
      }
      case 4:
        await assert.rejects(device.recordAll([...some, { ts: 1, sensor: '', fields: { volume: 1 } }]));
        break;
      case 5:
        await device.close();
        device = await open();
        break;
      case 6:
        world.collide();
        break;
      case 7:
        await device.retryQuarantine();
        break;
      case 8:
        device.probe();
        break;
      default:
        world.weather = WEATHERS[world.below(WEATHERS.length)]!;
    }
    await new Promise((resolve) => setTimeout(resolve, world.below(6)));
    assertBalance(world, device);
  }
  world.weather = 'fair';
  if (world.below(2) === 0) {
    await device.close();
    device = await open();
  }
  device.probe();
  await device.drain();
  await until(() => !device.status().counting);
  assertBalance(world, device);
  await assertSettled(world, device);
  const before = device.status();
  await device.close();
  device = await open();
  await until(() => !device.status().counting);
  const { recorded, delivered, queued, quarantined, gaps } = before;
  const after = device.status();
  assert.deepEqual(
    [after.recorded.events, after.delivered, after.queued.events, after.quarantined, after.gaps],
    [recorded.events, delivered, queued.events, quarantined, gaps],
    'a restart finds the same',
  );
}

test('whatever happens, every event ends in exactly one place', async (t) => {
  const random = createRandom(seedOf(t));
  for (let run = 0; run < 4; run++) await live(t, new World(random), 50, {});
});

test('also where the oldest have to go', async (t) => {
  const random = createRandom(seedOf(t));
  for (let run = 0; run < 3; run++) {
    await live(t, new World(random), 60, { queueBytesMax: 12_000, whenFull: 'drop-oldest' });
  }
});
