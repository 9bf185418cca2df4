/** A minimal device, written from the pages alone, delivers to a real gateway whatever stands between them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createRandom, seedOf } from '../codec/property.ts';
import { DEVICE, KEY_ID, read, SECRET, type TestGateway, testGateway } from '../gateway/gateway-fixture.ts';

interface MinimalDevice {
  status(): { recorded: number; queued: number; quarantined: number; offsetMs: number };
  refused(): { sequence: number; sensor: string; volume: number; code: string }[];
  record(ts: number, sensor: string, volume: number): void;
  drain(): Promise<void>;
}

interface MinimalOptions {
  readonly url: string;
  readonly deviceId: string;
  readonly credential: string;
  readonly folder: string;
  readonly clock: () => number;
  readonly wait: (ms: number) => Promise<void>;
  readonly onPause: (code: string) => void;
}

const { href } = new URL('./minimal-device.mjs', import.meta.url);
const { openMinimalDevice } = (await import(href)) as { openMinimalDevice(options: MinimalOptions): MinimalDevice };

/** What stands between: asked before each request. */
type Fault = 'nothing' | 'portal' | 'condemned' | 'lost before' | 'lost behind' | 'later';

/** A way to the gateway that does to each request what it is told. */
async function wayTo(t: TestContext, gateway: TestGateway, faultOf: () => Fault): Promise<string> {
  const server = http.createServer(async (incoming, answer): Promise<unknown> => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const fault = faultOf();
    if (fault === 'portal') return answer.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>');
    if (fault === 'condemned') return answer.writeHead(422).end('{"code":"sensor-limit","status":422}');
    if (fault === 'later') return answer.writeHead(503, { 'retry-after': '1' }).end();
    if (fault === 'lost before') return incoming.socket.destroy();
    const { method, url, rawHeaders } = incoming;
    const onward = http.request(`${gateway.url}${url}`, {
      method: method!,
      headers: rawHeaders as never,
      agent: false,
    });
    onward.on('response', (said): unknown => {
      if (fault === 'lost behind') return incoming.socket.destroy();
      answer.writeHead(said.statusCode!, said.headers);
      return said.pipe(answer);
    });
    return onward.end(Buffer.concat(chunks));
  });
  t.after(() => server.close());
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function minimalDevice(t: TestContext, url: string, options: Partial<MinimalOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-minimal-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const waits: number[] = [];
  const pauses: string[] = [];
  const open = () =>
    openMinimalDevice({
      url,
      folder,
      deviceId: DEVICE,
      credential: `${KEY_ID}.${SECRET.toString('base64url')}`,
      clock: Date.now,
      wait: async (ms) => void waits.push(ms),
      onPause: (code) => void pauses.push(code),
      ...options,
    });
  return { open, waits, pauses };
}

/** In hundredths, so that a sum of integers is the exact one. */
const textOf = (hundredths: number): string => String(hundredths / 100);

test('what a minimal device records is counted exactly, over any way, whenever it starts anew', async (t) => {
  const random = createRandom(seedOf(t));
  const faults = ['portal', 'condemned', 'lost before', 'lost behind', 'later'] as const;
  let requests = 0;
  const faultOf = (): Fault => {
    requests++;
    return random() < 0.5 ? 'nothing' : faults[Math.floor(random() * faults.length)]!;
  };
  // An hour apart, and a gateway that takes few events.
  const gateway = await testGateway(t, { clock: () => Date.now() + 3_600_000, limits: { eventsMax: 7 } });
  const { open, waits } = minimalDevice(t, await wayTo(t, gateway, faultOf));
  let hundredths = 0;
  let recorded = 0;
  for (let start = 0; start < 5; start++) {
    const device = open();
    assert.equal(device.status().recorded, recorded);
    for (let i = 0; i < 40; i++) {
      const value = Math.floor(random() * 100_000);
      device.record(1_700_000_000_000 + 1_000 * recorded++, i % 3 === 0 ? 'outlet' : 'inlet', value / 100);
      hundredths += value;
    }
    // Not every start comes to its end.
    if (start % 2 === 0) await device.drain();
    if (start % 2 === 0) assert(Math.abs(device.status().offsetMs - 3_600_000) < 60_000);
  }
  const device = open();
  await device.drain();
  assert.deepEqual({ ...device.status(), offsetMs: 0 }, { recorded, queued: 0, quarantined: 0, offsetMs: 0 });
  const { events, measures } = await read(gateway, '/v1/totals');
  assert.equal(events, recorded);
  assert.equal(measures.volume.sum, textOf(hundredths));
  assert(waits.length > 0 && requests > recorded / 7);
  t.diagnostic(`${requests} requests, ${waits.length} waits`);
});

test('a minimal device puts aside what is refused for good, and only that', async (t) => {
  const gateway = await testGateway(t, { limits: { sensorsMax: 2 } });
  const { open, waits } = minimalDevice(t, gateway.url);
  const device = open();
  for (let i = 1; i <= 60; i++) device.record(1_700_000_000_000 + i, ['a', 'b', 'c'][i % 3]!, i / 4);
  await device.drain();
  const guilty = device.refused();
  // Which sensors come first depends on nothing but the order of events.
  assert.deepEqual([...new Set(guilty.map(({ sensor, code }) => `${sensor} ${code}`))], ['a sensor-limit']);
  assert.equal(guilty.length, 20);
  assert.deepEqual({ ...device.status(), offsetMs: 0 }, { recorded: 60, queued: 0, quarantined: 20, offsetMs: 0 });
  assert.equal((await read(gateway, '/v1/totals')).events, 40);
  assert.equal(open().refused().length, 20);
  assert.deepEqual(waits, []);
});

test('a minimal device whose key is revoked pauses, says so, and goes on when it may', async (t) => {
  const gateway = await testGateway(t);
  gateway.keys.set(DEVICE, KEY_ID, { revoked: true });
  const wait = async () => {
    if (pauses.length === 3) gateway.keys.set(DEVICE, KEY_ID, { revoked: false });
  };
  const { open, pauses } = minimalDevice(t, gateway.url, { wait });
  const device = open();
  device.record(1, 'a', 1.5);
  await device.drain();
  assert.deepEqual(pauses, ['key-revoked', 'key-revoked', 'key-revoked']);
  assert.equal((await read(gateway, '/v1/totals')).events, 1);
});

test('a device takes nothing from a gateway that only says it is one', async (t) => {
  let answers = 0;
  const gateway = await testGateway(t);
  const way = await wayTo(t, gateway, () =>
    answers++ < 20 ? (answers % 2 === 0 ? 'portal' : 'condemned') : 'nothing',
  );
  const { open, waits, pauses } = minimalDevice(t, way);
  const device = open();
  for (let i = 1; i <= 5; i++) device.record(i, 'a', i);
  await device.drain();
  assert.equal(waits.length, 20);
  assert.deepEqual([pauses, device.refused()], [[], []]);
  assert.equal((await read(gateway, '/v1/totals')).events, 5);
});
