/**
 * Demo: a gateway, devices, and a bad link between them, from start to reconciliation.
 *
 * Owns the order of things: keys, gateway, link, devices; then faults; then a healed link and the drain. Promises to end
 * within its time. Never counts: it asks both sides.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { balanceOf } from './balance.ts';
import { dealRows } from './deal.ts';
import { type DeviceInput, type DeviceProgram, startDevice } from './device-program.ts';
import { createFaultProxy, type FaultProxy } from './fault-proxy.ts';
import { addKey, type GatewayProgram, startGateway } from './gateway-program.ts';
import type { DemoOptions } from './options.ts';
import type { Programs } from './programs.ts';
import { type Saboteur, startSaboteur } from './saboteur.ts';
import type { FaultRates } from './schedule.ts';
import type { Scene } from './screen.ts';

/** About a third of all requests meets something; what costs most is what may not be counted twice. */
export const DEMO_FAULTS: FaultRates = {
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
  'answer-500': 0.02,
  'answer-502': 0.01,
  'answer-503': 0.01,
  'answer-503-retry-after': 0.01,
  'answer-400': 0.01,
  'answer-401': 0.01,
  'portal-200': 0.01,
  'portal-302': 0.01,
  'portal-511': 0.01,
  'outage-reset': 0.005,
  'outage-silence': 0.005,
};

const LOOK_EVERY_MS = 250;
/** After this long without a new event everything has been recorded. */
const CALM_MS = 1_000;
/** Of what is recorded, this much is delivered over the bad link. */
const DELIVERED_SHARE = 0.8;
/** Requests that a bounded run is cut into, for each device: enough of them to meet all kinds of faults. */
const REQUESTS_EACH = 64;

export interface DemoEnd {
  readonly scene: Scene;
  /** False where the time was up first. */
  readonly inTime: boolean;
}

export interface DemoRun {
  /** Heals the link and has everything delivered that is recorded by now. */
  finish(): void;
  /** Rejects where a program of the demo fails. */
  readonly ended: Promise<DemoEnd>;
}

export function startDemo(
  programs: Programs,
  folder: string,
  options: DemoOptions,
  onScene: (scene: Scene) => void,
): DemoRun {
  const asked = new AbortController();
  const run = new Run(programs, folder, options, onScene, asked.signal);
  return { finish: () => asked.abort(), ended: run.toEnd() };
}

class Run {
  readonly #programs: Programs;
  readonly #folder: string;
  readonly #options: DemoOptions;
  readonly #onScene: (scene: Scene) => void;
  readonly #asked: AbortSignal;
  #phase: Scene['phase'] = 'starting';
  #startedAt = performance.now();
  #devices: readonly DeviceProgram[] = [];
  #saboteur: Saboteur | undefined;
  #lastCrash: string | undefined;

  constructor(
    programs: Programs,
    folder: string,
    options: DemoOptions,
    onScene: (scene: Scene) => void,
    asked: AbortSignal,
  ) {
    this.#programs = programs;
    this.#folder = folder;
    this.#options = options;
    this.#onScene = onScene;
    this.#asked = asked;
  }
}
