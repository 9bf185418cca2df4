import assert from 'node:assert/strict';
import { json, text } from 'node:stream/consumers';
import { test } from 'node:test';
import { askControl } from '../../src/device/control.ts';
import type { DeviceStatus } from '../../src/device/index.ts';
import { temporaryDirectory, until } from './device-fixture.ts';
import { serveModel } from './gateway-server.ts';
import { createModelGateway, refusing } from './model-gateway.ts';
import { csvRows, fileOf, runFlags, runToEnd, start, summaryOf } from './program.ts';

/** The status of a running device, once it answers and `holds`. */
async function statusOnce(data: string, holds: (status: DeviceStatus) => boolean): Promise<DeviceStatus> {
  for (;;) {
    const answer = await askControl(data, 'GET', '/status').catch(() => undefined);
    const status = answer && ((await json(answer)) as DeviceStatus);
    if (status && holds(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
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
  assert.match(shown.stdout, /: online, /);
  assert.equal(JSON.parse(listed.stdout).event.sensor, 'bad');
  gateway.judge = () => undefined;
  const retried = await runToEnd(t, ['quarantine', 'retry', '--data', data]);
  assert.equal(retried.stdout, '1 events queued again\n');
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
  assert.equal((await runToEnd(t, runFlags(data, url, '--input', 'none'))).status, 0);
  assert.equal(gateway.volume(), 7_000_000n);
});

test('a file that SIGTERM, then kill -9, interrupted under load goes on behind its last row: totals are exact', async (t) => {
  const gateway = createModelGateway();
  gateway.encodings = ['identity'];
  // Counts everything, and loses every third answer.
  gateway.after = (answer, attempt) => (attempt % 3 === 0 ? new Error('lost') : answer);
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const { csv, volume } = csvRows(60_000);
  const file = await fileOf(t, 'rows.csv', csv);
  const flags = runFlags(data, url, '--input', file, '--batch-events', '500');
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const before = gateway.events.size;
    const { process: running, ended } = start(t, flags);
    await until(() => gateway.events.size > before + 2_000);
    running.kill(signal);
    const interrupted = await ended;
    assert.equal(interrupted.signal, signal === 'SIGKILL' ? signal : null);
    if (signal === 'SIGTERM') assert.equal(interrupted.status, 0, interrupted.stderr);
  }
  assert(gateway.events.size < 60_000, 'interrupted in the middle');
  const last = await runToEnd(t, flags);
  assert.equal(last.status, 0, last.stderr);
  assert.equal(gateway.events.size, 60_000);
  assert.equal(gateway.volume(), volume);
  assert.equal(new Set(gateway.events.values()).size, 60_000, 'each row once');
  const { recorded, delivered, queued } = summaryOf(last);
  assert.deepEqual([recorded.events, delivered.events, queued.events], [60_000, 60_000, 0]);
});

test('the socket of a killed run is replaced by the next', async (t) => {
  const gateway = createModelGateway();
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const killed = start(t, runFlags(data, url));
  await statusOnce(data, () => true);
  killed.process.kill('SIGKILL');
  await killed.ended;
  assert.equal(await askControl(data, 'GET', '/status'), undefined);
  const next = start(t, runFlags(data, url));
  await statusOnce(data, () => true);
  const probed = await askControl(data, 'POST', '/probe');
  assert.equal(await text(probed!), '{}');
  next.process.stdin.end();
  assert.equal((await next.ended).status, 0);
});
