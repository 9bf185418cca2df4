/**
 * Round: three devices on bad links until every fault has struck, then good links, the drain and the oracle.
 *
 * Owns one round from its seed to what was found. Promises that the devices record all the while, and that all
 * processes are ended. Never stops at the first thing that it finds.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '../../rig/random.ts';
import type { Ground } from '../campaign.ts';
import type { AccountSays } from '../oracle/evidence.ts';
import type { Verdict } from '../oracle/verdict.ts';
import { askOracle, createDeviceSide, type DeviceRun, type DeviceSide, type GatewaySide } from '../sides.ts';
import { createStrikes, type Strikes } from '../strikes.ts';
import { createVigil, type Vigil } from '../vigil.ts';
import { type Links, openLinks } from './links.ts';
import { LORIS_KINDS, type LorisKind, startLoris } from './loris.ts';
import { DEVICES, type Scene, TLS_DEVICE } from './scene.ts';
import type { NetworkFault } from './words.ts';

export interface RoundOptions {
  readonly seed: number;
  readonly ground: Ground;
  readonly scene: Scene;
}

export interface RoundResult {
  readonly strikes: Strikes<NetworkFault>;
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** One line for each promise that did not hold. */
  readonly problems: readonly string[];
}

/** All of the faults take a few seconds on a quiet machine, and the drain one. */
const PATIENCE_MS = 120_000;
const DRAIN_MS = 60_000;

/** As much as keeps requests coming. */
const PAUSE_MAX_MS = 250;

/** A few sensors more than all gateways take: their events are refused for good, by a signed answer. */
const STRAYS = 0.004;
const SENSORS_MAX = 10;

/** Slow clients may cost a device this long and no longer, whatever else strikes it meanwhile. */
const LORIS_PATIENCE_MS = 15_000;
const LORIS_DELIVERIES = 3;
const LORIS_CONNECTIONS = 200;

export async function fight(options: RoundOptions): Promise<RoundResult> {
  const round = new Round(options);
  try {
    await round.run();
  } finally {
    await round.end();
  }
  return round;
}

class Round implements RoundResult {
  readonly verdicts = new Map<string, Verdict>();
  readonly #options: RoundOptions;
  readonly #folder: string;
  readonly #random: () => number;
  readonly #vigil: Vigil;
  readonly #gateways: GatewaySide[] = [];
  readonly #devices: DeviceSide[] = [];
  #links: Links | undefined;

  constructor(options: RoundOptions) {
    const { seed, ground } = options;
    this.#options = options;
    this.#folder = join(ground.folder, `round-${seed}`);
    // Not the sequence of the links.
    this.#random = createRandom(~seed);
    this.#vigil = createVigil(ground.signal);
  }

  get strikes(): Strikes<NetworkFault> {
    return this.#links?.strikes ?? createStrikes();
  }

  get problems(): readonly string[] {
    return this.#vigil.problems;
  }

  async run(): Promise<void> {
    try {
      await this.#run();
    } catch (error) {
      this.#vigil.found((error as Error).message);
    }
  }

  async end(): Promise<void> {
    this.#vigil.dismiss();
    for (const side of [...this.#devices, ...this.#gateways]) await side.kill();
    await this.#links?.close();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  async #run(): Promise<void> {
    const { scene, seed, ground } = this.#options;
    const [plain, secure] = await Promise.all([
      this.#startGateway('plain', []),
      this.#startGateway('secure', scene.tlsFlags),
    ]);
    const links = await openLinks({ scene, plain: plain.url, secure: secure.url, seed, vigil: this.#vigil });
    this.#links = links;
    const runs = new Map<string, DeviceRun>(DEVICES.map((id) => [id, this.#runOf(id, links.urlFor(id))]));
    await Promise.all([...runs].map(([id, run]) => this.#startDevice(id, run, links)));

    for (const kind of LORIS_KINDS) if (!ground.signal.aborted) await this.#outlast(kind, plain, links);
    const missing = () => links.missing().join(', ');
    await this.#vigil.until(
      () => `still waiting for ${missing()}`,
      PATIENCE_MS,
      () => missing() === '',
    );

    this.#vigil.dismiss();
    links.heal();
    await Promise.all(
      this.#devices.map(async (device) => {
        const account = await device.drain(runs.get(device.id)!, DRAIN_MS);
        await this.#judge(device, account, device.id === TLS_DEVICE ? secure : plain);
      }),
    );
    if (links.betrayed > 0) this.#vigil.found(`an impostor was told ${links.betrayed} bytes`);
    const strangers = (await (await fetch(`${scene.stranger.url}/v1/totals`)).json()) as { devices: number };
    if (strangers.devices !== 0) this.#vigil.found('the stranger has counted something');
  }

  async #startGateway(name: string, flags: readonly string[]): Promise<GatewaySide> {
    const limits = ['--events-max', String(this.#between(20, 200)), '--sensors-max', String(SENSORS_MAX)];
    const side = await this.#options.scene.gateway(join(this.#folder, name), [...flags, ...limits]);
    this.#gateways.push(side);
    this.#vigil.follow(await side.start(), (line) => {
      if ((line['level'] as number) >= 50) this.#vigil.found(`the gateway logs an error: ${JSON.stringify(line)}`);
    });
    return side;
  }

  #runOf(id: string, gateway: string): DeviceRun {
    const options = {
      batchEventsMax: this.#between(20, 120),
      inFlightMax: this.#between(1, 6),
      lingerMs: this.#between(0, 20),
      requestTimeoutMs: this.#between(400, 900),
      retryBaseMs: this.#between(5, 40),
      retryMaxMs: this.#between(50, 200),
    };
    const seed = Math.floor(this.#random() * 2 ** 32);
    const caFile = id === TLS_DEVICE ? { caFile: this.#options.scene.caFile } : {};
    return { gateway, seed, options, pauseMaxMs: PAUSE_MAX_MS, events: null, strays: STRAYS, ...caFile };
  }

  async #startDevice(id: string, run: DeviceRun, links: Links): Promise<void> {
    const { scene, ground } = this.#options;
    const { programs } = ground;
    const device = createDeviceSide({ programs, folder: this.#folder, id, secretFile: scene.secretFile(id) });
    this.#devices.push(device);
    this.#vigil.follow(await device.start(run), (line) => {
      if ('fault' in line) this.#vigil.found(`${id} has a fault: ${line['fault']}`);
      if ('acknowledged' in line) links.acknowledged(id);
    });
  }

  /** Slow clients hang on to the gateway, and both devices must get something through all the same. */
  async #outlast(kind: LorisKind, gateway: GatewaySide, links: Links): Promise<void> {
    const [one, other] = DEVICES;
    const target = new URL(gateway.url);
    const loris = startLoris({ target, kind, connections: LORIS_CONNECTIONS, deviceId: one, keyId: 'k1' });
    try {
      await loris.settled;
      const goals = [one, other].map((id) => ({ id, goal: links.deliveries(id) + LORIS_DELIVERIES }));
      links.struck(kind, one);
      await this.#vigil.until(
        () => `hardly anything is delivered beside clients of the kind ${kind}`,
        LORIS_PATIENCE_MS,
        () => goals.every(({ id, goal }) => links.deliveries(id) >= goal),
      );
    } finally {
      loris.close();
    }
  }

  async #judge(device: DeviceSide, account: AccountSays, gateway: GatewaySide): Promise<void> {
    const { programs } = this.#options.ground;
    const { id, journal } = device;
    const url = new URL(gateway.url);
    // Its certificate is for a name.
    if (url.protocol === 'https:') url.hostname = 'localhost';
    const quarantine = await device.exportQuarantine();
    const task = { gateway: url.origin, deviceId: id, journal, account, quarantine, idsStay: true };
    const verdict = await askOracle(programs, task, { env: { NODE_EXTRA_CA_CERTS: this.#options.scene.caFile } });
    this.verdicts.set(id, verdict);
    for (const problem of verdict.problems) this.#vigil.found(`${id}: ${problem}`);
    if (verdict.gaps > 0) this.#vigil.found(`${id}: ${verdict.gaps} events given up`);
    for (const line of (await readFile(quarantine, 'utf8')).split('\n').slice(0, -1)) {
      const { code, event } = JSON.parse(line) as { code: string; event: { sensor: string } };
      const isJust = code === 'sensor-limit' && event.sensor.startsWith('stray-');
      if (!isJust) this.#vigil.found(`${id}: an event of ${event.sensor} in quarantine for ${code}, though good`);
    }
  }

  #between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }
}
