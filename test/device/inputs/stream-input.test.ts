import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Chunk } from '../../../src/device/inputs/index.ts';
import { openInput } from '../../../src/device/inputs/index.ts';
import { StreamInput } from '../../../src/device/inputs/stream-input.ts';
import { temporaryDirectory } from '../device-fixture.ts';
import { OPTIONS } from './rows.ts';

const STREAM = { ...OPTIONS, encoding: undefined, lastLine: false };
const READ = {
  ...STREAM,
  stored: async () => undefined,
  fromStart: false,
  goOn: false,
  onRewritten: () => {},
  rejects: undefined,
};

test('a silent pipe’s rows come at once', async () => {
  for (const [format, first, second] of [
    ['ndjson', '{"ts":1,"volume":1}\n', '{"ts":2,"volume":1}\n'],
    ['csv', 'ts,volume\n1,1\n', '2,2\n'],
  ] as const) {
    const pipe = new PassThrough();
    const rows = new StreamInput(pipe, { ...STREAM, format }).chunks(new AbortController().signal);
    pipe.write(first);
    assert.equal(((await rows.next()).value as Chunk).events[0]!.ts, 1);
    pipe.write(second);
    assert.equal(((await rows.next()).value as Chunk).events[0]!.ts, 2);
    pipe.end();
    assert.equal((await rows.next()).done, true);
  }
});

test('the signal ends the wait', async () => {
  const stop = new AbortController();
  const rows = new StreamInput(new PassThrough(), { ...STREAM, format: 'csv' }).chunks(stop.signal);
  const next = rows.next();
  stop.abort();
  assert.equal((await next).done, true);
});

test('an empty pipe, and one shorter than a byte order mark', async () => {
  for (const [text, events] of [
    ['', 0],
    ['{}', 0],
    ['\n', 0],
  ] as const) {
    const input = new StreamInput(Readable.from(text === '' ? [] : [Buffer.from(text)]), {
      ...STREAM,
      format: 'ndjson',
    });
    let found = 0;
    for await (const chunk of input.chunks(new AbortController().signal)) found += chunk.events.length;
    assert.equal(found, events);
  }
});

test('a named pipe is opened once, waits for its writer, and ends with it', async (t) => {
  const path = join(await temporaryDirectory(t), 'in.ndjson');
  await promisify(execFile)('mkfifo', [path]);
  for (const ts of [1, 2]) {
    const { input } = await openInput({ ...READ, path, format: undefined });
    const rows = input.chunks(new AbortController().signal);
    const next = rows.next();
    const writer = await open(path, 'w');
    await writer.write(`{"ts":${ts},"volume":1}\n`);
    const chunk = (await next).value as Chunk;
    assert.equal(chunk.events[0]!.ts, ts);
    assert.deepEqual(chunk.marks(), []);
    await writer.close();
    assert.equal((await rows.next()).done, true);
  }
  const stop = new AbortController();
  const { input } = await openInput({ ...READ, path, format: undefined });
  const next = input.chunks(stop.signal).next();
  stop.abort();
  assert.equal((await next).done, true, 'nobody has written');
});

test('a pipe of packed bytes is refused at once', async () => {
  const packed = new StreamInput(Readable.from([gzipSync('ts,volume\n1,1\n')]), { ...STREAM, format: 'csv' });
  await assert.rejects(packed.chunks(new AbortController().signal).next(), { code: 'input-format', message: /zcat/ });
});

test('a folder is no input', async (t) => {
  const path = await temporaryDirectory(t);
  await assert.rejects(openInput({ ...READ, path, format: undefined }), { code: 'input-kind' });
});

test('another heading in a pipe that lacks what flags name refuses its rows, and loses none before it', async () => {
  const text = 'ts,flow\n1,1\nts,flow_m3\n2,2\nts,flow\n3,3\n';
  const names = new Map([['flow', 'volume']]);
  const input = new StreamInput(Readable.from([Buffer.from(text)]), { ...STREAM, names, format: 'csv' });
  const chunks: Chunk[] = [];
  for await (const chunk of input.chunks(new AbortController().signal)) chunks.push(chunk);
  assert.deepEqual(
    chunks.flatMap(({ events }) => events.map(({ ts, fields }) => [ts, fields])),
    [
      [1, { volume: 1 }],
      [3, { volume: 3 }],
    ],
  );
  assert.deepEqual(
    chunks.flatMap(({ refused }) => refused.map(({ line, code }) => [line, code])),
    [
      [3, 'row-cells'],
      [4, 'row-cells'],
    ],
  );
});
