import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { DEVICE_ID, temporaryDirectory } from './device-fixture.ts';
import { serveModel } from './gateway-server.ts';
import { createModelGateway } from './model-gateway.ts';
import { csvRows, fileOf, runFlags, runOnTerminal, runToEnd, summaryOf } from './program.ts';

const WHOLE = {
  recorded: 0,
  refused: 0,
  skipped: 0,
  refusals: {},
  waitingBytes: 0,
  lostBytes: 0,
  dropped: 0,
  unreadable: 0,
  valueless: 0,
};

test('run --input FILE: status 0 once all is counted, to the last digit; a second run adds nothing', async (t) => {
  const gateway = createModelGateway();
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const { csv, volume } = csvRows(9_000);
  const file = await fileOf(t, 'rows.csv', csv);
  const ended = await runToEnd(t, runFlags(data, url, '--input', file));
  assert.equal(ended.status, 0, ended.stderr);
  assert.equal(gateway.events.size, 9_000);
  assert.equal(gateway.volume(), volume);
  const { input, id, recorded, delivered, queued } = summaryOf(ended);
  assert.deepEqual(input, { ...WHOLE, recorded: 9_000 });
  assert.deepEqual([id, recorded.events, delivered.events, queued.events], [DEVICE_ID, 9_000, 9_000, 0]);
  assert.equal(BigInt(Math.round(Number(delivered.sums['volume']) * 1e6)), volume);
  assert.equal(ended.stdout.split('\n').length, 2, 'one line');
  const again = await runToEnd(t, runFlags(data, url, '--input', file));
  assert.equal(again.status, 0);
  assert.deepEqual(summaryOf(again).input, { ...WHOLE, skipped: 9_000 });
  assert.match(again.stderr, /recorded by an earlier run; --from-start/);
  assert.equal(gateway.events.size, 9_000);
});

test('run --input -: rows from a pipe, mapped; refused ones are reported with their line', async (t) => {
  const gateway = createModelGateway();
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const lines = [
    '{"time":"2024-01-02 03:04:05","meter":"m1","flow":1.5,"noise":9}',
    'nonsense',
    '{"time":1700000000,"flow":2.25}',
    '{"time":1700000001,"flow":12345678901234567890}',
  ];
  const flags = ['--map', 'ts=time, sensor=meter,volume=flow', '--skip', 'noise', '--time-unit', 's', '--sensor', 'x'];
  const ended = await runToEnd(t, runFlags(data, url, '--input', '-', ...flags), lines.join('\n'));
  assert.equal(ended.status, 3, ended.stderr);
  assert.deepEqual(
    [...gateway.events.values()].map((event) => JSON.parse(event)),
    [
      { ts: Date.UTC(2024, 0, 2, 3, 4, 5), sensor: 'm1', fields: { volume: 1.5 } },
      { ts: 1_700_000_000_000, sensor: 'x', fields: { volume: 2.25 } },
    ],
  );
  const { recorded, refused, refusals } = summaryOf(ended).input;
  assert.deepEqual([recorded, refused], [2, 2]);
  assert.deepEqual(
    Object.entries(refusals).map(([code, { rows, lines }]) => [code, rows, lines]),
    [
      ['row-malformed', 1, [2]],
      ['event-number', 1, [4]],
    ],
  );
});

test('refused rows: status 3, a file to put them right in, and each row counted once', async (t) => {
  const gateway = createModelGateway();
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const file = await fileOf(t, 'rows.csv', 'ts,volume\n1,1\n2,ERR\n3,3\nx,4\n5,5\n');
  const rejects = join(data, 'rejects.csv');
  const ended = await runToEnd(t, runFlags(data, url, '--input', file, '--rejects', rejects));
  assert.equal(ended.status, 3, ended.stderr);
  assert.equal(await readFile(rejects, 'utf8'), 'ts,volume\n2,ERR\nx,4\n');
  await writeFile(rejects, 'ts,volume\n2,2\n4,4\n');
  assert.equal((await runToEnd(t, runFlags(data, url, '--input', rejects))).status, 0);
  const again = await runToEnd(t, runFlags(data, url, '--input', file, '--rejects', rejects));
  assert.equal(again.status, 0, again.stderr);
  assert.equal(gateway.events.size, 5);
  assert.equal(gateway.volume(), 15_000_000n);
});

test('what is behind the last line end: status 4, recorded once it is whole or a flag says so', async (t) => {
  const gateway = createModelGateway();
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const file = await fileOf(t, 'rows.csv', 'ts,volume\n1,1\n2,12');
  const flags = runFlags(data, url, '--input', file);
  const ended = await runToEnd(t, flags);
  assert.equal(ended.status, 4, ended.stderr);
  assert.deepEqual(summaryOf(ended).input, { ...WHOLE, recorded: 1, waitingBytes: 4 });
  await appendFile(file, '.75\n3,3');
  assert.equal((await runToEnd(t, [...flags, '--last-line'])).status, 0);
  assert.equal(gateway.volume(), 16_750_000n);
  assert.equal((await runToEnd(t, flags)).status, 0);
  assert.equal(gateway.events.size, 3);
});

test('status 3 stands before 2 and 4: refused rows are what must be seen to first', async (t) => {
  const gateway = createModelGateway();
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const file = await fileOf(t, 'rows.csv', 'ts,volume\n1,1\n2,ERR\n3,12');
  const both = await runToEnd(t, runFlags(data, url, '--input', file, '--time-unit', 'ms'));
  assert.equal(both.status, 3, both.stderr);
  const { refused, waitingBytes } = summaryOf(both).input;
  assert.deepEqual([refused, waitingBytes], [1, 4]);
  const flags = runFlags(data, url, '--input', '-', '--text', 'nowhere', '--time-unit', 'ms');
  assert.equal((await runToEnd(t, flags, '{"ts":4,"volume":1}\nnonsense\n')).status, 3);
  assert.equal((await runToEnd(t, flags, '{"ts":5,"volume":1}\n')).status, 2);
});

test('run --input simulate: ends after its events; the same seed, the same volumes', async (t) => {
  const volumes = await Promise.all(
    [0, 1].map(async () => {
      const gateway = createModelGateway();
      const { url } = await serveModel(t, gateway);
      const flags = ['--input', 'simulate', '--events', '700', '--rate', '0', '--seed', '5', '--profile', 'machine'];
      const ended = await runToEnd(t, runFlags(await temporaryDirectory(t), url, ...flags));
      assert.equal(ended.status, 0, ended.stderr);
      assert.equal(gateway.events.size, 700);
      assert.deepEqual(summaryOf(ended).input, { ...WHOLE, recorded: 700 });
      return gateway.volume();
    }),
  );
  assert.equal(volumes[0], volumes[1]);
});

test('on a terminal a file has a progress bar, and the end is said for a person', async (t) => {
  const gateway = createModelGateway();
  const { url } = await serveModel(t, gateway);
  const file = await fileOf(t, 'rows.csv', csvRows(50).csv);
  const flags = runFlags(await temporaryDirectory(t), url, '--input', file).filter((flag) => flag !== '--json');
  const ended = await runOnTerminal(t, flags);
  if (!ended) return t.skip('there is no python3 to make a terminal with');
  assert.equal(ended.status, 0, ended.stdout);
  assert.match(ended.stdout, /recorded ━+ 100 %, 50 rows/);
  assert.match(ended.stdout, /INFO.*done: everything recorded is acknowledged/);
  assert.equal(gateway.events.size, 50);
});

test('rows without a value are told of, and nothing is wrong with them; flags of simulate are', async (t) => {
  const gateway = createModelGateway();
  const { url } = await serveModel(t, gateway);
  const data = await temporaryDirectory(t);
  const file = await fileOf(t, 'rows.csv', 'ts,volume\n1,1\n2,NAN\n3,\n4,4\n');
  const flags = runFlags(data, url, '--input', file, '--missing', 'NAN');
  for (const idle of ['events', 'rate', 'sensors', 'seed', 'profile']) {
    const ended = await runToEnd(t, [...flags, `--${idle}`, idle === 'profile' ? 'flow' : '1']);
    assert.equal(ended.status, 2);
    assert.match(ended.stderr, new RegExp(`--${idle} .*\\(input-flags\\)`));
  }
  const ended = await runToEnd(t, flags);
  assert.equal(ended.status, 0, ended.stderr);
  assert.deepEqual(summaryOf(ended).input, { ...WHOLE, recorded: 2, valueless: 2 });
  assert.match(ended.stderr, /"rows":2,"msg":"rows have a time and no value/);
});
