/**
 * Chance: ways of drawing from numbers that a seed decides.
 */

/** Uniform in [0, 1). */
export type Chance = () => number;

export const whole = (random: Chance, from: number, to: number): number =>
  from + Math.floor(random() * (to - from + 1));

export const pick = <T>(random: Chance, values: readonly T[]): T => values[Math.floor(random() * values.length)]!;

/** As likely to be small as large, on a scale of factors. */
export const spread = (random: Chance, from: number, to: number): number =>
  Math.exp(Math.log(from) + random() * (Math.log(to) - Math.log(from)));
