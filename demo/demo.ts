/**
 * Demo: from the first event over a bad link to the reconciliation.
 *
 * Owns the order of things: faults while events are recorded; then a healed link, the drain, and the comparison.
 * Promises to end within its time once there is an end in sight. Never counts: it asks both sides.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultProxyStats } from '../rig/link/fault-proxy.ts';
import type { Programs } from '../rig/programs.ts';
import { type Balance, balanceOf } from './balance.ts';
import type { DeviceFigures } from './device-program.ts';
import type { CountedDevice } from './gateway-program.ts';
import type { DemoOptions } from './options.ts';
import { type Saboteur, startSaboteur } from './saboteur.ts';
import { type Stage, setStage } from './stage.ts';

export type Phase = 'recording' | 'draining' | 'done';

/** Everything there is to see at one moment. */
export interface Scene {
  readonly phase: Phase;
  /** The gateway's own page, past the link. */
  readonly pageUrl: string;
  readonly devices: readonly DeviceFigures[];
  /** False while the gateway is down; its figures are the last known then. */
  readonly gatewayAnswers: boolean;
  readonly balance: Balance;
  readonly link: FaultProxyStats;
  /** Who met `kill -9`, in order. */
  readonly kills: readonly string[];
  /** Since the devices were started, milliseconds. */
  readonly elapsedMs: number;
  /** Rows that devices did not record, and why the first of them. */
  readonly refused: number;
  readonly refusal: string | null;
  /** Bytes at the end of the file that are not recorded. */
  readonly leftBytes: number;
  /** Everything recorded is acknowledged, and the gateway has told its figures since. */
  readonly isComplete: boolean;
}

export interface DemoRun {
  readonly programs: Programs;
  /** Where everything is kept. */
  readonly folder: string;
  readonly options: DemoOptions;
  /** Aborts when recording is to end and the link is to heal. */
  readonly finish: AbortSignal;
  readonly onScene: (scene: Scene) => void;
}

const LOOK_EVERY_MS = 250;
/** After this long without a new event everything has been recorded. */
const CALM_MS = 1_000;
/** Of what is recorded, so much has to get through the bad link. */
const BAD_LINK_SHARE = 0.8;
/** Of the time for a bounded run, so much may be spent on the bad link. */
const BAD_LINK_TIME_SHARE = 0.5;
const KILL_PAUSE_MIN_MS = 1_500;
const KILL_PAUSE_MAX_MS = 4_000;

/** Resolves with the last scene. Rejects where a program of the demo fails. */
export async function runDemo(run: DemoRun): Promise<Scene> {
  const stage = await setStage(run.programs, run.folder, run.options);
  try {
    return await new Play(stage, run).toEnd();
  } finally {
    await stage.close();
  }
}

class Play {
  readonly #stage: Stage;
  readonly #run: DemoRun;
  readonly #startedAt = performance.now();
  readonly #kills: string[] = [];
  /** Rejects when a program fails, and never resolves. */
  readonly #failure: Promise<never>;
  #fail: (error: Error) => void = () => {};
  #phase: Phase = 'recording';
  #counted: ReadonlyMap<string, CountedDevice> = new Map();
  #isOver = false;

  constructor(stage: Stage, run: DemoRun) {
    this.#stage = stage;
    this.#run = run;
    this.#failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.#failure.catch(() => {});
    stage.gateway.failed.catch(this.#fail);
    Promise.all(stage.devices.map((device) => device.done)).then(() => {
      this.#isOver = true;
    }, this.#fail);
  }

  async toEnd(): Promise<Scene> {
    const { options, finish } = this.#run;
    const isBounded = options.events !== undefined || options.data !== undefined;
    const endAt = isBounded ? this.#startedAt + options.timeoutMs : Number.POSITIVE_INFINITY;
    const saboteur = options.kills ? this.#sabotage() : undefined;
    await this.#overBadLink(isBounded ? this.#startedAt + BAD_LINK_TIME_SHARE * options.timeoutMs : endAt);
    this.#phase = 'draining';
    await saboteur?.stop();
    this.#stage.link.heal();
    if (finish.aborted) await Promise.all(this.#stage.devices.map((device) => device.finish()));
    await this.#drain(finish.aborted ? performance.now() + options.timeoutMs : endAt);
    this.#phase = 'done';
    return this.#look();
  }

  /** Until most of what is recorded has got through, where there is an end; else until it is asked to finish. */
  async #overBadLink(endAt: number): Promise<void> {
    const { finish } = this.#run;
    let recorded = 0;
    let recordedAt = performance.now();
    while (!this.#isOver && !finish.aborted && performance.now() < endAt) {
      const { total } = (await this.#look()).balance;
      const now = performance.now();
      if (total.recorded !== recorded) recordedAt = now;
      recorded = total.recorded;
      const isCalm = recorded > 0 && now - recordedAt > CALM_MS;
      if (endAt < Infinity && isCalm && total.delivered >= BAD_LINK_SHARE * recorded) return;
      await this.#pause(finish);
    }
  }

  async #drain(endAt: number): Promise<void> {
    while (!this.#isOver && performance.now() < endAt) {
      await Promise.all(this.#stage.devices.map((device) => device.probe()));
      await this.#look();
      await this.#pause();
    }
  }

  #sabotage(): Saboteur {
    const { devices, gateway } = this.#stage;
    return startSaboteur({
      victims: [...devices, { id: 'gateway', crash: () => gateway.crash() }],
      seed: this.#run.options.seed,
      pauseMinMs: KILL_PAUSE_MIN_MS,
      pauseMaxMs: KILL_PAUSE_MAX_MS,
      onKill: (id) => this.#kills.push(id),
      onError: this.#fail,
    });
  }

  async #look(): Promise<Scene> {
    const { gateway, link, devices } = this.#stage;
    // The gateway first: then it is not ahead of what the devices say.
    const counted = await gateway.counted();
    if (counted) this.#counted = counted;
    const figures = await Promise.all(devices.map((device) => device.figures()));
    const scene: Scene = {
      phase: this.#phase,
      pageUrl: `${gateway.url}/`,
      devices: figures,
      gatewayAnswers: counted !== undefined,
      balance: balanceOf(figures, this.#counted),
      link: link.stats(),
      kills: this.#kills,
      elapsedMs: performance.now() - this.#startedAt,
      refused: figures.reduce((sum, { refused }) => sum + refused, 0),
      refusal: figures.find(({ refusal }) => refusal !== null)?.refusal ?? null,
      leftBytes: figures.reduce((sum, { leftBytes }) => sum + leftBytes, 0),
      isComplete: this.#isOver && counted !== undefined,
    };
    this.#run.onScene(scene);
    return scene;
  }

  async #pause(signal?: AbortSignal): Promise<void> {
    const pause = sleep(LOOK_EVERY_MS, undefined, { ...(signal && { signal }) }).catch(() => {});
    await Promise.race([pause, this.#failure]);
  }
}
