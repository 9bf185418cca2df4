import assert from 'node:assert/strict';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { json, text } from 'node:stream/consumers';
import { test } from 'node:test';
import { askControl, controlPath, serveControl } from '../../src/device/control.ts';
import { cleanUp, readings, temporaryDirectory, testDevice } from './device-fixture.ts';
import { createModelGateway, refusing } from './model-gateway.ts';

test('a second command asks the running device', async (t) => {
  const data = await temporaryDirectory(t);
  const gateway = createModelGateway();
  gateway.judge = refusing(({ sensor }) => sensor === 's1');
  const device = await testDevice(t, gateway, { data });
  const close = await serveControl(device, data);
  cleanUp(t, close);
  await device.recordAll(readings(6));
  await device.drain();
  const status = (await json((await askControl(data, 'GET', '/status'))!)) as { delivered: { events: number } };
  assert.deepEqual(status, JSON.parse(JSON.stringify(device.status())));
  assert.equal(status.delivered.events, 4);
  const lines = (await text((await askControl(data, 'GET', '/quarantine'))!)).trim().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).sequence),
    [1, 4],
  );
  gateway.judge = () => undefined;
  assert.deepEqual(await json((await askControl(data, 'POST', '/quarantine/retry'))!), { events: 2 });
  assert.deepEqual(await json((await askControl(data, 'POST', '/probe'))!), {});
  await device.drain();
  assert.equal(gateway.events.size, 6);
  for (const [method, path] of [
    ['GET', '/'],
    ['GET', '/probe'],
    ['POST', '/status'],
  ] as const) {
    const answer = (await askControl(data, method, path))!;
    assert.equal(answer.statusCode, 404);
    answer.resume();
  }
});

test('the socket is its owner’s alone, and goes with the device', async (t) => {
  const data = await temporaryDirectory(t);
  const device = await testDevice(t, createModelGateway(), { data });
  const close = await serveControl(device, data);
  assert.equal((await stat(controlPath(data))).mode & 0o777, 0o600);
  await close();
  await device.close();
  assert.equal(await askControl(data, 'GET', '/status'), undefined);
});

test('where nothing runs there is no answer', async (t) => {
  const data = await temporaryDirectory(t);
  assert.equal(await askControl(data, 'GET', '/status'), undefined);
  assert.equal(await askControl(join(data, 'nothing'), 'GET', '/status'), undefined);
});

test('the socket of a run that crashed is replaced', async (t) => {
  const data = await temporaryDirectory(t);
  await writeFile(controlPath(data), '');
  assert.equal(await askControl(data, 'GET', '/status'), undefined, 'nobody listens there');
  const device = await testDevice(t, createModelGateway(), { data });
  cleanUp(t, await serveControl(device, data));
  const answer = (await json((await askControl(data, 'GET', '/status'))!)) as { id: string };
  assert.equal(answer.id, 'pump-7');
});

test('a path that is too long for a socket has one elsewhere, its own', async (t) => {
  const data = join(await temporaryDirectory(t), 'x'.repeat(60), 'y'.repeat(60));
  await mkdir(data, { recursive: true });
  const path = controlPath(data);
  assert(Buffer.byteLength(path) <= 100, path);
  assert.notEqual(dirname(path), data);
  assert.notEqual(path, controlPath(join(data, 'z')));
  const device = await testDevice(t, createModelGateway(), { data });
  cleanUp(t, await serveControl(device, data));
  const answer = (await json((await askControl(data, 'GET', '/status'))!)) as { id: string };
  assert.equal(answer.id, 'pump-7');
});

test('where the socket cannot be made, the run hears of it', async (t) => {
  const data = await temporaryDirectory(t);
  const device = await testDevice(t, createModelGateway(), { data });
  await assert.rejects(serveControl(device, join(data, 'nothing')), { code: /^(EACCES|ENOENT)$/ });
});

test('a device that fails to answer breaks the answer off', async (t) => {
  const data = await temporaryDirectory(t);
  const device = await testDevice(t, createModelGateway(), { data });
  cleanUp(t, await serveControl(device, data));
  await device.close();
  await assert.rejects(askControl(data, 'POST', '/quarantine/retry'));
  const listed = await askControl(data, 'GET', '/quarantine').catch(() => undefined);
  if (listed) await assert.rejects(text(listed));
});

test('a device that runs without being heard is not said to be none; what a killed one left is', async (t) => {
  const data = await temporaryDirectory(t);
  const device = await testDevice(t, createModelGateway(), { data });
  await assert.rejects(askControl(data, 'GET', '/status'), { code: 'no-answer' });
  await device.close();
  assert.equal(await askControl(data, 'GET', '/status'), undefined);
  // A number that is in use, and no lock.
  await writeFile(join(data, 'queue', 'owner.lock'), `${process.pid}\n`);
  if (process.platform === 'linux') assert.equal(await askControl(data, 'GET', '/status'), undefined);
});
