/**
 * Settings: the wrong clocks that devices and gateways are given.
 *
 * Owns what can be wrong with a clock, and the flags and environment under which a program has it. Promises that a seed
 * decides all of it but today's date. Never sets a clock: `warp.mjs` does.
 */
import type { StartOptions } from '../../rig/programs.ts';

/** Absolute ones, and what comes of the clock that was there before. */
export const CLOCKS = [
  'right',
  'at 1970',
  'before 1970',
  'decades behind',
  'decades ahead',
  'frozen',
  'minutes back',
  'minutes ahead',
  'hours back',
  'hours ahead',
] as const;

export type ClockName = (typeof CLOCKS)[number];

/** What a gateway's clock may be: whoever runs a server looks at it now and then. */
export const GATEWAY_CLOCKS = ['right', 'minutes back', 'minutes ahead', 'hours back', 'hours ahead'] as const;

export type GatewayClockName = (typeof GATEWAY_CLOCKS)[number];

export interface ClockSetting<Name extends ClockName = ClockName> {
  readonly name: Name;
  /** To the system's clock, milliseconds. */
  readonly offsetMs: number;
  readonly isFrozen: boolean;
}

/** The clock of the whole process, or of what is given a clock as an option. */
export type ClockScope = 'process' | 'option';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

export const RIGHT = { name: 'right', offsetMs: 0, isFrozen: false } as const satisfies ClockSetting;

/** @param random uniform in [0, 1) */
export function settingOf<Name extends ClockName>(
  name: Name,
  before: ClockSetting,
  random: () => number,
): ClockSetting<Name> {
  return { name, offsetMs: Math.round(offsetOf(name, before.offsetMs, random)), isFrozen: name === 'frozen' };
}

function offsetOf(name: ClockName, before: number, random: () => number): number {
  const now = Date.now();
  // Within the gateway's window as well as beyond it.
  const minutes = (0.01 + random() * 10) * MINUTE_MS;
  const hours = (1 + random() * 12) * HOUR_MS;
  const decades = random() * 30 * YEAR_MS;
  const offsets: Record<ClockName, number> = {
    right: 0,
    'at 1970': -now,
    'before 1970': -now - decades,
    'decades behind': -now + decades,
    'decades ahead': Date.UTC(2099, 0, 1) - now + decades,
    frozen: before,
    'minutes back': before - minutes,
    'minutes ahead': before + minutes,
    'hours back': before - hours,
    'hours ahead': before + hours,
  };
  return offsets[name];
}

export function startWith(settings: readonly ClockSetting[], scope: ClockScope): StartOptions {
  const warp = new URL('./warp.mjs', import.meta.url).href;
  const env = { CLOCK_SETTINGS: JSON.stringify(settings), CLOCK_SCOPE: scope };
  return { nodeFlags: ['--import', warp], env };
}
