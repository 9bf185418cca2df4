/**
 * Strikes: what has met which device, and how long it took until something of that device was counted again.
 *
 * Owns the counts and the recoveries. Promises that a recovery is measured from the end of a fault to the first request
 * behind it that the gateway itself answered. Never decides what strikes.
 */
export interface Strikes<Fault extends string> {
  readonly total: number;
  count(fault: Fault): number;
  /** Milliseconds, one for each time that was measured. */
  recoveries(fault: Fault): readonly number[];
  /** A fault has met the device, and is over. */
  struck(fault: Fault, deviceId: string): void;
  /** Something of the device was counted, with nothing in its way. */
  counted(deviceId: string): void;
}

export function createStrikes<Fault extends string>(): Strikes<Fault> {
  const counts = new Map<Fault, number>();
  const recoveries = new Map<Fault, number[]>();
  const pending = new Map<string, { readonly fault: Fault; readonly since: number }[]>();
  let total = 0;
  return {
    get total() {
      return total;
    },
    count: (fault) => counts.get(fault) ?? 0,
    recoveries: (fault) => recoveries.get(fault) ?? [],
    struck(fault, deviceId) {
      total++;
      counts.set(fault, (counts.get(fault) ?? 0) + 1);
      pending.set(deviceId, [...(pending.get(deviceId) ?? []), { fault, since: performance.now() }]);
    },
    counted(deviceId) {
      for (const { fault, since } of pending.get(deviceId) ?? []) {
        recoveries.set(fault, [...(recoveries.get(fault) ?? []), performance.now() - since]);
      }
      pending.delete(deviceId);
    },
  };
}
