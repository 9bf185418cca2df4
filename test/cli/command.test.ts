import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { addSettings, CommandError, createProgram, integer, runCommand, settings } from '../../src/cli/index.ts';

interface Outcome {
  readonly statuses: readonly number[];
  readonly out: string;
  readonly err: string;
}

/** Runs a program whose one command does `action`, with streams and an exit of its own. */
async function run(argv: readonly string[], action: () => void | Promise<void> = () => {}): Promise<Outcome> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const statuses: number[] = [];
  const program = createProgram('tidegate-test', 'A program for tests.');
  const work = program.command('work').argument('<what>', 'what to do').action(action);
  addSettings(work, settings({ count: ['--count <n>', 'how often', integer().prefault(1)] }));
  await runCommand(program, { argv, host: { stdout, stderr, exit: (status) => statuses.push(status) } });
  return { statuses, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') };
}

test('a command that ends well says nothing and does not end the process itself', async () => {
  assert.deepEqual(await run(['work', 'hard']), { statuses: [], out: '', err: '' });
});

test('the version and the help go to stdout with status 0', async () => {
  assert.deepEqual(await run(['--version']), { statuses: [0], out: `${packageJson.version}\n`, err: '' });
  const help = await run(['--help']);
  assert.deepEqual([help.statuses, help.err], [[0], '']);
  assert.match(help.out, /A program for tests\.[\s\S]*--config <file>[\s\S]*work/);
  assert.match((await run(['work', '--help'])).out, /--count <n>[\s\S]*--log-level/);
});

test('without a command the help goes to stderr with status 2', async () => {
  const { statuses, out, err } = await run([]);
  assert.deepEqual([statuses, out], [[2], '']);
  assert.match(err, /^Usage: tidegate-test/);
});

test('a call that the parser refuses is one line and status 2', async () => {
  for (const argv of [
    ['work'],
    ['work', 'a', 'b'],
    ['work', 'a', '--cuont', '1'],
    ['play'],
    ['work', 'a', '--count'],
    ['work', 'a', '--count', '1', '--count', '2'],
  ]) {
    const { statuses, out, err } = await run(argv);
    assert.deepEqual([statuses, out], [[2], ''], argv.join(' '));
    assert.match(err, /^error: [^\n]+ \(usage\)\n$/, argv.join(' '));
  }
});

test('a CommandError is one line with its code and status 2', async () => {
  const { statuses, err } = await run(['work', 'hard'], () => {
    throw new CommandError('bad-value', 'no good');
  });
  assert.deepEqual({ statuses, err }, { statuses: [2], err: 'error: no good (bad-value)\n' });
});

test('any other failure is one line with its code and status 1', async () => {
  const failure = Object.assign(new Error('cannot open\n  the store', { cause: new Error('disk on fire') }), {
    code: 'io',
  });
  const outcome = await run(['work', 'hard'], () => Promise.reject(failure));
  assert.deepEqual(outcome, { statuses: [1], out: '', err: 'error: cannot open the store: disk on fire (io)\n' });
});

test('a failure without a code is unexpected, whatever was thrown', async () => {
  const thrown = [new TypeError('x is undefined'), new Error(''), 'text', Object.assign(new Error('x'), { code: 7 })];
  const errors = await Promise.all(thrown.map((value) => run(['work', 'a'], () => Promise.reject(value))));
  assert.deepEqual(
    errors.map(({ err }) => err),
    [
      'error: x is undefined (unexpected)\n',
      'error: Error (unexpected)\n',
      'error: text (unexpected)\n',
      'error: x (unexpected)\n',
    ],
  );
});

test('a cause that the message tells already is not told twice', async () => {
  const failure = new Error('cannot: ENOENT', { cause: new Error('ENOENT') });
  assert.equal((await run(['work', 'a'], () => Promise.reject(failure))).err, 'error: cannot: ENOENT (unexpected)\n');
});

test('the stack is shown only with --verbose', async () => {
  const fail = () => Promise.reject(new Error('deep'));
  assert.doesNotMatch((await run(['work', 'a'], fail)).err, /at /);
  assert.match((await run(['work', 'a', '--verbose'], fail)).err, /^error: deep \(unexpected\)\nError: deep\n\s+at /);
});

test('a reader that has gone ends the process without a word', async () => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const statuses: number[] = [];
  const host = { stdout, stderr, exit: (status: number) => statuses.push(status) };
  const program = createProgram('tidegate-test', '').action(() => {});
  await runCommand(program, { argv: [], host });

  stdout.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  assert.deepEqual([statuses, stderr.read()], [[141], null]);

  stdout.emit('error', Object.assign(new Error('write EIO'), { code: 'EIO' }));
  assert.deepEqual([statuses, String(stderr.read())], [[141, 1], 'error: write EIO (EIO)\n']);
});

test('a log that nobody reads any more ends nothing', async () => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const statuses: number[] = [];
  const host = { stdout, stderr, exit: (status: number) => statuses.push(status) };
  const program = createProgram('tidegate-test', '').action(() => {
    stderr.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  });
  await runCommand(program, { argv: [], host });
  assert.deepEqual(statuses, []);
});

test('an error that nobody caught is one line too', async (t) => {
  // The test runner has a listener of its own, which would fail this test.
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  t.after(() => {
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  const { statuses, err } = await run(['work', 'a'], async () => {
    setImmediate(() => {
      throw Object.assign(new Error('lost'), { code: 'stray' });
    });
    await once(process, 'uncaughtException');
  });
  assert.deepEqual({ statuses, err }, { statuses: [1], err: 'error: lost (stray)\n' });
});
