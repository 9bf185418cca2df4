/**
 * Test run: one test file in a process of its own, ended at the first failure.
 *
 * Owns the process and all that it started. Promises that none of them is left, and that a test which hangs is ended.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export type Verdict = 'passed' | 'failed' | 'timed out';

export interface TestRun {
  readonly verdict: Verdict;
  /** The first test that failed. */
  readonly failed?: string;
  readonly ms: number;
}

const FAILURE = /^\s*not ok \d+ - (?!.* # TODO)(.*)$/;

/** Runs `file` of the checkout `root` for at most `limitMs`. */
export async function runTestFile(root: string, file: string, limitMs: number, signal?: AbortSignal): Promise<TestRun> {
  const started = performance.now();
  // What node:test tells its own children would turn their output into something else.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, ['--import', 'tsx', '--test-reporter=tap', file], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
    // A group of its own, so that what a test has started ends with it.
    detached: true,
  });
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  let failed: string | undefined;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, limitMs);
  signal?.addEventListener('abort', end, { once: true });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [, name] = FAILURE.exec(line) ?? [];
    if (name === undefined || failed !== undefined) return;
    failed = name;
    end();
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    // Not `close`: what a test has left running may hold the pipe open.
    child.once('exit', resolve);
  });
  clearTimeout(timer);
  signal?.removeEventListener('abort', end);
  end();
  const ms = performance.now() - started;
  if (failed !== undefined) return { verdict: 'failed', failed, ms };
  if (isLate) return { verdict: 'timed out', ms };
  return status === 0 ? { verdict: 'passed', ms } : { verdict: 'failed', failed: `exit status ${status}`, ms };
}
