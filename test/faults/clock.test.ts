/** The clock campaign, as large as every change must pass it, and the warp behind it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { type ClockScope, RIGHT, settingOf, startWith } from '../../faults/clock/settings.ts';
import { runCampaigns, sizeOf } from '../../faults/run.ts';
import { createRandom } from '../../rig/random.ts';

const SEED = Number(process.env['SEED'] ?? 1);

/** Says four times what time it is: twice at once, and twice more whenever its clock has been set. */
const CLOCK_WATCHER = `
  const say = () => console.log(JSON.stringify([Date.now(), new Date().getTime(), warpedClock()]));
  const both = () => { say(); setTimeout(say, 30); };
  both();
  process.on('SIGUSR2', both);
  setInterval(() => {}, 60_000);
`;

async function watch(t: TestContext, scope: ClockScope) {
  const random = createRandom(1);
  const far = settingOf('decades ahead', RIGHT, random);
  const { nodeFlags, env } = startWith([far, settingOf('frozen', far, random)], scope);
  const program = spawn(process.execPath, [...nodeFlags!, '-e', CLOCK_WATCHER], { env: { ...process.env, ...env } });
  t.after(() => program.kill('SIGKILL'));
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value ?? '') as [now: number, made: number, warped: number];
  const said = [await next(), await next()];
  const isSet = once(createInterface({ input: program.stderr }), 'line');
  program.kill('SIGUSR2');
  assert.deepEqual(JSON.parse(String((await isSet)[0])), { clock: 1 });
  said.push(await next(), await next());
  return said;
}

test('a warped clock is that of the whole process, and can be set and stand still', async (t) => {
  const [first, later, frozen, still] = await watch(t, 'process');
  for (const [now, made, warped] of [first!, later!, frozen!, still!]) {
    assert(new Date(now).getUTCFullYear() >= 2098 && made - now < 1_000 && warped - now < 1_000);
  }
  assert(later![0] > first![0]);
  assert.deepEqual(still, frozen);
});

test('or only of whoever asks for it', async (t) => {
  const [[now, made, warped] = [0, 0, 0]] = await watch(t, 'option');
  assert(Math.abs(now - Date.now()) < 60_000 && made - now < 1_000);
  assert(new Date(warped).getUTCFullYear() >= 2098);
});

test('wrong clocks lose and double nothing, hold up nothing and change no time', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const [report] = await runCampaigns({ names: ['clock'], seed: SEED, size: sizeOf('ci'), jobs: 1 });
  assert.equal(report?.broken, undefined);
  assert.deepEqual(report?.result?.findings, []);
  const { rows, done } = report!.result!;
  assert(done >= report!.size, `${done} runs`);
  const struck = rows.filter(({ injected }) => injected > 0);
  for (const whose of ['device', 'gateway', 'clock in a forged']) {
    assert(
      struck.some(({ fault, events }) => fault.startsWith(whose) && events > 0),
      whose,
    );
  }
  for (const { fault, lost, doubled } of rows) assert.deepEqual([fault, lost, doubled], [fault, 0, 0]);
  // Two rounds have six devices, each of which was started with a clock and given others.
  assert(struck.reduce((sum, { injected }) => sum + injected, 0) >= 24, JSON.stringify(struck));
});
