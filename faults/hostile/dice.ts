/** Dice: what a seed decides about one input. */
import { createRandom } from '../../rig/random.ts';

export interface Dice {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** A whole number from 0 to below the bound. */
  below(bound: number): number;
  /** A whole number, both ends included. */
  between(least: number, most: number): number;
  chance(share: number): boolean;
  pick<T>(values: readonly T[]): T;
  bytes(count: number): Buffer;
}

export function createDice(seed: number): Dice {
  const random = createRandom(seed);
  const below = (bound: number): number => Math.floor(random() * bound);
  return {
    random,
    below,
    between: (least, most) => least + below(most - least + 1),
    chance: (share) => random() < share,
    pick: (values) => values[below(values.length)]!,
    bytes(count) {
      const bytes = Buffer.allocUnsafe(count);
      for (let i = 0; i < count; i++) bytes[i] = below(256);
      return bytes;
    },
  };
}
