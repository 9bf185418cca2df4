/**
 * Standing: Tidegate and its peers, side by side.
 *
 * Owns the ratios and how the comparison looks. Promises that every ratio is of medians that were measured in this run.
 * Never leaves out in which way a peer promises less.
 */
import { type Comparison, numberText, type Quantity, ratio } from '../harness.ts';
import type { Promises } from './peer.ts';

export interface Standing {
  readonly name: string;
  readonly events: number;
  readonly promises: Promises;
  readonly speed: Quantity;
  readonly wire: Quantity;
  /** What it was measured with, as `name version`. */
  readonly versions: readonly string[];
}

const HEAD = [
  'end to end',
  'events',
  'events/s',
  'Tidegate / peer',
  'B/event',
  'peer / Tidegate',
  'fsynced before acknowledged',
  'dedupe per event',
  'exact totals',
  'disk queue on the device',
];

/** How many times a peer's events a second Tidegate delivers, and how many times Tidegate's bytes a peer needs. */
export function ratiosTo(ours: Standing, peer: Standing): { readonly speed: Quantity; readonly wire: Quantity } {
  return { speed: ratio(ours.speed, peer.speed), wire: ratio(peer.wire, ours.wire) };
}

export function comparisonOf(ours: Standing, peers: readonly Standing[]): Comparison {
  const versions = [...new Set(peers.flatMap((peer) => peer.versions))];
  return {
    title:
      'Tidegate and its peers: the same events, one device process to one server, bytes of both directions over TCP',
    head: HEAD,
    rows: [ours, ...peers].map((standing) => {
      const { name, events, speed, wire, promises } = standing;
      const ratios = ratiosTo(ours, standing);
      return [
        name,
        numberText(events),
        numberText(speed.value),
        `${numberText(ratios.speed.value)} ×`,
        numberText(wire.value),
        `${numberText(ratios.wire.value)} ×`,
        promises.fsyncedBeforeAcknowledged,
        promises.dedupePerEvent,
        promises.exactTotals,
        promises.deviceDiskQueue,
      ];
    }),
    note: versions.length > 0 ? `with ${versions.join(', ')}` : 'with nothing but what Tidegate itself installs',
  };
}
