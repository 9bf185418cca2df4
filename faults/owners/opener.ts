/**
 * Opener: a program that opens a gateway's folder or a device's at a given instant, and says how that went.
 *
 * Promises to be loaded and waiting before the instant, so that several open within the same few milliseconds. Its
 * standard error says what it is at, a line of JSON each. SIGTERM closes what it has opened.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownTask } from '../../rig/programs.ts';
import { openDevice } from '../../src/device/index.ts';
import { createGateway } from '../../src/gateway/index.ts';

export interface OpenerTask {
  readonly side: 'device' | 'gateway';
  readonly data: string;
  /** Epoch milliseconds at which to open. */
  readonly at: number;
  readonly id: string;
  readonly secretFile: string;
  /** Where the device sends to; undefined where it is offline. */
  readonly gateway?: string;
  /** How many events the device records once it is open. */
  readonly events: number;
}

/** A line of its standard error has some of these. */
export interface OpenerSays {
  readonly opened?: true;
  readonly url?: string;
  readonly refused?: { readonly code: string; readonly message: string };
  /** Events so far, of the device. */
  readonly attempted?: number;
  readonly resolved?: number;
  readonly drained?: { readonly recorded: number; readonly delivered: number };
}

/** The last stretch is waited for without giving the processor away. */
const SPIN_MS = 5;
const BURST = 10;
const NOWHERE = 'http://127.0.0.1:9';

const task = ownTask<OpenerTask>();
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());

await sleep(Math.max(0, task.at - Date.now() - SPIN_MS));
while (Date.now() < task.at);
try {
  await (task.side === 'gateway' ? runGateway() : runDevice());
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  say({ refused: { code: code ?? 'none', message } });
}
process.exit();

async function runGateway(): Promise<void> {
  const app = await createGateway({ data: task.data });
  say({ opened: true, url: await app.listen({ host: '127.0.0.1', port: 0 }) });
  await stopped();
  await app.close();
}

async function runDevice(): Promise<void> {
  const device = await openDevice({
    id: task.id,
    data: task.data,
    gateway: task.gateway ?? NOWHERE,
    credential: readFileSync(task.secretFile, 'utf8').trim(),
    reserveBytes: 64 << 10,
    retryBaseMs: 20,
    retryMaxMs: 200,
  });
  say({ opened: true });
  let resolved = 0;
  for (let attempted = 0; attempted < task.events && !stop.signal.aborted; ) {
    attempted += BURST;
    say({ attempted });
    await Promise.all(Array.from({ length: BURST }, () => device.record({ volume: 1 })));
    resolved += BURST;
    say({ resolved });
  }
  if (task.gateway === undefined) await stopped();
  else {
    await device.drain();
    const { recorded, delivered } = device.status();
    say({ drained: { recorded: recorded.events, delivered: delivered.events } });
  }
  await device.close();
}

async function stopped(): Promise<void> {
  // A timer that keeps the process, and is over at once.
  await sleep(2 ** 31 - 1, undefined, { signal: stop.signal }).catch(() => {});
}

function say(what: OpenerSays): void {
  process.stderr.write(`${JSON.stringify(what)}\n`);
}
