/**
 * Copies: data that are put back from a copy, run twice, or are gone in part or altogether.
 *
 * Owns these scenarios. An older copy of a queue sends again what it has, which is recognised, and never gives an old
 * id to a new event; so do two of one device. Of a queue whose database is gone, what waited is declared as a gap, to
 * the event; a gateway whose database is gone refuses to count anew, and goes on from a copy.
 */
import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pair } from './pair.ts';
import type { Scenario } from './scenario.ts';

/** Long enough for some commits, on a busy machine too. */
const WHILE_MS = 500;
const DRAIN_MS = 60_000;

export const copies: readonly Scenario[] = [
  {
    fault: 'a queue put back from an older copy',
    hasAccount: false,
    async strike({ pair, folder, random }) {
      await pair.startGateway();
      // What is in the copy was delivered since, or before.
      const isDelivered = random() < 0.5;
      if (!isDelivered) await pair.kill('gateway');
      await recorded(pair);
      await pair.kill('device');
      const copy = await copyOf(pair.device.data, folder);
      if (!isDelivered) await pair.startGateway();
      await recorded(pair);
      await pair.drainDevice();
      await putBack(pair.device.data, copy);
      await pair.startDevice();
      return await pair.untilCounting('nothing was counted from the older copy');
    },
  },
  {
    fault: 'two devices of one id with copies of one queue',
    hasAccount: false,
    async strike({ pair, folder }) {
      await pair.startGateway();
      await pair.kill('gateway');
      await recorded(pair);
      await pair.kill('device');
      const twin = pair.twin(await copyOf(pair.device.data, folder));
      await pair.startGateway();
      await pair.startDevice();
      const run = { gateway: pair.gateway.url, seed: 7 };
      await twin.start({ ...run, events: null });
      const recoveryMs = await pair.untilCounting('nothing was counted of two devices');
      await sleep(WHILE_MS);
      await twin.drain(run, DRAIN_MS);
      return recoveryMs;
    },
  },
  {
    fault: "a device's database that is gone, or half of it",
    hasAccount: false,
    async strike({ pair, random }) {
      const database = join(pair.device.data, 'queue/db-1');
      const how = random();
      await pair.startGateway();
      await recorded(pair);
      await pair.kill('gateway');
      await sleep(WHILE_MS);
      if (how < 0.4) {
        // Under a device that goes on, into files without a name.
        await rm(database, { recursive: true });
        await sleep(WHILE_MS);
      }
      await pair.kill('device');
      if (how > 0.7) await removeHalf(database, random);
      else await rm(database, { recursive: true, force: true });
      // Somebody reads what it says, and has nothing to put back.
      if ((await pair.refusal('device')) !== undefined) await rm(database, { recursive: true, force: true });
      await pair.startGateway();
      await pair.startDevice();
      return await pair.untilCounting('nothing was counted without the database');
    },
  },
  {
    fault: "a gateway's database that is gone, or half of it",
    async strike({ pair, folder, random }) {
      const database = join(pair.gateway.data, 'store');
      await pair.startGateway();
      await recorded(pair);
      await pair.drainDevice();
      await pair.stopGateway();
      const copy = await copyOf(pair.gateway.data, folder);
      if (random() < 0.5) await removeHalf(database, random);
      else await rm(database, { recursive: true });
      await pair.refusal('gateway');
      await putBack(pair.gateway.data, copy);
      await pair.startGateway();
      await pair.startDevice();
      return await pair.untilCounting('nothing was counted once the copy was put back');
    },
  },
];

async function recorded(pair: Pair): Promise<void> {
  await pair.startDevice();
  await pair.untilRecorded();
  if (pair.gateway.program !== undefined) await pair.untilCounting('nothing was counted');
  await sleep(WHILE_MS);
}

async function copyOf(data: string, folder: string): Promise<string> {
  const copy = join(folder, 'copy');
  // A control socket is no file.
  await cp(data, copy, { recursive: true, filter: (path) => !path.endsWith('.sock') });
  return copy;
}

async function putBack(data: string, copy: string): Promise<void> {
  await rm(data, { recursive: true });
  await cp(copy, data, { recursive: true });
}

async function removeHalf(database: string, random: () => number): Promise<void> {
  for (const name of await readdir(database)) {
    if (random() < 0.5) await rm(join(database, name), { recursive: true });
  }
}
