/**
 * Refusing: disks that take nothing more, because they are full, read-only, or not allowed to be written to.
 *
 * Owns these scenarios on both sides. A device refuses new events with a code and keeps the others; a gateway answers
 * that its store is unavailable, and reading goes on. Once the disk takes something again both go on by themselves, or
 * after a new start where only that can help.
 */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Side, WHOSE } from './damage.ts';
import type { Pair } from './pair.ts';
import type { Scenario } from './scenario.ts';
import { NoDisk } from './small-disk.ts';
import { whileStill } from './stillness.ts';

const run = promisify(execFile);
const MIB = 1 << 20;
const RESERVE_BYTES = 4 * MIB;

export const refusing: readonly Scenario[] = [
  {
    fault: "a full disk under a device's queue",
    disk: { side: 'device', kind: 'tmpfs', mebibytes: 40 },
    options: { reserveBytes: RESERVE_BYTES },
    async strike({ pair, disk, random }) {
      await pair.startDevice();
      await pair.untilRecorded();
      await disk.fill();
      await pair.until('the full disk was not told of', () => pair.faults.has('disk-full'));
      if (random() < 0.5) {
        await pair.kill('device');
        await pair.startDevice();
      }
      // Draining goes on where there is no space at all.
      await pair.startGateway();
      await pair.untilCounting('nothing was drained from the full disk');
      await disk.makeRoom();
      return await pair.untilCounting('nothing was counted once there was room');
    },
  },
  {
    fault: "a full disk under a gateway's store",
    disk: { side: 'gateway', kind: 'tmpfs', mebibytes: 64 },
    async strike({ pair, disk }) {
      await pair.startBoth();
      await disk.fill();
      await unavailable(pair);
      await disk.makeRoom();
      return await pair.untilCounting('nothing was counted once there was room');
    },
  },
  ...(['device', 'gateway'] as const).flatMap((side): Scenario[] => [
    {
      fault: `a file system that turns read-only under ${WHOSE[side]}`,
      disk: { side, kind: 'ext4', mebibytes: 64 },
      options: { reserveBytes: RESERVE_BYTES },
      async strike({ pair, disk }) {
        await pair.startBoth();
        await whileStill(pair[side].program!, () => disk.fail());
        await refused(pair, side);
        await pair.kill(side);
        await disk.remount('ro');
        if ((await pair.refusal(side, 'write')) === undefined)
          pair.found(`the ${side} opens its data where it cannot write`);
        await disk.remount('rw');
        await pair.start(side);
        return await pair.untilCounting('nothing was counted once the file system was as before');
      },
    },
    {
      fault: `files that may not be written to any more, of ${WHOSE[side]}`,
      disk: { side, kind: 'ext4', mebibytes: 64 },
      options: { reserveBytes: RESERVE_BYTES },
      async strike({ pair, disk }) {
        await pair.startBoth();
        const database = join(disk.path, 'data', side === 'device' ? 'queue/db-1' : 'store');
        await forbid(database, '+i');
        try {
          await refused(pair, side);
        } finally {
          await forbid(database, '-i');
        }
        return await pair.untilCounting('nothing was counted once the files could be written to again');
      },
    },
  ]),
];

async function refused(pair: Pair, side: Side): Promise<void> {
  if (side === 'gateway') return await unavailable(pair);
  await pair.until('the device has not told that its disk refuses', () => pair.faults.size > 0);
}

/** The device is told so, and keeps everything; whoever reads goes on reading; readiness says why not. */
async function unavailable(pair: Pair): Promise<void> {
  await pair.until('the device was not told', () => pair.link.code === 'store-unavailable');
  const ask = async (path: string): Promise<{ status: number; text: string }> => {
    const answer = await fetch(`${pair.gateway.url}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  const expected = { '/healthz': 200, '/readyz': 503, '/v1/totals': 200, [`/v1/devices/${pair.device.id}`]: 200 };
  for (const [path, status] of Object.entries(expected)) {
    const answer = await ask(path);
    if (answer.status === status) continue;
    pair.found(`${path} answers ${answer.status} instead of ${status} meanwhile: ${answer.text.slice(0, 200)}`);
  }
}

/** Like `chmod`, but for root, too. */
async function forbid(folder: string, flag: '+i' | '-i'): Promise<void> {
  const files = (await readdir(folder)).map((name) => join(folder, name));
  try {
    // Files come and go.
    await run('chattr', ['-f', flag, ...files]).catch(() => {});
    await run('chattr', [flag, folder]);
  } catch (error) {
    throw new NoDisk(`needs chattr, of \`apt-get install -y e2fsprogs\` (${(error as Error).message.split('\n')[0]})`);
  }
}
