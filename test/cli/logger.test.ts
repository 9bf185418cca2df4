import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { createLogger } from '../../src/cli/index.ts';

function target(isTTY: boolean) {
  return Object.assign(new PassThrough(), { isTTY });
}

const quiet = { logLevel: undefined, verbose: false };

test('for a machine a line is JSON with the name of the program', () => {
  const stream = target(false);
  createLogger('tidegate-test', quiet, stream).info({ batches: 2 }, 'drained');
  const line = JSON.parse(String(stream.read()));
  assert.deepEqual([line.name, line.msg, line.batches, line.level], ['tidegate-test', 'drained', 2, 30]);
});

test('for a person a line is plain words, written before the call returns', () => {
  const stream = target(true);
  createLogger('tidegate-test', quiet, stream).warn({ batches: 2 }, 'link is down');
  const line = String(stream.read());
  assert.match(line, /WARN/);
  assert.match(line, /link is down/);
  assert.doesNotMatch(line, /hostname|"level"/);
});

test('the level is what is asked for, else debug where verbose, else info', () => {
  assert.equal(createLogger('a', quiet, target(false)).level, 'info');
  assert.equal(createLogger('a', { ...quiet, verbose: true }, target(false)).level, 'debug');
  assert.equal(createLogger('a', { logLevel: 'error', verbose: true }, target(false)).level, 'error');
  const stream = target(false);
  createLogger('a', { logLevel: 'silent', verbose: false }, stream).error('nothing');
  assert.equal(stream.read(), null);
});

test('secrets and signatures are blotted out wherever a request or options are logged', () => {
  const stream = target(false);
  const logger = createLogger('a', quiet, stream);
  const headers = { 'x-signature': 'v1=hunter2', authorization: 'Bearer hunter2', 'x-device-id': 'pump-1' };
  logger.info({ headers });
  logger.info({ req: { headers }, res: { headers } });
  logger.info({ secret: 'hunter2', adminToken: 'hunter2', key: { secret: 'hunter2' } });
  const lines = String(stream.read());
  assert.doesNotMatch(lines, /hunter2/);
  assert.equal(lines.match(/\[secret\]/g)?.length, 9);
  assert.match(lines, /pump-1/);
});
