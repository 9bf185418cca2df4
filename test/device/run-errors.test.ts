import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { controlPath } from '../../src/device/control.ts';
import { temporaryDirectory } from './device-fixture.ts';
import { CREDENTIAL } from './model-gateway.ts';
import { fileOf, runFlags, runToEnd } from './program.ts';

const NOWHERE = 'http://127.0.0.1:9';

/** What the program ends with: its status, and its one line. */
async function failure(t: TestContext, flags: readonly string[], env: NodeJS.ProcessEnv = {}, input = '') {
  const { status, stdout, stderr } = await runToEnd(t, flags, input, { ...env });
  const lines = stderr.split('\n').filter((line) => line.startsWith('error: '));
  assert.equal(lines.length, 1, stderr);
  assert.equal(stdout, '');
  return { status, code: /\(([^()]*)\)$/.exec(lines[0]!)?.[1] };
}

test('a call that must be changed ends with status 2 and one line that says how', async (t) => {
  const data = await temporaryDirectory(t);
  const exposed = await fileOf(t, 'secret', `${CREDENTIAL}\n`, 0o644);
  const found = await Promise.all([
    failure(t, runFlags(data, NOWHERE, '--secret-file', exposed)),
    failure(t, runFlags(data, NOWHERE, '--flood')),
    failure(t, runFlags(data, NOWHERE, '--map', 'volume')),
    failure(t, runFlags(data, 'ftp://x')),
    failure(t, runFlags(await temporaryDirectory(t), NOWHERE, '--input', await fileOf(t, 'a.csv', 'time,flow\n1,2\n'))),
    failure(
      t,
      runFlags(
        await temporaryDirectory(t),
        NOWHERE,
        '--input',
        await fileOf(t, 'b.csv', 'ts,flow\n1,2\n'),
        '--map',
        'volume=flw',
      ),
    ),
    failure(t, runFlags(await temporaryDirectory(t), NOWHERE, '--input', '/nothing/here.csv')),
  ]);
  assert.deepEqual(found, [
    { status: 2, code: 'secret-exposed' },
    { status: 2, code: 'usage' },
    { status: 2, code: 'bad-value' },
    { status: 2, code: 'bad-value' },
    { status: 2, code: 'input-heading' },
    { status: 2, code: 'input-columns' },
    { status: 2, code: 'input-unreadable' },
  ]);
});

test('a folder without a queue, and a secret that is none, are calls to change', async (t) => {
  const found = await Promise.all([
    failure(t, ['status', '--data', await temporaryDirectory(t)]),
    failure(t, runFlags(await temporaryDirectory(t), NOWHERE), { TIDEGATE_SECRET: 'not a credential' }),
  ]);
  assert.deepEqual(found, [
    { status: 2, code: 'not-found' },
    { status: 2, code: 'secret-invalid' },
  ]);
});

test('--strict ends at the first row that is refused', async (t) => {
  const data = await temporaryDirectory(t);
  const rows = '{"ts":1,"volume":1}\n{"ts":2}\n{"ts":3,"volume":3}\n';
  const { status, code } = await failure(t, runFlags(data, NOWHERE, '--strict'), {}, rows);
  assert.deepEqual([status, code], [2, 'bad-value']);
  const { stdout } = await runToEnd(t, ['status', '--data', data, '--json']);
  assert.equal(JSON.parse(stdout).recorded.events, 0);
});

test('a data directory that holds no socket is worth a warning, not the events', async (t) => {
  const data = await temporaryDirectory(t);
  await mkdir(controlPath(data));
  const { status, stdout, stderr } = await runToEnd(t, runFlags(data, NOWHERE, '--no-drain'), '{"ts":1,"volume":1}\n');
  assert.equal(status, 0, stderr);
  assert.equal(JSON.parse(stdout).recorded.events, 1);
  assert.match(stderr, /no control socket/);
});
