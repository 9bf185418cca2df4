import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askControl } from '../../src/device/control.ts';
import { temporaryDirectory, until } from './device-fixture.ts';
import { serveModel } from './gateway-server.ts';
import { createModelGateway } from './model-gateway.ts';
import { csvRows, fileOf, runFlags, runToEnd, start, summaryOf } from './program.ts';

test('a file interrupted under load by SIGTERM, then kill -9, goes on behind its last row: exact totals', async (t) => {
  const gateway = createModelGateway();
  gateway.encodings = ['identity'];
  // Counts everything, and loses every third answer.
  gateway.after = (answer, attempt) => (attempt % 3 === 0 ? new Error('lost') : answer);
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const { csv, volume } = csvRows(20_000);
  const file = await fileOf(t, 'rows.csv', csv);
  const flags = runFlags(data, url, '--input', file, '--batch-events', '500');
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const before = gateway.events.size;
    const { process: running, ended } = start(t, flags);
    await until(() => gateway.events.size > before + 1_000);
    running.kill(signal);
    const interrupted = await ended;
    assert.equal(interrupted.signal, signal === 'SIGKILL' ? signal : null);
    if (signal === 'SIGTERM') assert.equal(interrupted.status, 143, interrupted.stderr);
  }
  assert(gateway.events.size < 20_000, 'interrupted in the middle');
  // The killed run has left its socket behind.
  assert.equal(await askControl(data, 'GET', '/status'), undefined);
  const last = await runToEnd(t, flags);
  assert.equal(last.status, 0, last.stderr);
  assert.equal(gateway.events.size, 20_000);
  assert.equal(gateway.volume(), volume);
  assert.equal(new Set(gateway.events.values()).size, 20_000, 'each row once');
  const { recorded, delivered, queued } = summaryOf(last);
  assert.deepEqual([recorded.events, delivered.events, queued.events], [20_000, 20_000, 0]);
});
