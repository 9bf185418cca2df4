/** `tidegate-device` as a process of its own, ended with the test. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DeviceStatus } from '../../src/device/index.ts';
import type { InputReport } from '../../src/device/run-input.ts';
import { cleanUp, DEVICE_ID, temporaryDirectory } from './device-fixture.ts';
import { CREDENTIAL } from './model-gateway.ts';

const BINARY = fileURLToPath(new URL('../../bin/tidegate-device.js', import.meta.url));

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly ended: Promise<Ended>;
}

/** What `run --json` ends with. */
export interface Summary extends DeviceStatus {
  readonly input: InputReport;
}

export function start(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
  const child = spawn(process.execPath, [BINARY, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // So that times may be small numbers.
    env: { ...process.env, TIDEGATE_SECRET: CREDENTIAL, ...env },
  });
  // A process that ends early closes its input under whoever writes to it.
  child.stdin.on('error', () => {});
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const ended = Promise.all([closed, text(child.stdout), text(child.stderr)]).then(
    ([[status, signal], stdout, stderr]) => ({ status, signal, stdout, stderr }),
  );
  cleanUp(t, async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { process: child, ended };
}

export function runToEnd(
  t: TestContext,
  args: readonly string[],
  input = '',
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const { process, ended } = start(t, args, env);
  process.stdin.end(input);
  return ended;
}

/** Runs it with a terminal of its own, whose output is `stdout`; undefined where there is nothing to make one with. */
export async function runOnTerminal(t: TestContext, args: readonly string[]): Promise<Ended | undefined> {
  const inTerminal = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';
  const child = spawn('python3', ['-c', inTerminal, process.execPath, BINARY, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TIDEGATE_SECRET: CREDENTIAL },
  });
  cleanUp(t, () => child.kill('SIGKILL'));
  const failed = once(child, 'error').then(() => undefined);
  const [stdout, closed] = [text(child.stdout), once(child, 'close')];
  const ended = closed.then(async ([status, signal]) => ({ status, signal, stdout: await stdout, stderr: '' }));
  ended.catch(() => {});
  return await Promise.race([failed, ended]);
}

/** The flags that every run of a test has. */
export function runFlags(data: string, gateway: string, ...more: readonly string[]): string[] {
  const quick = ['--linger', '5ms', '--retry-base', '1ms', '--retry-max', '20ms', '--reserve', '0'];
  return ['run', '--data', data, '--gateway', gateway, '--id', DEVICE_ID, '--json', ...quick, ...more];
}

export function summaryOf({ stdout }: Ended): Summary {
  const lines = stdout.trim().split('\n');
  return JSON.parse(lines.at(-1)!) as Summary;
}

export async function fileOf(t: TestContext, name: string, content: string, mode = 0o600): Promise<string> {
  const path = join(await temporaryDirectory(t), name);
  await writeFile(path, content, { mode });
  return path;
}

/** Rows of a CSV file with volumes of many forms, and their exact sum in millionths. */
export function csvRows(count: number): { readonly csv: string; readonly volume: bigint } {
  let csv = 'ts,sensor,volume,note\n';
  let volume = 0n;
  for (let i = 0; i < count; i++) {
    const millionths = (i * 7_919) % 3_000_001;
    const sign = i % 11 === 0 ? '-' : '';
    const digits = `${Math.floor(millionths / 1e6)}.${String(millionths % 1e6).padStart(6, '0')}`;
    csv += `${1_700_000_000_000 + 250 * i},s${i % 4},${sign}${digits},"row ""${i}"""\n`;
    volume += sign === '' ? BigInt(millionths) : -BigInt(millionths);
  }
  return { csv, volume };
}
