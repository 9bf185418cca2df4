import assert from 'node:assert/strict';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import { HEADER, problemOf } from '../../src/codec/index.ts';
import { askControl } from '../../src/device/control.ts';
import type { DeviceStatus } from '../../src/device/index.ts';
import { temporaryDirectory, until } from './device-fixture.ts';
import { serveModel } from './gateway-server.ts';
import { CREDENTIAL, createModelGateway, refusal, refusing } from './model-gateway.ts';
import { fileOf, runFlags, runToEnd, start, summaryOf } from './program.ts';

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

const NEXT = CREDENTIAL.replace('k1.', 'k2.');

/** Its standard error, as far as it has come. */
function saidBy(running: ReturnType<typeof start>['process']): () => string {
  let said = '';
  running.stderr.on('data', (text) => {
    said += text;
  });
  return () => said;
}

test('a key that is revoked is replaced by replacing its file', async (t) => {
  const gateway = createModelGateway();
  const revoked = problemOf('key-revoked', 'as the test wants it');
  gateway.before = (request) => (request.headers[HEADER.key] === 'k1' ? refusal(gateway, request, revoked) : undefined);
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const secret = await fileOf(t, 'secret', CREDENTIAL);
  const { process: running, ended } = start(t, runFlags(data, url, '--input', '-', '--secret-file', secret));
  const said = saidBy(running);
  running.stdin.write('{"ts":1,"volume":1}\n');
  await statusOnce(data, ({ link }) => link.code === 'key-revoked');
  await writeFile(secret, 'half of a k');
  await until(() => said().includes('"code":"secret-invalid"'));
  await writeFile(`${secret}.new`, NEXT, { mode: 0o600 });
  await rename(`${secret}.new`, secret);
  await until(() => gateway.events.size === 1);
  assert.match(said(), /"key":"k2"/);
  running.stdin.end();
  assert.equal((await ended).status, 0);
});

test('SIGHUP ends no run: it reads the secret file anew, and says what it finds', async (t) => {
  const gateway = createModelGateway();
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const secret = await fileOf(t, 'secret', CREDENTIAL);
  const { process: running, ended } = start(t, runFlags(data, url, '--input', '-', '--secret-file', secret));
  const said = saidBy(running);
  running.stdin.write('{"ts":1,"volume":1}\n');
  await until(() => gateway.events.size === 1);
  const hangUp = async (found: RegExp): Promise<void> => {
    running.kill('SIGHUP');
    await until(() => found.test(said()));
  };
  await hangUp(/holds the key that is in use/);
  await rm(secret);
  await hangUp(/"code":"secret-unreadable"/);
  await writeFile(secret, NEXT, { mode: 0o644 });
  await hangUp(/"code":"secret-exposed"/);
  running.stdin.write('{"ts":2,"volume":1}\n');
  await until(() => gateway.events.size === 2);
  assert.equal(gateway.requests.at(-1)!.headers[HEADER.key], 'k1');
  await rm(secret);
  await writeFile(secret, NEXT, { mode: 0o600 });
  await hangUp(/"key":"k2"/);
  running.stdin.write('{"ts":3,"volume":1}\n');
  await until(() => gateway.events.size === 3);
  assert.equal(gateway.requests.at(-1)!.headers[HEADER.key], 'k2');
  running.stdin.end();
  assert.equal((await ended).status, 0);
});

test('a secret file without a credential is a call to change, and is named', async (t) => {
  const secret = await fileOf(t, 'secret', 'bad');
  const data = await temporaryDirectory(t);
  const run = runToEnd(t, runFlags(data, 'http://127.0.0.1:9', '--input', 'none', '--secret-file', secret));
  const { status, stderr } = await run;
  assert.equal(status, 2);
  assert.ok(stderr.includes(secret) && stderr.includes('(secret-invalid)'), stderr);
});
