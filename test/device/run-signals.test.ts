import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import { askControl } from '../../src/device/control.ts';
import type { DeviceStatus } from '../../src/device/index.ts';
import { temporaryDirectory, until } from './device-fixture.ts';
import { serveModel } from './gateway-server.ts';
import { createModelGateway, refusing } from './model-gateway.ts';
import { runFlags, runToEnd, start, summaryOf } from './program.ts';

/** The status of a running device, once it answers and `holds`. */
async function statusOnce(data: string, holds: (status: DeviceStatus) => boolean): Promise<DeviceStatus> {
  let status: DeviceStatus | undefined;
  await until(async () => {
    const answer = await askControl(data, 'GET', '/status').catch(() => undefined);
    status = answer && ((await json(answer)) as DeviceStatus);
    return status !== undefined && holds(status);
  });
  return status!;
}

test('a running device: rows of a silent pipe at once, status, quarantine, and SIGTERM keeps everything', async (t) => {
  const gateway = createModelGateway();
  gateway.judge = refusing(({ sensor }) => sensor === 'bad', 'sensor-limit');
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const { process: running, ended } = start(t, runFlags(data, url, '--input', '-'));
  running.stdin.write('{"ts":1,"sensor":"good","volume":1}\n{"ts":2,"sensor":"bad","volume":2}\n');
  await until(() => gateway.events.size === 1);
  await statusOnce(data, ({ quarantined }) => quarantined.events === 1);
  const [shown, listed] = await Promise.all([
    runToEnd(t, ['status', '--data', data]),
    runToEnd(t, ['quarantine', 'list', '--data', data, '--json']),
  ]);
  assert.match(shown.stdout, /^device pump-7: connected to /);
  assert.equal(JSON.parse(listed.stdout).event.sensor, 'bad');
  gateway.judge = () => undefined;
  const retried = await runToEnd(t, ['quarantine', 'retry', '--data', data]);
  assert.equal(retried.stdout, '1 events will be sent again\n');
  await until(() => gateway.events.size === 2);
  gateway.before = () => new Error('gone');
  running.stdin.write('{"ts":3,"volume":4}\n');
  await statusOnce(data, ({ queued }) => queued.events === 1);
  running.kill('SIGTERM');
  const { status, stdout, stderr } = await ended;
  assert.equal(status, 0, stderr);
  const { input, recorded, queued } = summaryOf({ status, stdout, stderr, signal: null });
  assert.equal(input.recorded, 3);
  assert.deepEqual([recorded.events, queued.events, queued.sums['volume']], [3, 1, '4']);
  assert.equal(await askControl(data, 'GET', '/status'), undefined, 'the socket is gone');
  gateway.before = () => undefined;
  const again = await runToEnd(t, runFlags(data, url, '--input', 'none'));
  assert.equal(again.status, 0, again.stderr);
  assert.equal(summaryOf(again).delivered.events, 3);
  assert.equal(gateway.volume(), 7_000_000n);
});

test('a file that a signal keeps from being delivered is not done, and the next run delivers it', async (t) => {
  const gateway = createModelGateway();
  gateway.before = () => new Error('gone');
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const file = join(data, 'rows.ndjson');
  await writeFile(file, '{"ts":1,"volume":1}\n{"ts":2,"volume":2}\n');
  const flags = runFlags(data, url, '--input', file);
  const { process: running, ended } = start(t, flags);
  await statusOnce(data, ({ queued }) => queued.events === 2);
  running.kill('SIGTERM');
  const cut = await ended;
  assert.equal(cut.status, 143, cut.stderr);
  assert.equal(summaryOf(cut).queued.events, 2);
  gateway.before = () => undefined;
  const again = await runToEnd(t, flags);
  assert.equal(again.status, 0, again.stderr);
  assert.equal(summaryOf(again).input.skipped, 2);
  assert.equal(gateway.volume(), 3_000_000n);
});
