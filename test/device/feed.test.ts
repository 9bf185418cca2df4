import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TelemetryEvent } from '../../src/codec/index.ts';
import { DeviceError } from '../../src/device/errors.ts';
import { type FeedOptions, feedInput } from '../../src/device/feed.ts';
import type { Chunk, Input, RefusedRow, RejectedRow } from '../../src/device/inputs/index.ts';
import { NOTHING_LEFT } from '../../src/device/inputs/index.ts';
import type { Mark } from '../../src/device/recorder.ts';
import { StoreError } from '../../src/store/index.ts';
import { readings } from './device-fixture.ts';

/** Takes what is recorded; answers with these errors first. */
function testDevice(errors: Error[] = []) {
  const events: TelemetryEvent[] = [];
  const marks: string[] = [];
  const take = (some: readonly TelemetryEvent[], more: readonly Mark[]): void => {
    const error = errors.shift();
    if (error) throw error;
    events.push(...some);
    marks.push(...more.map(({ value }) => String(value)));
  };
  const device: FeedOptions['device'] = {
    recordAll: async (some, more = []) => {
      take(some, more);
      return { stream: '', sequence: 1 };
    },
    note: async (more) => take([], more),
    mark: async () => undefined,
  };
  const stop = new AbortController();
  const waits: string[] = [];
  const options: FeedOptions = {
    device,
    signal: stop.signal,
    onWait: (error) => waits.push((error as DeviceError).code),
    onChunk: () => {},
    onRefused: () => {},
  };
  return { events, marks, options, stop, waits };
}

const chunk = (count: number, start: number, refused: readonly RefusedRow[] = []): Chunk => ({
  events: readings(count, start),
  refused,
  rejected: refused.map(({ line }) => ({ bytes: Buffer.from(`line ${line}\n`), heading: undefined })),
  rows: start + count - 1 + refused.length,
  bytes: 100 * start,
  marks: () => [{ name: 'f', value: Buffer.from(String(start + count - 1 + refused.length)) }],
});

const inputOf = (chunks: readonly Chunk[], isKept = true): Input => ({
  ...{ bytes: 0, skipped: 0, isEndless: false, isKept, preamble: Buffer.from('heading\n') },
  async *chunks() {
    yield* chunks;
  },
  rest: () => NOTHING_LEFT,
});
const BAD: RefusedRow = { line: 9, code: 'event-time', message: 'no time' };

test('rows are recorded chunk by chunk, each with the mark behind it', async () => {
  const { events, marks, options } = testDevice();
  const seen: number[] = [];
  const refused: RefusedRow[] = [];
  const fed = await feedInput(inputOf([chunk(3, 1), chunk(2, 4, [BAD]), chunk(0, 7, [BAD])]), {
    ...options,
    onChunk: ({ rows }) => seen.push(rows),
    onRefused: (rows) => refused.push(...rows),
  });
  assert.deepEqual(fed, { recorded: 5, dropped: 0 });
  assert.deepEqual(events, readings(5));
  assert.deepEqual(marks, ['3', '6', '7'], 'also behind rows that were all refused');
  assert.deepEqual([seen, refused.length], [[3, 6, 7], 2]);
});

test('refused rows are on disk before the mark moves past them', async () => {
  const { marks, options } = testDevice();
  const written: string[] = [];
  const rejects = {
    bytes: 0,
    write: async (rows: readonly RejectedRow[], preamble: Buffer) => {
      written.push(...rows.map(({ bytes }) => `${preamble}${bytes}after ${marks.length} marks`));
    },
    close: async () => {},
  };
  await feedInput(inputOf([chunk(3, 1), chunk(2, 4, [BAD])]), { ...options, rejects });
  assert.deepEqual(written, ['heading\nline 9\nafter 1 marks']);
  const full = { ...rejects, write: () => Promise.reject(new Error('no space')) };
  await assert.rejects(feedInput(inputOf([chunk(2, 4, [BAD])]), { ...options, rejects: full }), /no space/);
  assert.equal(marks.length, 2);
});

test('who ends the feed at a refused row finds nothing of its chunk recorded', async () => {
  const { events, options } = testDevice();
  const stop = new Error('strict');
  const onRefused = (): never => {
    throw stop;
  };
  await assert.rejects(feedInput(inputOf([chunk(3, 1), chunk(2, 4, [BAD])]), { ...options, onRefused }), stop);
  assert.deepEqual(events, readings(3));
});

test('what the disk or the quota refuses is waited for and recorded again', async () => {
  for (const error of [
    new StoreError('disk-full', ''),
    new DeviceError('queue-full', ''),
    new DeviceError('overloaded', ''),
  ]) {
    const { events, options, waits } = testDevice([error]);
    assert.equal((await feedInput(inputOf([chunk(3, 1), chunk(2, 4)]), options)).recorded, 5);
    assert.deepEqual(waits, [error.code]);
    assert.deepEqual(events, readings(5));
  }
});

test('what a failing disk has kept after all is not recorded twice', async () => {
  for (const [error, isKept] of [
    [new StoreError('io', ''), true],
    // A queue that is full has kept nothing, whatever mark an earlier run has left.
    [new DeviceError('queue-full', ''), false],
  ] as const) {
    const { events, options } = testDevice([error]);
    const device = { ...options.device, mark: async () => Buffer.from('3') };
    await feedInput(inputOf([chunk(3, 1), chunk(2, 4)]), { ...options, device });
    assert.deepEqual(events, isKept ? readings(2, 4) : readings(5));
  }
  const { events, options } = testDevice([new StoreError('io', '')]);
  const device = { ...options.device, mark: () => Promise.reject(new StoreError('io', '')) };
  await feedInput(inputOf([chunk(3, 1)]), { ...options, device });
  assert.deepEqual(events, readings(3), 'where the disk cannot say, it is recorded');
});

test('an error that waiting does not mend ends the feed', async () => {
  for (const error of [new DeviceError('closed', ''), new StoreError('closed', ''), new Error('a bug')]) {
    const { options } = testDevice([error]);
    await assert.rejects(feedInput(inputOf([chunk(3, 1)]), options), error);
  }
});

test('the signal ends the feed between chunks and while it waits; rows of a pipe lost by it are counted', async () => {
  const { events, options, stop } = testDevice();
  const fed = await feedInput(inputOf([chunk(3, 1), chunk(2, 4)]), { ...options, onChunk: () => stop.abort() });
  assert.deepEqual([fed, events.length], [{ recorded: 3, dropped: 0 }, 3]);
  for (const isKept of [true, false]) {
    const full = testDevice([new DeviceError('queue-full', '')]);
    const waiting = { ...full.options, onWait: () => full.stop.abort() };
    const cut = await feedInput(inputOf([chunk(3, 1), chunk(2, 4)], isKept), waiting);
    assert.deepEqual(cut, { recorded: 0, dropped: isKept ? 0 : 3 });
  }
});
