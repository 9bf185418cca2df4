import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TelemetryEvent } from '../../src/codec/index.ts';
import { DeviceError } from '../../src/device/errors.ts';
import { feedRows, feedSimulation } from '../../src/device/feed.ts';
import type { Device } from '../../src/device/index.ts';
import type { Chunk, InputFile, RefusedRow } from '../../src/device/input.ts';
import type { Mark } from '../../src/device/recorder.ts';
import { createSimulation } from '../../src/device/simulation.ts';
import { StoreError } from '../../src/store/index.ts';
import { readings } from './device-fixture.ts';

/** Takes what is recorded; answers with these errors first. */
function testDevice(errors: Error[] = []) {
  const events: TelemetryEvent[] = [];
  const marks: (Mark | undefined)[] = [];
  const device = {
    async recordAll(some: readonly TelemetryEvent[], mark?: Mark) {
      const error = errors.shift();
      if (error) throw error;
      events.push(...some);
      marks.push(mark);
      return { stream: '', sequence: 1 };
    },
  } as unknown as Device;
  const stop = new AbortController();
  const waits: string[] = [];
  const options = {
    device,
    signal: stop.signal,
    onWait: (error: Error) => {
      waits.push((error as DeviceError).code);
    },
  };
  return { events, marks, options, stop, waits };
}

const chunk = (count: number, start: number, refused: readonly RefusedRow[] = []): Chunk => ({
  events: readings(count, start),
  refused,
  rows: start + count - 1 + refused.length,
  bytes: 100 * start,
});

async function* chunksOf(...chunks: Chunk[]) {
  yield* chunks;
}

const FILE: InputFile = {
  bytes: 0,
  skipRows: 0,
  read: () => chunksOf(),
  mark: (rows) => ({ name: 'f', value: Buffer.from(String(rows)) }),
};
const BAD: RefusedRow = { line: 9, code: 'event-time', message: 'no time' };

test('rows are recorded chunk by chunk, each with the mark behind it', async () => {
  const { events, marks, options } = testDevice();
  const seen: number[] = [];
  const refused: RefusedRow[] = [];
  const done = await feedRows(chunksOf(chunk(3, 1), chunk(2, 4, [BAD]), chunk(0, 7, [BAD])), {
    ...options,
    file: FILE,
    onChunk: ({ rows }) => seen.push(rows),
    onRefused: (rows) => refused.push(...rows),
  });
  assert.equal(done, 5);
  assert.deepEqual(events, readings(5));
  assert.deepEqual(
    marks.map((mark) => String(mark!.value)),
    ['3', '6'],
    'a chunk without events leaves no commit',
  );
  assert.deepEqual([seen, refused.length], [[3, 6, 7], 2]);
});

test('who ends the feed at a refused row finds nothing of its chunk recorded', async () => {
  const { events, options } = testDevice();
  const stop = new Error('strict');
  const fed = feedRows(chunksOf(chunk(3, 1), chunk(2, 4, [BAD]), chunk(5, 7)), {
    ...options,
    onChunk: () => {},
    onRefused: () => {
      throw stop;
    },
  });
  await assert.rejects(fed, stop);
  assert.deepEqual(events, readings(3));
});

test('what the disk refuses is waited for and recorded again', async () => {
  const { events, options, waits } = testDevice([new StoreError('disk-full', '')]);
  const all = { ...options, onChunk: () => {}, onRefused: () => {} };
  assert.equal(await feedRows(chunksOf(chunk(3, 1), chunk(2, 4)), all), 5);
  assert.deepEqual(waits, ['disk-full']);
  assert.deepEqual(events, readings(5));
});

test('so is what the quota refuses, and what is too much at a time', async () => {
  for (const error of [
    new DeviceError('queue-full', ''),
    new DeviceError('overloaded', ''),
    new StoreError('io', ''),
  ]) {
    const { events, options, stop } = testDevice([error]);
    const all = { ...options, onWait: () => stop.abort(), onChunk: () => {}, onRefused: () => {} };
    assert.equal(await feedRows(chunksOf(chunk(3, 1)), all), 0);
    assert.deepEqual(events, []);
  }
});

test('what a failing disk has kept after all is not recorded twice', async () => {
  const { events, marks, options } = testDevice([new StoreError('io', '')]);
  let kept = true;
  const device = Object.assign(options.device, {
    mark: async (name: string) => {
      if (!kept) throw new StoreError('io', '');
      return name === 'f' ? FILE.mark(3).value : undefined;
    },
  });
  const all = { ...options, device, file: FILE, onChunk: () => {}, onRefused: () => {} };
  assert.equal(await feedRows(chunksOf(chunk(3, 1), chunk(2, 4)), all), 5);
  assert.deepEqual(events, readings(2, 4), 'the first chunk was there');
  assert.equal(marks.length, 1);
  kept = false;
  const again = testDevice([new StoreError('io', '')]);
  const rest = { ...all, device: Object.assign(again.options.device, { mark: device.mark }) };
  assert.equal(await feedRows(chunksOf(chunk(3, 1)), rest), 3);
  assert.deepEqual(again.events, readings(3), 'where the disk cannot say, it is recorded');
});

test('an error that waiting does not mend ends the feed', async () => {
  for (const error of [new DeviceError('closed', ''), new StoreError('closed', ''), new Error('a bug')]) {
    const { options } = testDevice([error]);
    const fed = feedRows(chunksOf(chunk(3, 1)), { ...options, onChunk: () => {}, onRefused: () => {} });
    await assert.rejects(fed, error);
  }
});

test('the signal ends the feed: between chunks, while it waits, and before anything', async () => {
  const { events, options, stop } = testDevice();
  const between = await feedRows(chunksOf(chunk(3, 1), chunk(2, 4)), {
    ...options,
    onChunk: () => stop.abort(),
    onRefused: () => {},
  });
  assert.deepEqual([between, events.length], [3, 3]);
  const full = testDevice([new DeviceError('queue-full', '')]);
  const waiting = feedRows(chunksOf(chunk(3, 1), chunk(2, 4)), {
    ...full.options,
    onWait: () => full.stop.abort(),
    onChunk: () => {},
    onRefused: () => {},
  });
  assert.equal(await waiting, 0);
  const simulation = createSimulation({ profile: 'flow', sensors: 1, seed: 1 });
  const options2 = { ...full.options, simulation, rate: 0, eventsMax: 10 };
  assert.equal(await feedSimulation(options2), 0);
});

test('a simulation ends with its count, as fast as the disk takes it', async () => {
  const { events, options } = testDevice();
  const simulation = createSimulation({ profile: 'flow', sensors: 3, seed: 1 });
  assert.equal(await feedSimulation({ ...options, simulation, rate: 0, eventsMax: 10_000 }), 10_000);
  assert.equal(events.length, 10_000);
});

test('or at its rate, with times that are spaced by it', async () => {
  const { events, options } = testDevice();
  const simulation = createSimulation({ profile: 'flow', sensors: 3, seed: 1 });
  const begun = performance.now();
  assert.equal(await feedSimulation({ ...options, simulation, rate: 2_000, eventsMax: 200 }), 200);
  assert(performance.now() - begun >= 99, 'not faster');
  const first = events[0]!.ts;
  const last = events.at(-1)!.ts;
  assert(last - first >= 50, `${last - first} ms`);
});

test('a simulation that cannot record ends without losing count', async () => {
  const { options, stop } = testDevice([new DeviceError('queue-full', '')]);
  const simulation = createSimulation({ profile: 'flow', sensors: 3, seed: 1 });
  const fed = feedSimulation({ ...options, simulation, rate: 0, eventsMax: 10, onWait: () => stop.abort() });
  assert.equal(await fed, 0);
});
