/**
 * Stage: a gateway, devices, and the link between them, set up and taken down.
 *
 * Owns what there is and where it is kept: `gateway/`, `keys/` and a folder for each device. Promises that the devices
 * know the gateway only by the link. Never decides when anything happens.
 */
import { mkdir, open, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createFaultProxy, type FaultProxy } from '../rig/link/fault-proxy.ts';
import type { FaultRates } from '../rig/link/schedule.ts';
import type { Programs } from '../rig/programs.ts';
import { CommandError } from '../src/cli/index.ts';
import { type DeviceInput, type DeviceProgram, startDevice } from './device-program.ts';
import { addKey, type GatewayProgram, startGateway } from './gateway-program.ts';
import type { DemoOptions } from './options.ts';

export interface Stage {
  readonly gateway: GatewayProgram;
  readonly link: FaultProxy;
  readonly devices: readonly DeviceProgram[];
  /** Ends the gateway in good order, and the link; devices that still run are the caller's to end. */
  close(): Promise<void>;
}

/** About four requests in ten meet something; what is most frequent is what could be counted twice. */
const FAULTS: FaultRates = {
  'drop-answer': 0.06,
  'twice-at-once': 0.05,
  'twice-in-turn': 0.03,
  'reset-before': 0.02,
  'reset-during': 0.02,
  'reset-after': 0.02,
  'reset-answer': 0.02,
  'truncate-answer': 0.02,
  'corrupt-request': 0.01,
  'corrupt-answer': 0.01,
  delay: 0.04,
  'answer-400': 0.01,
  'answer-401': 0.01,
  'answer-500': 0.02,
  'answer-502': 0.01,
  'answer-503': 0.01,
  'answer-503-retry-after': 0.01,
  'portal-200': 0.01,
  'portal-302': 0.01,
  'portal-511': 0.01,
  'outage-reset': 0.005,
  'outage-silence': 0.005,
};

/** Where there is no end there is time, and a table that is pleasant to watch. */
const SEVERITY_WITHOUT_END = 0.4;

const LATENCY_MAX_MS = 20;
const DELAY_MAX_MS = 800;
const OUTAGE_MS = 1_200;

/** Requests that a bounded input is cut into for each device where it is large enough, to meet all kinds of faults. */
const REQUESTS = 64;
const BATCH_EVENTS_MIN = 100;
const BATCH_EVENTS_MAX = 4_096;
const LINGER_MS = 50;
const PACE_WITHOUT_END = { batchEvents: BATCH_EVENTS_MAX, lingerMs: 200 };

/** Of a file, to see how long its lines are. */
const SEEN_BYTES = 64 * 1024;
const LF = 0x0a;
const CR = 0x0d;

interface Share {
  readonly input: DeviceInput;
  /** Undefined where there is no end. */
  readonly events: number | undefined;
}

/** There is nothing to record. */
class EmptyFileError extends Error {
  readonly code = 'input-empty';
}

export async function setStage(programs: Programs, folder: string, options: DemoOptions): Promise<Stage> {
  const ids = Array.from({ length: options.devices }, (_, i) => `pump-${i + 1}`);
  const keys = join(folder, 'keys');
  const gatewayData = join(folder, 'gateway');
  const secretFile = (id: string) => join(keys, `${id}.key`);
  await mkdir(keys, { recursive: true, mode: 0o700 });
  const shares = await sharesOf(options);
  await Promise.all(ids.map((id) => addKey(programs, gatewayData, id, secretFile(id))));
  const gateway = await startGateway(programs, gatewayData);
  const link = await createFaultProxy({
    target: gateway.url,
    seed: options.seed,
    faults: faultsFor(options, shares),
    latencyMaxMs: options.faults ? LATENCY_MAX_MS : 0,
    delayMaxMs: DELAY_MAX_MS,
    outageMs: OUTAGE_MS,
  });
  const devices = ids.map((id, i) => {
    const { input, events } = shares[i]!;
    const data = join(folder, id);
    const pace = events === undefined ? PACE_WITHOUT_END : { batchEvents: batchEventsFor(events), lingerMs: LINGER_MS };
    return startDevice(programs, { id, gatewayUrl: link.url, data, secretFile: secretFile(id), input, ...pace });
  });
  return {
    gateway,
    link,
    devices: await Promise.all(devices),
    async close() {
      await link.close();
      await gateway.stop();
    },
  };
}

function batchEventsFor(events: number): number {
  return Math.min(BATCH_EVENTS_MAX, Math.max(BATCH_EVENTS_MIN, Math.ceil(events / REQUESTS)));
}

function faultsFor({ faults }: DemoOptions, shares: readonly Share[]): FaultRates {
  if (!faults) return {};
  const severity = shares.some(({ events }) => events === undefined) ? SEVERITY_WITHOUT_END : 1;
  return Object.fromEntries(Object.entries(FAULTS).map(([name, rate]) => [name, rate * severity]));
}

async function sharesOf(options: DemoOptions): Promise<Share[]> {
  const { data, devices, events, rate, seed, inputFlags: flags } = options;
  if (data !== undefined) {
    const rows = await rowsAbout(data).catch((cause: unknown) => {
      throw new CommandError('bad-value', `--data: cannot read ${data}`, { cause });
    });
    if (rows === 0) throw new EmptyFileError(`${data} is empty`);
    return [{ input: { kind: 'file', path: resolve(data), flags }, events: rows }];
  }
  return Array.from({ length: devices }, (_, i): Share => {
    const share = events === undefined ? undefined : Math.floor(events / devices) + (i < events % devices ? 1 : 0);
    return { input: { kind: 'simulate', rate, events: share, seed: (seed + i) % 2 ** 32 }, events: share };
  });
}

/** By its first lines and its size: requests are cut by it, and nothing else. Only the device decides what a row is. */
async function rowsAbout(path: string): Promise<number> {
  const stats = await stat(path);
  if (!stats.isFile()) throw new Error('it is no file');
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SEEN_BYTES), 0, SEEN_BYTES, 0);
    const lines = buffer.subarray(0, bytesRead).filter((byte) => byte === LF || byte === CR).length;
    return bytesRead === 0 ? 0 : Math.ceil((stats.size / bytesRead) * Math.max(1, lines));
  } finally {
    await file.close();
  }
}
