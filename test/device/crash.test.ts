/** Promise 1, against kill -9 at random moments: what `record()` resolved is at the gateway once, to the last digit. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createRandom, seedOf } from '../codec/property.ts';
import { temporaryDirectory, testDevice } from './device-fixture.ts';
import { serveModel } from './gateway-server.ts';
import { createModelGateway } from './model-gateway.ts';

const RECORDER = fileURLToPath(new URL('./crash-recorder.ts', import.meta.url));
const DEVICES = 2;
const ROUNDS = 5;

/** Runs the recorder until it is killed, and gives every line that it wrote. */
async function recordUntilKilled(t: TestContext, args: readonly string[], random: () => number): Promise<string[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', RECORDER, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const linesMin = Math.floor(random() * 300);
  const delayMs = random() * 20;
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === linesMin + 1) setTimeout(() => child.kill('SIGKILL'), delayMs);
  }
  assert.deepEqual(await exited, [null, 'SIGKILL']);
  return lines;
}

test('what was resolved before a kill -9 counts exactly once', async (t) => {
  const random = createRandom(seedOf(t));
  const crashes = Array.from({ length: DEVICES }, async (_, i) => {
    const gateway = createModelGateway();
    gateway.encodings = ['identity'];
    gateway.before = () => (random() < 0.1 ? new Error('lost on its way') : undefined);
    gateway.after = (answer) => (random() < 0.3 ? new Error('lost on its way back') : answer);
    const { url } = await serveModel(t, gateway);
    const data = await temporaryDirectory(t);
    const told: string[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      told.push(...(await recordUntilKilled(t, [data, url, `pump-${i}`, `${round}`], random)));
    }
    gateway.before = () => undefined;
    gateway.after = (answer) => answer;
    const device = await testDevice(t, gateway, { data, id: `pump-${i}` });
    await device.drain();
    for (const line of told) {
      const [id = '', ts, sensor, volume] = line.split(' ');
      const found = gateway.events.get(id);
      assert.equal(found, JSON.stringify({ ts: Number(ts), sensor, fields: { volume: Number(volume) } }), line);
    }
    assert.equal(new Set(gateway.events.values()).size, gateway.events.size, 'nothing counts twice');
    // At most what was under way is there besides.
    assert(gateway.events.size - told.length <= 4 * ROUNDS * 2, `${gateway.events.size} for ${told.length}`);
    assert.equal(device.status().delivered.events, gateway.events.size);
    await device.close();
    return told.length;
  });
  t.diagnostic(`${(await Promise.all(crashes)).join(' and ')} events over ${ROUNDS} crashes each`);
});
