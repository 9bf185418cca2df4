/**
 * Gateway: the real binary under test, in a process of its own, and what it says about itself.
 *
 * Owns its keys, its start and its end. Promises to end it as an operator would, with SIGTERM, and to wait. Never
 * believes anything but what it is told over HTTP.
 */
import assert from 'node:assert';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { cpuSeconds, memoryBytes, outputOf, peakMemoryBytes } from '../rig/programs.ts';
import { createKeyFile, type KeyRecord } from '../src/gateway/index.ts';
import type { Stand } from './harness.ts';
import type { Totals } from './totals.ts';

export interface GatewayTotals extends Totals {
  readonly duplicates: number;
}

export interface GatewayProcess {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** The folder where it keeps everything. */
  readonly data: string;
  /** By device id. */
  readonly keys: ReadonlyMap<string, KeyRecord>;
  /** Over all devices, from `GET /v1/totals`. */
  totals(): Promise<GatewayTotals>;
  /** Batches that were stored, and the fsynced commits that it took. */
  commits(): Promise<{ readonly admissions: number; readonly commits: number }>;
  memoryBytes(): number | undefined;
  peakMemoryBytes(): number | undefined;
  cpuSeconds(): number | undefined;
  stop(): Promise<void>;
}

/** Part of `GET /v1/totals`. */
interface TotalsView {
  readonly events: number;
  readonly duplicates: number;
  readonly measures: Readonly<Record<string, { readonly sum: string }>>;
}

const START_WITHIN_MS = 30_000;
const ANSWER_WITHIN_MS = 30_000;

export async function startGateway(
  stand: Stand,
  { name, deviceIds }: { readonly name: string; readonly deviceIds: readonly string[] },
): Promise<GatewayProcess> {
  const data = await stand.folder(name);
  const keyFile = createKeyFile({ path: join(data, 'keys.json'), clock: Date.now, randomBytes });
  const keys = new Map<string, KeyRecord>();
  for (const deviceId of deviceIds) keys.set(deviceId, await keyFile.add(deviceId));

  const args = ['serve', '--data', data, '--listen', '127.0.0.1:0'];
  const program = stand.programs.start('gateway', 'bin/tidegate-gateway.js', args);
  const url = await new Promise<string>((listening, failed) => {
    program.onLine((line) => {
      const at = listeningUrl(line);
      if (at !== undefined) listening(at);
    });
    outputOf(program).then(() => failed(new Error('the gateway ended at once')), failed);
    setTimeout(() => failed(new Error('the gateway does not listen')), START_WITHIN_MS).unref();
  });
  const get = async (path: string): Promise<Response> => {
    const answer = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    assert.equal(answer.status, 200, `GET ${path}`);
    return answer;
  };
  return {
    url,
    data,
    keys,
    async totals() {
      const { events, duplicates, measures } = (await (await get('/v1/totals')).json()) as TotalsView;
      const sums = Object.entries(measures).map(([measure, { sum }]) => [measure, sum] as const);
      return { events, duplicates, sums: Object.fromEntries(sums) };
    },
    async commits() {
      const text = await (await get('/metrics')).text();
      const metric = (of: string) => Number(new RegExp(`^tidegate_gateway_${of} (\\d+)$`, 'm').exec(text)?.[1]);
      return { admissions: metric('admissions'), commits: metric('commits') };
    },
    memoryBytes: () => memoryBytes(program.pid),
    peakMemoryBytes: () => peakMemoryBytes(program.pid),
    cpuSeconds: () => cpuSeconds(program.pid),
    async stop() {
      program.kill('SIGTERM');
      await outputOf(program);
    },
  };
}

function listeningUrl(line: string): string | undefined {
  try {
    const { msg, url } = JSON.parse(line) as { msg?: unknown; url?: unknown };
    return msg === 'listening' && typeof url === 'string' ? url : undefined;
  } catch {
    return undefined;
  }
}
