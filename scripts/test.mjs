/**
 * Runs the tests: `npm test`, or a part of them: `npm test -- store gateway/ingest --test-name-pattern=replay`.
 *
 * Words choose the test files whose path contains one of them, words behind a `not:` those that are left out; flags go
 * to Node's test runner. Promises that the packages are there first and that a test that hangs is ended.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './ensure-installed.mjs';

/** A file may take this long; its own tests say what they expect. Kills what hangs. */
const FILE_TIMEOUT_MS = 600_000;
const DEFAULTS = ['--test-concurrency=2', `--test-timeout=${FILE_TIMEOUT_MS}`, '--test-reporter=spec'];

ensureInstalled();
const root = fileURLToPath(new URL('..', import.meta.url));
const flags = process.argv.slice(2).filter((arg) => arg.startsWith('-'));
const words = process.argv.slice(2).filter((arg) => !arg.startsWith('-') && !arg.startsWith('not:'));
const unwanted = process.argv.slice(2).flatMap((arg) => (arg.startsWith('not:') ? [arg.slice('not:'.length)] : []));

// Node 20's runner knows no patterns, so the list is made here.
const files = readdirSync(`${root}test`, { recursive: true })
  .map((path) => `test/${path.replaceAll('\\', '/')}`)
  .filter((path) => path.endsWith('.test.ts'))
  .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
  .filter((path) => !unwanted.some((word) => path.includes(word)))
  .sort();
if (files.length === 0) {
  console.error(`error: no test file matches ${words.join(' ')} (no-tests)`);
  process.exit(1);
}

const runner = spawn(process.execPath, ['--import', 'tsx', '--test', ...DEFAULTS, ...flags, ...files], {
  cwd: root,
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => runner.kill(signal));
runner.on('exit', (status) => {
  process.exitCode = status ?? 1;
});
