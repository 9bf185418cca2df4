/**
 * Summary: the one line of JSON that a bounded run ends with.
 *
 * Owns its members, which scripts rely on. Never rounds a sum: volumes are decimal texts.
 */
import type { Scene } from './demo.ts';
import type { DemoOptions } from './options.ts';

export function summaryOf(
  { balance, link, kills, elapsedMs, isComplete, refused, refusal, leftBytes }: Scene,
  { seed }: DemoOptions,
) {
  const { id: _, ...total } = balance.total;
  const seconds = elapsedMs / 1_000;
  return {
    ...total,
    match: total.match && isComplete,
    refused,
    refusal,
    leftBytes,
    faultsInjected: link.faultsInjected,
    faults: link.faults,
    kills: kills.length,
    isComplete,
    seconds: Number(seconds.toFixed(3)),
    eventsPerSecond: Math.round(total.delivered / seconds),
    seed,
    devices: balance.rows,
  };
}
