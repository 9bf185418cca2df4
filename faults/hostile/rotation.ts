/**
 * Rotation: batches of a device whose keys are changing hands, under several signatures and names at once.
 *
 * Owns which sets of values make a request authentic, in whatever order and however spaced. Promises that one right
 * value is enough, that the answer is signed over that one, and that none, one of another head, or too many are not.
 * Never uses a name twice: a key's second name is a stranger's.
 */
import { decodeBatch } from '../../src/codec/index.ts';
import { batchOf, randomEvents } from './corpus.ts';
import type { Dice } from './dice.ts';
import { Breach, hexOf, type Kind, REFUSED, type Struck } from './kind.ts';
import { KEY_ID, REVOKED_KEY_ID, type Said, type Target } from './target.ts';

export const ROTATED = 'several signatures and key names at once';

/** Values of `v1=` that one header may hold (proto-spec/signing.md). */
const VALUES_MAX = 4;

export function rotationKinds(target: Target): Kind[] {
  return [{ name: ROTATED, share: 30, strike: (dice) => rotated(target, dice) }];
}

async function rotated(target: Target, dice: Dice): Promise<Struck> {
  const isRight = dice.chance(0.7);
  const wrong = dice.between(isRight ? 0 : 1, VALUES_MAX + (dice.chance(0.1) ? 2 : 0) - (isRight ? 1 : 0));
  const foreign = dice.below(3);
  const said: Pick<Said, 'named' | 'offer'> = {
    named: dice.pick([KEY_ID, `k9,${KEY_ID}`, `${KEY_ID}, k9`, `${REVOKED_KEY_ID},${KEY_ID}`, `${KEY_ID},${KEY_ID}`]),
    offer(right) {
      const values = [
        ...(isRight ? [`v1=${right}`] : []),
        ...Array.from({ length: wrong }, () => `v1=${wrongFor(dice, right)}`),
        // Of a scheme that nobody knows yet: to be passed over.
        ...Array.from({ length: foreign }, () => dice.pick([`v2=${right}`, 'v10=', 'x'])),
      ];
      return shuffled(dice, values).join(dice.pick([',', ', ', ' ,  ']));
    },
  };
  const bytes = batchOf(randomEvents(dice), { stream: dice.bytes(16) });
  const heard = await target.send({ body: bytes, encoding: 'identity', ...said });
  const isTooMany = wrong + (isRight ? 1 : 0) > VALUES_MAX;
  const due = isTooMany ? 'headers-invalid' : isRight ? undefined : 'signature-mismatch';
  const words = `${isRight ? 'one' : 'none'} right among ${wrong} wrong and ${foreign} unknown for ${said.named}`;
  if (heard.code !== due) throw new Breach(`${heard.code ?? heard.status} to ${words}; input ${hexOf(bytes)}`);
  if (due !== undefined) return REFUSED;
  const batch = decodeBatch(bytes);
  if (!heard.isSigned || heard.inserted !== batch.count) throw new Breach(`${heard.inserted} counted of ${words}`);
  target.count(batch);
  await target.turn();
  return { isRefused: false, events: batch.count };
}

/** Of the form, and of no key. */
function wrongFor(dice: Dice, right: string): string {
  if (dice.chance(0.5)) return dice.bytes(32).toString('hex');
  const at = dice.below(right.length);
  return `${right.slice(0, at)}${right[at] === '0' ? '1' : '0'}${right.slice(at + 1)}`;
}

function shuffled<T>(dice: Dice, values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, at: dice.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
