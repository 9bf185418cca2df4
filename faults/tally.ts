/**
 * FaultTally: the rows of a campaign's table while it runs.
 *
 * Owns the adding up. Promises one row a fault, in the order in which faults first struck. Never judges.
 */
import type { FaultRow } from './campaign.ts';

/** What one strike of a fault adds to its row. */
export type Strike = Partial<Pick<FaultRow, 'injected' | 'events' | 'lost' | 'doubled' | 'note'>> & {
  readonly recoveryMs?: number | undefined;
};

export interface FaultTally {
  /** `injected` is 1 unless said otherwise. */
  add(fault: string, strike: Strike): void;
  rows(): FaultRow[];
}

export function createFaultTally(): FaultTally {
  const rows = new Map<string, FaultRow>();
  return {
    add(fault, { injected = 1, events = 0, lost = 0, doubled = 0, recoveryMs, note }) {
      const before = rows.get(fault) ?? { fault, injected: 0, events: 0, lost: 0, doubled: 0, recoveriesMs: [] };
      rows.set(fault, {
        ...before,
        injected: before.injected + injected,
        events: before.events + events,
        lost: before.lost + lost,
        doubled: before.doubled + doubled,
        recoveriesMs: recoveryMs === undefined ? before.recoveriesMs : [...before.recoveriesMs, recoveryMs],
        ...(note !== undefined && { note }),
      });
    },
    rows: () => [...rows.values()],
  };
}
