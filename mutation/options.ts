/**
 * Options: the flags of `npm run mutation`.
 *
 * Owns their names, bounds and defaults. Never reads the environment.
 */
import { Command, InvalidArgumentError } from 'commander';

export interface MutationOptions {
  /** Paths from the root that a mutated file begins with. */
  readonly places: readonly string[];
  readonly sample: number;
  readonly seed: number;
  readonly jobs: number;
  readonly slowMs: number;
  readonly trialMs: number;
  readonly patienceMs: number;
  /** Only these of the drawn mutations, counted from 1; undefined for all. */
  readonly only: readonly number[] | undefined;
  /** Prints what is drawn, tries nothing. */
  readonly list: boolean;
}

const PATIENCE_MS = 10_000;

/** Ends the process where the call is wrong, or only asks for help. */
export function readOptions(argv: readonly string[]): MutationOptions {
  const command = new Command('npm run mutation --')
    .description('Plants single bugs at random in a copy of the code, and counts those that the nearest tests catch.')
    .argument('[places...]', 'folders or files to plant them in, such as src/gateway; default: src')
    .option('--sample <count>', 'how many bugs', whole, 60)
    .option('--seed <number>', 'the same bugs again; default: others every time', whole)
    .option('--jobs <count>', 'bugs tried side by side', whole, 2)
    .option('--slow <seconds>', 'leave out test files that take longer without a bug', whole, 20)
    .option('--seconds <count>', 'begin no further test file for one bug after so long', whole, 90)
    .option('--only <numbers>', 'only these of the bugs that are drawn, such as 3,17', numbers)
    .option('--list', 'print what is drawn, and try nothing', false);
  command.parse(argv, { from: 'user' });
  const { sample, seed, jobs, slow, seconds, only, list } = command.opts<{
    sample: number;
    seed?: number;
    jobs: number;
    slow: number;
    seconds: number;
    only?: readonly number[];
    list: boolean;
  }>();
  const places = command.args;
  return {
    places: places.length > 0 ? places : ['src/'],
    sample,
    seed: seed ?? Math.floor(Math.random() * 2 ** 31),
    jobs,
    slowMs: 2 * slow * 1000,
    trialMs: seconds * 1000,
    patienceMs: PATIENCE_MS,
    only,
    list,
  };
}

function numbers(text: string): number[] {
  return text.split(',').map(whole);
}

function whole(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1 && value <= 0xffffffff) return value;
  throw new InvalidArgumentError('must be a whole number from 1.');
}
