import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { DEVICE_ID, temporaryDirectory, testDevice, until } from './device-fixture.ts';
import { serveModel } from './gateway-server.ts';
import { createModelGateway, refusing } from './model-gateway.ts';
import { csvRows, fileOf, runFlags, runToEnd, start, summaryOf } from './program.ts';

test('--no-drain ends once everything is recorded, and status shows it', async (t) => {
  const data = await temporaryDirectory(t);
  const { csv, volume } = csvRows(500);
  const file = await fileOf(t, 'rows.csv', csv);
  const ended = await runToEnd(t, runFlags(data, 'http://127.0.0.1:9', '--no-drain', '--input', file));
  assert.equal(ended.status, 0, ended.stderr);
  assert.deepEqual(summaryOf(ended).recorded.events, 500);
  // What an earlier run has left is in the account of the next one.
  const more = ['--input', 'simulate', '--events', '20', '--rate', '0'];
  const second = await runToEnd(t, runFlags(data, 'http://127.0.0.1:9', '--no-drain', ...more));
  const { recorded, queued, delivered } = summaryOf(second);
  assert.deepEqual([recorded.events, queued.events, delivered.events], [520, 520, 0]);
  const gateway = createModelGateway();
  const asJson = await runToEnd(t, ['status', '--data', data, '--json']);
  const asText = await runToEnd(t, ['status', '--data', data]);
  const status = JSON.parse(asJson.stdout);
  assert.deepEqual([status.id, status.link, status.queued, status.recorded], [DEVICE_ID, null, queued, recorded]);
  assert.match(
    asText.stdout,
    new RegExp(`^device ${DEVICE_ID}: not running; 520 events safe on disk\n[\\d,]+ bytes queued\n`),
  );
  assert.match(asText.stdout, /^queued +520 +-?[\d.]+ +-?[\d.]+$/m);
  const device = await testDevice(t, gateway, { data });
  await device.drain();
  assert.equal(gateway.events.size, 520);
  assert(gateway.volume() > volume);
});

test('quarantine list, export and retry, on a queue that nobody runs', async (t) => {
  const gateway = createModelGateway();
  gateway.judge = refusing(({ sensor }) => sensor === 's1', 'sensor-limit');
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const file = await fileOf(t, 'rows.csv', csvRows(8).csv);
  const ended = await runToEnd(t, runFlags(data, url, '--input', file));
  assert.equal(ended.status, 0, ended.stderr);
  assert.equal(summaryOf(ended).quarantined.events, 2);
  assert.match(ended.stderr, /events refused for good/);
  const target = join(await temporaryDirectory(t), 'kept.ndjson');
  const listed = await runToEnd(t, ['quarantine', 'list', '--data', data]);
  assert.match(listed.stdout, /^ +2 +2023-11-14T22:13:20.250Z +s1 +sensor-limit +as the test wants it$/m);
  const exported = await runToEnd(t, ['quarantine', 'export', '--data', data, '--output', target]);
  assert.deepEqual([exported.status, exported.stdout], [0, '']);
  const kept = await readFile(target, 'utf8');
  assert.deepEqual(
    kept
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).sequence),
    [2, 6],
  );
  assert.equal((await stat(target)).mode & 0o077, 0);
  const retried = await runToEnd(t, ['quarantine', 'retry', '--data', data]);
  assert.equal(retried.stdout, '2 events will be sent again\n');
  gateway.judge = () => undefined;
  const device = await testDevice(t, gateway, { data });
  await device.drain();
  assert.equal(gateway.events.size, 8);
  await device.close();
  const empty = await runToEnd(t, ['quarantine', 'list', '--data', data]);
  assert.equal(empty.stdout, 'nothing is in quarantine\n');
});

test('a device that was stopped is said not to answer, and what its disk holds is shown', async (t) => {
  const data = await temporaryDirectory(t);
  const program = start(t, runFlags(data, 'http://127.0.0.1:9', '--input', 'simulate', '--rate', '100'));
  await until(() => existsSync(join(data, 'control.sock')));
  const before = JSON.parse((await runToEnd(t, ['status', '--data', data, '--json'])).stdout);
  assert.notEqual(before.link, null);
  program.process.kill('SIGSTOP');
  const status = await runToEnd(t, ['status', '--data', data, '--json']);
  const list = await runToEnd(t, ['quarantine', 'list', '--data', data]);
  const retry = await runToEnd(t, ['quarantine', 'retry', '--data', data]);
  program.process.kill('SIGCONT');
  for (const { status: exit, stderr } of [status, list, retry]) {
    assert.equal(exit, 1);
    assert.match(stderr, new RegExp(`pid ${program.process.pid}\\).*\\(no-answer\\)`));
  }
  const shown = JSON.parse(status.stdout);
  assert.deepEqual([shown.id, shown.link, shown.silent], [DEVICE_ID, null, true]);
  assert(shown.recorded.events >= before.recorded.events);
  assert.equal(list.stdout, 'nothing is in quarantine\n');
  assert.equal(retry.stdout, '');
  program.process.kill('SIGTERM');
  await program.ended;
});
