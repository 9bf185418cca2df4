/**
 * FirstNames: of any number of measures the first ones by name, the headline before all others.
 *
 * Devices name measures, and somebody who looks at all of a device's sensors, or at all devices, would have to be told
 * any number of them. As many are told as one batch can have; which they are does not depend on the order in which they
 * come.
 */
import { COLUMNS_MAX, HEADLINE } from '../codec/index.ts';

export interface FirstNames {
  /** Whether the name is among the first so far. Another one may have had to make place: `dropped` has heard of it. */
  take(name: string): boolean;
  inOrder(): readonly string[];
}

/** @param dropped called with each name that was taken and is not among the first any more */
export function createFirstNames(dropped: (name: string) => void, namesMax: number = COLUMNS_MAX): FirstNames {
  const names = new Set<string>();
  const ordered: string[] = [];
  return {
    take(name) {
      if (names.has(name)) return true;
      const place = placeOf(ordered, name);
      if (place === namesMax) return false;
      ordered.splice(place, 0, name);
      names.add(name);
      if (ordered.length <= namesMax) return true;
      const last = ordered.pop()!;
      names.delete(last);
      dropped(last);
      return true;
    },
    inOrder: () => ordered,
  };
}

function placeOf(ordered: readonly string[], name: string): number {
  if (name === HEADLINE) return 0;
  let low = ordered[0] === HEADLINE ? 1 : 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ordered[middle]! < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
