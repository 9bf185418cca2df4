/**
 * Episodes: faults that come by themselves and go again, at times that the seed decides.
 *
 * Owns what each of them does to the world. Promises that whatever one of them changes is put right once faults have
 * stopped, if not before. Never judges.
 */
import { pick, spread, whole } from './chance.ts';
import type { DeviceMachine } from './device-machine.ts';
import type { Fault } from './faults.ts';
import type { Route } from './network.ts';
import { drawHabits } from './scenario.ts';
import { DAY_MS, HOUR_MS } from './time.ts';
import type { World } from './world.ts';

const YEAR_MS = 365 * DAY_MS;

/** Puts every episode of the seed on the agenda. */
export function scheduleEpisodes(world: World): void {
  const { random, scenario, time, faults } = world;
  for (const [fault, times] of scenario.times) {
    const happen = EPISODES[fault];
    if (happen === undefined) throw new Error(`nobody knows how ${fault} comes by itself`);
    for (let left = times; left > 0; left--) {
      time.after(random() * scenario.chaosMs, () => {
        if (!faults.hasStopped) happen(world, pick(random, world.machines));
      });
    }
  }
}

type Episode = (world: World, machine: DeviceMachine) => void;

const EPISODES: Partial<Record<Fault, Episode>> = {
  deviceCrash(world, machine) {
    if (!machine.isUp) return;
    world.faults.count('deviceCrash');
    world.crashDevice(machine);
  },
  gatewayCrash(world) {
    if (!world.gateway.isUp) return;
    world.faults.count('gatewayCrash');
    world.crashGateway();
  },
  deviceStopped(world, machine) {
    if (!machine.isUp) return;
    world.faults.count('deviceStopped');
    void machine.stop();
    machine.habits = drawHabits(world.random, world.scenario);
    world.time.after(world.downMs(), () => world.startDevice(machine));
  },
  gatewayStopped(world) {
    world.faults.count('gatewayStopped');
    restartGateway(world, () => {});
  },
  deviceDiskFull(world, machine) {
    world.faults.count('deviceDiskFull');
    machine.disk.fullBut(whole(world.random, 0, 6));
    world.time.after(lasting(world), () => machine.disk.hasRoom());
  },
  gatewayDiskFull(world) {
    world.faults.count('gatewayDiskFull');
    world.gateway.disk.fullBut(whole(world.random, 0, 6));
    world.time.after(lasting(world), () => world.gateway.disk.hasRoom());
  },
  blockSpoiled(world, machine) {
    if (!machine.isUp) return;
    world.crashDevice(machine);
    if (machine.spoilBlock()) world.faults.count('blockSpoiled');
  },
  diskRestored(world, machine) {
    const copy = world.copyOf(machine);
    world.time.after(lasting(world), () => {
      if (world.faults.hasStopped || !machine.isUp) return;
      world.faults.count('diskRestored');
      const { entropy } = machine;
      machine.crash();
      world.replaceDisk(machine, copy);
      if (world.faults.isPossible('entropyRepeated')) {
        world.faults.count('entropyRepeated');
        world.startDevice(machine, entropy);
      } else world.startDevice(machine);
    });
  },
  diskCloned(world, machine) {
    if (!machine.isUp) return;
    world.faults.count('diskCloned');
    const repeats = world.faults.isPossible('entropyRepeated');
    if (repeats) machine.crash();
    const copy = world.copyOf(machine);
    machine.custody.isCopy = true;
    const clone = world.addDevice(machine.id, `${machine.name}-clone`);
    world.replaceDisk(clone, copy);
    world.startDevice(clone);
    if (!repeats) return;
    world.faults.count('entropyRepeated');
    world.startDevice(machine, clone.entropy);
  },
  deviceClock(world, machine) {
    world.faults.count('deviceClock');
    const { random } = world;
    machine.frozenAt = undefined;
    machine.clockOffsetMs += (random() < 0.5 ? 1 : -1) * Math.floor(spread(random, 1, 50 * YEAR_MS));
  },
  deviceClockFrozen(world, machine) {
    world.faults.count('deviceClockFrozen');
    machine.frozenAt = machine.clock();
  },
  gatewayClock(world) {
    world.faults.count('gatewayClock');
    const { random, gateway } = world;
    gateway.clockOffsetMs += (random() < 0.5 ? 1 : -1) * Math.floor(spread(random, 1, 2 * YEAR_MS));
  },
  partition(world, machine) {
    world.faults.count('partition');
    const affected = world.random() < 0.5 ? world.machines : [machine];
    divert(world, affected, pick(world.random, ['refused', 'nowhere'] as const));
  },
  impostor(world, machine) {
    world.faults.count('impostor');
    divert(world, [machine], 'portal');
  },
  stranger(world, machine) {
    world.faults.count('stranger');
    divert(world, [machine], 'stranger');
  },
  keyRevoked(world, machine) {
    world.faults.count('keyRevoked');
    world.revokeKey(machine);
    world.time.after(lasting(world), () => {
      if (!world.hasLiveKey(machine)) changeKey(world, machine);
    });
  },
  keyRotated(world, machine) {
    if (!machine.isUp) return;
    world.faults.count('keyRotated');
    changeKey(world, machine);
  },
  narrow(world) {
    world.faults.count('narrow');
    const { random } = world;
    const narrow = {
      eventsMax: whole(random, 1, 8),
      ...(random() < 0.5 && { bodyBytesMax: whole(random, 100, 600) }),
      ...(random() < 0.5 && { sensorsMax: whole(random, 1, 3) }),
      // What a device owns is more than that already, or soon is: it waits with what it has until the gateway is as it
      // was.
      ...(random() < 0.5 &&
        pick(random, [
          { rangesMax: whole(random, 1, 6) },
          { streamsMax: whole(random, 1, 4), streamsPerDay: 0 },
          { pageBytesMax: whole(random, 1, 20_000), pageBytesPerDay: 0 },
        ])),
    };
    restartGateway(world, () => {
      world.gateway.limits = { windowMs: world.scenario.windowMs, ...narrow };
    });
    world.time.after(lasting(world), () => restartGateway(world, () => world.configureGateway()));
  },
  refusalsRetried(world, machine) {
    if (!machine.isUp) return;
    world.faults.count('refusalsRetried');
    machine.retryRefusals();
  },
  older(world) {
    world.faults.count('older');
    world.gateway.encodings = pick(world.random, [['gzip', 'identity'], ['identity'], ['br']]);
    world.time.after(lasting(world), () => world.configureGateway());
  },
};

function lasting({ random, scenario }: World): number {
  return spread(random, 1_000, Math.max(HOUR_MS, scenario.chaosMs));
}

/** The device gets a new key while the old one may still work, and then that goes. */
function changeKey(world: World, machine: DeviceMachine): void {
  const credential = world.newKey(machine);
  void machine.stop().then(() => {
    world.revokeKey(machine);
    machine.credential = credential;
    world.startDevice(machine);
  });
}

function divert(world: World, machines: readonly DeviceMachine[], route: Route): void {
  const { random, scenario, time } = world;
  for (const machine of machines) world.network.route(machine, route);
  time.after(spread(random, scenario.chaosMs / 50, scenario.chaosMs), () => {
    for (const machine of machines) world.network.route(machine, 'gateway');
  });
}

function restartGateway(world: World, configure: () => void): void {
  if (world.faults.hasStopped) return;
  void world.gateway.stop().then(() => {
    configure();
    world.gateway.start();
  });
}
