/**
 * A made-up moment of the demo, for tests of what is shown.
 */
import { balanceOf } from '../../demo/balance.ts';
import type { Scene } from '../../demo/demo.ts';
import type { DeviceFigures } from '../../demo/device-program.ts';
import type { CountedDevice } from '../../demo/gateway-program.ts';

export function figures(change: Partial<DeviceFigures> = {}): DeviceFigures {
  const sums = { volume: '12.5', temperature: '180.25' };
  const calm = { link: 'online', reason: null, refused: 0, refusal: null, leftBytes: 0 } as const;
  return { id: 'pump-1', ...calm, recorded: 1_000, queued: 0, retries: 3, sums, ...change };
}

export function counted(change: Partial<CountedDevice> = {}): CountedDevice {
  const sums = { volume: '12.5', temperature: '180.25' };
  return { id: 'pump-1', events: 1_000, duplicates: 40, sums, ...change };
}

export function scene(change: Partial<Scene> = {}): Scene {
  const devices = [
    figures(),
    figures({ id: 'pump-2', link: 'offline', reason: 'ECONNRESET', queued: 200, sums: { volume: '0.3' } }),
  ];
  const gateway = new Map([
    ['pump-1', counted()],
    ['pump-2', counted({ id: 'pump-2', events: 800, sums: { volume: '0.1' } })],
  ]);
  return {
    phase: 'recording',
    pageUrl: 'http://127.0.0.1:4000/',
    devices,
    gatewayAnswers: true,
    balance: balanceOf(devices, gateway),
    link: { requests: 90, faultsInjected: 12, faults: { 'drop-answer': 7, delay: 3, 'reset-answer': 2 }, broken: 0 },
    kills: [],
    elapsedMs: 12_345.6,
    refused: 0,
    refusal: null,
    leftBytes: 0,
    isComplete: false,
    ...change,
  };
}
