/**
 * Arena: the gateway and the two devices of a round.
 *
 * Owns what each of them is like. The first device has little room and sensors that the gateway will not have, so that
 * it gives up events and has some refused; the second one loses its disk once and then begins the very streams that it
 * had before. Never decides when one of them dies.
 */
import { rm } from 'node:fs/promises';
import type { Programs } from '../../rig/programs.ts';
import { createDeviceSide, createGatewaySide, type DeviceSide, type GatewaySide } from '../sides.ts';
import { type Contender, createContender } from './contender.ts';
import { type Life, marksOf } from './life.ts';
import { between, deviceOptions, gatewayFlags, oneOf, quotaOptions, tightQuotaOptions } from './settings.ts';
import type { Step, StepDeck } from './steps.ts';

export interface ArenaOptions {
  readonly programs: Programs;
  readonly folder: string;
  readonly random: () => number;
  readonly deck: StepDeck;
  readonly onAcknowledged: (life: Life) => void;
  readonly onTrouble: (trouble: string) => void;
}

export interface Arena {
  readonly gateway: Contender;
  readonly devices: readonly Contender[];
  readonly gatewaySide: GatewaySide;
  readonly deviceSides: readonly DeviceSide[];
  /** Where each device's journal is. */
  readonly journals: ReadonlyMap<string, string>;
  /** Whether what is in quarantine is sent again now and then. */
  readonly isRetrying: boolean;
  /** Drains the second device, whose life has ended, and takes its disk away. */
  wipe(withinMs: number): Promise<void>;
  readonly isWiped: boolean;
}

/** After it has lost its disk a device soon has numbers that it never had before. */
const COLLIDING_LIVES = 3;

const STRAYS_MAX = 0.002;

export async function createArena(options: ArenaOptions): Promise<Arena> {
  const { programs, folder, random, deck, onAcknowledged, onTrouble } = options;
  const gatewaySide = await createGatewaySide({ programs, folder });
  const sides: DeviceSide[] = [];
  for (const id of ['pump-1', 'pump-2']) {
    sides.push(createDeviceSide({ programs, folder, id, secretFile: await gatewaySide.addKey(id) }));
  }
  const [troubled, forgetful] = sides as [DeviceSide, DeviceSide];
  const journals = new Map(sides.map(({ id, journal }) => [id, journal]));
  const common = { deck, onAcknowledged, onTrouble, marks: () => marksOf(journals) };
  const run = () => ({
    gateway: gatewaySide.url,
    seed: Math.floor(random() * 2 ** 32),
    events: null,
    pauseMaxMs: between(random, 2, 60),
    burstMax: between(random, 4, 64),
  });

  let gatewayLives = 0;
  const gateway = createContender({
    ...common,
    name: 'gateway',
    side: 'gateway',
    abilities: () => new Set(),
    launch: (_trap, start) => ({
      program: gatewaySide.launch({ ...start, flags: gatewayFlags(random) }),
      number: gatewayLives++,
    }),
  });

  const isRetrying = random() < 0.5;
  const first = createContender({
    ...common,
    name: troubled.id,
    side: 'device',
    abilities: () => new Set<Step['needs']>(['quota']),
    launch(trap, start) {
      const quota =
        trap?.step.needs === 'quota' ? tightQuotaOptions(random) : random() < 0.6 ? quotaOptions(random) : {};
      const program = troubled.launch(
        {
          ...run(),
          options: { ...deviceOptions(random), ...quota },
          strays: random() * STRAYS_MAX,
          retryQuarantine: isRetrying && random() < 0.3,
        },
        start,
      );
      return { program, number: troubled.starts - 1 };
    },
  });

  const dice = [random() * 2 ** 32, random() * 2 ** 32].map(Math.floor);
  let livesSinceWipe: number | undefined;
  const second = createContender({
    ...common,
    name: forgetful.id,
    side: 'device',
    abilities: () =>
      new Set<Step['needs']>((livesSinceWipe ?? COLLIDING_LIVES) < COLLIDING_LIVES ? ['collisions'] : []),
    launch(_trap, start) {
      // So that ids collide: one stream all the time before, and at first the same one after.
      const isSame = livesSinceWipe === undefined || livesSinceWipe < COLLIDING_LIVES;
      if (livesSinceWipe !== undefined) livesSinceWipe++;
      const thrown = isSame ? dice[0]! : oneOf(random, dice);
      const program = forgetful.launch({ ...run(), options: deviceOptions(random), dice: thrown }, start);
      return { program, number: forgetful.starts - 1 };
    },
  });

  return {
    gateway,
    devices: [first, second],
    gatewaySide,
    deviceSides: sides,
    journals,
    isRetrying,
    async wipe(withinMs) {
      await forgetful.kill();
      await forgetful.drain({ gateway: gatewaySide.url, seed: 0 }, withinMs);
      await rm(forgetful.data, { recursive: true });
      livesSinceWipe = 0;
    },
    get isWiped() {
      return livesSinceWipe !== undefined;
    },
  };
}
