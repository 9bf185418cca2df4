/** Sample: mutations drawn at random from a checkout, the same for the same seed and source. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRandom } from '../rig/random.ts';
import { type Mutation, mutationsOf } from './operators.ts';

/** Every mutation of the files whose path begins with one of `places`. */
export function allMutations(root: string, places: readonly string[]): Mutation[] {
  return readdirSync(join(root, 'src'), { recursive: true })
    .map((path) => `src/${String(path).replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .filter((path) => places.some((place) => path.startsWith(place.replace(/^\.\//, ''))))
    .sort()
    .flatMap((path) => mutationsOf(path, readFileSync(join(root, path), 'utf8')));
}

/**
 * Draws `count` of them, each once. The operator is drawn first, since a file has far more numbers than awaits, and
 * people forget the one as often as they mistake the other.
 */
export function draw(mutations: readonly Mutation[], count: number, seed: number): Mutation[] {
  const random = createRandom(seed);
  const left = new Map<string, Mutation[]>();
  for (const mutation of mutations) {
    const alike = left.get(mutation.operator);
    if (alike === undefined) left.set(mutation.operator, [mutation]);
    else alike.push(mutation);
  }
  const drawn: Mutation[] = [];
  while (drawn.length < count && left.size > 0) {
    const operator = [...left.keys()][Math.floor(random() * left.size)]!;
    const alike = left.get(operator)!;
    drawn.push(...alike.splice(Math.floor(random() * alike.length), 1));
    if (alike.length === 0) left.delete(operator);
  }
  return drawn;
}
