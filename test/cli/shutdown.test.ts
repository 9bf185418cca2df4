import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const door = new URL('../../src/cli/index.ts', import.meta.url).href;

/** A program that prints `ready`, then whatever `stop` makes it print. */
async function program(t: TestContext, stop: string): Promise<{ child: ChildProcess; line: () => Promise<string> }> {
  const code = `
    import { onShutdown, createProgram, runCommand } from '${door}';
    await runCommand(createProgram('p', '').action(async () => {
      const alive = setInterval(() => {}, 1000);
      const shutdown = onShutdown(${stop});
      console.log('ready');
      await shutdown.done;
      shutdown.release();
      console.log('ended well', process.listenerCount('SIGTERM'));
      clearInterval(alive);
    }), { argv: [] });`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => String((await lines.next()).value);
  assert.equal(await line(), 'ready');
  return { child, line };
}

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`the first ${signal} ends well`, async (t) => {
    const { child, line } = await program(t, 'async (signal) => console.log(signal)');
    child.kill(signal);
    assert.equal(await line(), signal);
    assert.equal(await line(), 'ended well 0');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  test(`the second ${signal} ends at once with status ${status}`, async (t) => {
    const { child, line } = await program(t, '(signal) => new Promise(() => console.log(signal))');
    child.kill(signal === 'SIGINT' ? 'SIGTERM' : 'SIGINT');
    await line();
    child.kill(signal);
    assert.deepEqual(await once(child, 'exit'), [status, null]);
  });
}

test('an end that fails is a failure of the command', async (t) => {
  const { child } = await program(t, 'async () => { throw Object.assign(new Error("stuck"), { code: "io" }) }');
  const errors: Buffer[] = [];
  child.stderr?.on('data', (chunk) => errors.push(chunk));
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'close'), [1, null]);
  assert.equal(Buffer.concat(errors).toString(), 'error: stuck (io)\n');
});
