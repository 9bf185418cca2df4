/**
 * Stillness: a program that stands still for a moment, with none of its system calls under way.
 *
 * Owns the stopping of a process, thread by thread. What a disk does to an fsync that is under way is the kernel's
 * affair: with `mount -o remount,abort`, ext4 has told one in ten such that all was well, of a program that did nothing
 * else, and lost it. Never ends the program.
 */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Program } from '../../rig/programs.ts';

const PATIENCE_MS = 30_000;
const STOPPED = 'T';

export async function whileStill(program: Program, work: () => Promise<void>): Promise<void> {
  program.kill('SIGSTOP');
  try {
    const end = performance.now() + PATIENCE_MS;
    while (!(await isStill(program.pid))) {
      if (performance.now() > end) throw new Error(`${program.name} does not come to stand still`);
      await sleep(1);
    }
    await work();
  } finally {
    program.kill('SIGCONT');
  }
}

async function isStill(pid: number): Promise<boolean> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const states = await Promise.all(
    tasks.map(async (task) => {
      const stat = await readFile(`/proc/${pid}/task/${task}/stat`, 'utf8');
      // Behind the name, which may be anything in parentheses.
      return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
    }),
  );
  return states.every((state) => state === STOPPED);
}
