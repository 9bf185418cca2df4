/**
 * Weather: what the disks of one kind of machine have to expect.
 *
 * Owns how long writes take, and which faults of a disk are whose. Promises good weather once faults have stopped.
 */
import type { Chance } from './chance.ts';
import type { DiskWeather } from './disk.ts';
import type { Faults } from './faults.ts';

export function deviceWeather(faults: Faults, random: Chance): DiskWeather {
  return {
    crashes: () => faults.strikes('deviceCrash'),
    writeFails: () => faults.strikes('deviceWriteFails'),
    readFails: () => faults.strikes('deviceReadFails'),
    openFails: () => faults.strikes('deviceOpenFails'),
    rots: () => faults.strikes('databaseReplaced'),
    writeMs: () => writeMs(faults, random),
  };
}

export function gatewayWeather(faults: Faults, random: Chance): DiskWeather {
  return {
    crashes: () => faults.strikes('gatewayCrash'),
    writeFails: () => faults.strikes('gatewayWriteFails'),
    readFails: () => faults.strikes('gatewayReadFails'),
    openFails: () => faults.strikes('gatewayOpenFails'),
    rots: () => false,
    writeMs: () => writeMs(faults, random),
  };
}

/** A millisecond or two, and now and then a disk that thinks. */
function writeMs(faults: Faults, random: Chance): number {
  return !faults.hasStopped && random() < 0.03 ? random() * 5_000 : 0.2 + 2 * random();
}
