/**
 * Clock: the device's idea of the gateway's time (proto-spec/signing.md, "Clocks").
 *
 * Owns the offset that signed answers correct. Promises that two timestamps it gives are never equal but where a
 * correction in between has gone back far, so that no two requests carry the same signature. Never touches the system
 * clock or the times of events.
 */
export interface GatewayClock {
  /** Milliseconds to add to the device's clock. 0 until the gateway has said otherwise. */
  readonly offsetMs: number;
  /** A fresh timestamp for one request, epoch milliseconds. */
  timestamp(): number;
  /** Takes the gateway's clock from a signed answer. */
  correct(gatewayClock: number): void;
}

/** No gateway's window is so narrow that being ahead by this would matter. */
const AHEAD_MS = 100;

export function createGatewayClock(clock: () => number): GatewayClock {
  let offsetMs = 0;
  let latest = Number.NEGATIVE_INFINITY;
  return {
    get offsetMs() {
      return offsetMs;
    },
    timestamp() {
      const now = Math.round(clock() + offsetMs);
      // A clock that stands still or jumps back a little is stepped on; one that jumps far back is believed.
      latest = now <= latest && latest - now < 60_000 ? latest + 1 : now;
      return latest;
    },
    correct(gatewayClock) {
      offsetMs = Math.round(gatewayClock - clock());
      // Stepping on from far ahead would be refused again, until the gateway's clock has come as far.
      if (latest - gatewayClock > AHEAD_MS) latest = Number.NEGATIVE_INFINITY;
    },
  };
}
