/**
 * The demo as someone runs it: in a process of its own, with everything that it starts.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

function startDemo(t: TestContext, ...args: string[]) {
  const child = spawn(process.execPath, ['scripts/run.mjs', 'demo/main.ts', ...args], { cwd: root });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stderr });
  const seen: string[] = [];
  lines.on('line', (line) => seen.push(line));
  const ended = Promise.all([once(child, 'close'), text(child.stdout)]).then(([[status], output]) => ({
    status: status as number | null,
    output,
    progress: seen,
  }));
  return {
    child,
    ended,
    folder: async () => /data in (.*)$/.exec((await lineWith(lines, seen, 'data in ')) as string)![1]!,
    line: (part: string | RegExp) => lineWith(lines, seen, part),
  };
}

/** The first line that has the part, past or to come. */
async function lineWith(lines: NodeJS.EventEmitter, seen: readonly string[], part: string | RegExp): Promise<string> {
  for (let at = 0; ; at++) {
    while (at >= seen.length) await once(lines, 'line');
    if (typeof part === 'string' ? seen[at]!.includes(part) : part.test(seen[at]!)) return seen[at]!;
  }
}

/** Process ids of everything that was started on this folder, or of one program. */
async function processesOn(folder: string, program = ''): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return pids.filter((_, at) => commands[at]!.includes(folder) && commands[at]!.includes(program));
}

/** Nothing is left of it, neither processes nor files. */
async function assertGone(folder: string): Promise<void> {
  assert.equal(existsSync(folder), false, `${folder} is still there`);
  if (process.platform === 'linux') assert.deepEqual(await processesOn(folder), []);
}

test('a bounded run over a bad link balances and ends with one line of JSON', async (t) => {
  const demo = startDemo(t, '--once', '--json', '--events', '6000', '--devices', '2', '--seed', '5');
  const folder = await demo.folder();
  const { status, output } = await demo.ended;
  assert.equal(status, 0);
  assert.match(output, /^\{[^\n]+\}\n$/);
  const { recorded, delivered, match, deviceVolume, gatewayVolume, faultsInjected, devices } = JSON.parse(output);
  assert.deepEqual({ recorded, delivered, match }, { recorded: 6_000, delivered: 6_000, match: true });
  assert.match(deviceVolume, /^\d+\.\d+$/);
  assert.equal(gatewayVolume, deviceVolume);
  assert(faultsInjected > 0);
  assert.deepEqual(
    devices.map((device: { recorded: number }) => device.recorded),
    [3_000, 3_000],
  );
  await assertGone(folder);
});

test('devices and gateway may be killed at any time', async (t) => {
  const args = ['--once', '--json', '--events', '4000', '--rate', '500', '--devices', '2', '--kills', '--seed', '2'];
  const { status, output, progress } = await startDemo(t, ...args).ended;
  assert.notEqual(output, '', progress.join('\n'));
  const { recorded, delivered, match, kills } = JSON.parse(output);
  assert.deepEqual(
    { status, recorded, delivered, match },
    { status: 0, recorded: 4_000, delivered: 4_000, match: true },
  );
  assert(kills > 0, progress.join('\n'));
});

test('a real file is recorded, and its sum is that of the file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-demo-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'meter.csv');
  const rows = Array.from({ length: 1_000 }, (_, i) => `2026-01-01T00:00:00Z,meter,${i % 100}.${i % 10}1`);
  await writeFile(file, `ts,sensor,volume\n${rows.join('\n')}\n`);
  const cents = rows.reduce((sum, _, i) => sum + 100 * (i % 100) + 10 * (i % 10) + 1, 0);
  const { status, output } = await startDemo(t, '--json', '--data', file, '--no-faults', '--dir', folder).ended;
  const { recorded, match, gatewayVolume, faultsInjected } = JSON.parse(output);
  assert.deepEqual(
    { status, recorded, match, gatewayVolume, faultsInjected },
    { status: 0, recorded: 1_000, match: true, gatewayVolume: String(cents / 100), faultsInjected: 0 },
  );
  assert(existsSync(join(folder, 'gateway')), 'a folder that was asked for stays');
});

test('an interrupt, however often it comes at once, heals, drains and reconciles', async (t) => {
  const demo = startDemo(t, '--rate', '300', '--devices', '2');
  const folder = await demo.folder();
  await demo.line(/: [1-9][\d,]* recorded, \d+ queued, [1-9]/);
  demo.child.kill('SIGINT');
  demo.child.kill('SIGTERM');
  const { status, output } = await demo.ended;
  assert.equal(status, 0);
  assert.match(output, /^all +[1-9][\d,]* +0 .* ✓/m);
  assert.match(output, /exactly once, and every sum agrees/);
  await assertGone(folder);
});

test('a second interrupt ends it at once, and leaves nothing behind', async (t) => {
  const demo = startDemo(t, '--devices', '2');
  const folder = await demo.folder();
  await demo.line('recording');
  demo.child.kill('SIGINT');
  // Later than npm would repeat it, sooner than a drain could be over.
  await sleep(600);
  demo.child.kill('SIGINT');
  const { status } = await demo.ended;
  assert.equal(status, 130);
  await assertGone(folder);
});

test('a terminal that is closed takes all of it along', async (t) => {
  const demo = startDemo(t, '--devices', '1');
  const folder = await demo.folder();
  await demo.line('recording');
  demo.child.kill('SIGHUP');
  assert.equal((await demo.ended).status, 129);
  await assertGone(folder);
});

test('programs of a demo that was killed end by themselves', { skip: process.platform !== 'linux' }, async (t) => {
  const demo = startDemo(t, '--devices', '1');
  const folder = await demo.folder();
  t.after(() => rm(folder, { recursive: true, force: true }));
  await demo.line(/: [1-9][\d,]* recorded/);
  assert.equal((await processesOn(folder)).length, 2);
  demo.child.kill('SIGKILL');
  await demo.ended;
  for (let tries = 0; (await processesOn(folder)).length > 0; tries++) {
    assert(tries < 100, 'they are still running');
    await sleep(50);
  }
});

test('a run that is not over in its time says so, with status 1', async (t) => {
  const args = ['--once', '--json', '--events', '1000000', '--rate', '50', '--devices', '1', '--timeout', '3s'];
  const { status, output } = await startDemo(t, ...args).ended;
  const { match, isComplete } = JSON.parse(output);
  assert.deepEqual({ status, match, isComplete }, { status: 1, match: false, isComplete: false });
});

test('a program that fails ends the demo with its own words', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-demo-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  // What is in the way of the gateway's store.
  await writeFile(join(folder, 'gateway'), '');
  const { status, output, progress } = await startDemo(t, '--once', '--devices', '1', '--dir', folder).ended;
  assert.deepEqual({ status, output }, { status: 1, output: '' });
  assert.match(progress.at(-1)!, /^error: tidegate-gateway keys ended with status \d+: .*(EEXIST|ENOTDIR)/);
});

for (const program of ['gateway', 'device']) {
  const skip = process.platform !== 'linux';
  test(`a ${program} that dies by itself ends the demo`, { skip }, async (t) => {
    const demo = startDemo(t, '--devices', '1');
    const folder = await demo.folder();
    await demo.line(/: [1-9][\d,]* recorded/);
    const [pid] = await processesOn(folder, `tidegate-${program}`);
    process.kill(Number(pid), 'SIGKILL');
    const { status, progress } = await demo.ended;
    assert.equal(status, 1);
    assert.match(progress.at(-1)!, /^error: (the gateway|pump-1) ended with status 137/);
    await assertGone(folder);
  });
}

test('a call that makes no sense starts nothing', async (t) => {
  for (const args of [
    ['--events', '0'],
    ['--rate', 'fast'],
    ['--devices', '21'],
    ['--bogus'],
    ['extra'],
    ['--data', 'a', '--events', '1'],
  ]) {
    const { status, output, progress } = await startDemo(t, ...args).ended;
    assert.deepEqual({ status, output }, { status: 2, output: '' }, args.join(' '));
    assert.match(progress[0]!, /^error: /);
  }
});

test('a file whose columns or rows are not understood is no success, and one whose columns are named is', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-rows-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'rows.csv');
  await writeFile(path, 'time,flow_m3\n2026-01-02T03:04:05Z,1.5\n2026-01-02T03:05:05Z,2.5\n');
  const refusedPath = join(folder, 'refused.csv');
  await writeFile(refusedPath, 'ts,volume\nyesterday,1.5\ntoday,2.5\n');
  const flags = ['--json', '--devices', '1', '--no-faults', '--data'];
  const [unknown, refused, mapped] = await Promise.all([
    startDemo(t, ...flags, path).ended,
    startDemo(t, ...flags, refusedPath).ended,
    startDemo(t, ...flags, path, '--map', 'ts=time,volume=flow_m3').ended,
  ]);
  assert.equal(unknown.status, 1);
  assert.match(unknown.progress.at(-1)!, /^error: pump-1: .*"time", "flow_m3" \(input-heading\)$/);
  const result = JSON.parse(refused.output);
  assert.deepEqual([refused.status, result.recorded, result.refused], [1, 0, 2]);
  const good = JSON.parse(mapped.output);
  assert.deepEqual([mapped.status, good.recorded, good.refused, good.deviceVolume], [0, 2, 0, '4']);
});

test('a call that is wrong ends in one line with a code, before anything is started', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-rows-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const empty = join(folder, 'empty.csv');
  await writeFile(empty, '');
  const wrong: [code: string, status: number, ...flags: string[]][] = [
    ['usage', 2, '--seed', '1', '--seed', '2'],
    ['usage', 2, '--sede', '1'],
    ['usage', 2, 'frob'],
    ['usage', 2, '--map', 'ts=time'],
    ['usage', 2, '--data', empty, '--devices', '2'],
    ['bad-value', 2, '--data', ''],
    ['bad-value', 2, '--data', join(folder, 'absent.csv')],
    ['bad-value', 2, '--data', folder],
    ['input-empty', 1, '--data', empty],
  ];
  for (const [code, status, ...flags] of wrong) {
    const { ended } = startDemo(t, ...flags);
    const end = await ended;
    const lines = end.progress.filter((line) => !line.startsWith('starting '));
    assert.deepEqual([end.status, end.output, lines.length], [status, '', 1], lines.join());
    assert(lines[0]!.endsWith(`(${code})`), lines[0]);
  }
});

test('rows of a file are judged as `tidegate-device run` judges them: as they are, and as one input', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-rows-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const latin = Buffer.from(
    'ts,sensor,volume\n2026-01-01,K\xfchler,10\n2026-01-02,K\xf6hler,200\n2026-01-03,\xe4,3000\n',
    'latin1',
  );
  const cases: [name: string, content: string | Buffer, due: object, ...flags: string[]][] = [
    ['latin.csv', latin, { status: 1, recorded: 0, refused: 3, leftBytes: 0 }],
    ['half.csv', 'ts,volume\n2026-01-01,10\n2026-01-02,12', { status: 1, recorded: 1, refused: 0, leftBytes: 13 }],
    [
      'kinds.csv',
      'ts,x\n2026-01-01,off\n2026-01-02,2\n2026-01-03,off\n',
      { status: 1, recorded: 2, refused: 1, leftBytes: 0 },
    ],
    [
      'rows.txt',
      'ts,volume\n2026-01-01,1\n2026-01-02,2',
      { status: 0, recorded: 2, refused: 0, leftBytes: 0 },
      '--format',
      'csv',
      '--last-line',
    ],
  ];
  for (const [name, content, due, ...flags] of cases) {
    await writeFile(join(folder, name), content);
    const { status, output } = await startDemo(t, '--json', '--no-faults', '--data', join(folder, name), ...flags)
      .ended;
    const { recorded, refused, leftBytes } = JSON.parse(output);
    assert.deepEqual({ status, recorded, refused, leftBytes }, due, `${name} ${flags}`);
  }
});
