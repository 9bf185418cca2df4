/** Mutation: bytes that are not what they were, without any idea of what they mean. */
import type { Dice } from './dice.ts';

/** Between one and four changes; sometimes a great many. */
export function mutated(bytes: Uint8Array, dice: Dice, others: readonly Uint8Array[]): Uint8Array {
  let changed = bytes;
  const changes = dice.chance(0.02) ? dice.between(5, 100) : dice.between(1, 4);
  for (let i = 0; i < changes && changed.length > 0; i++) changed = changedOnce(changed, dice, others);
  return changed;
}

function changedOnce(bytes: Uint8Array, dice: Dice, others: readonly Uint8Array[]): Uint8Array {
  const at = dice.below(bytes.length);
  const some = dice.between(1, 8);
  const with_ = (...middle: Uint8Array[]) => Buffer.concat([bytes.subarray(0, at), ...middle]);
  switch (dice.below(9)) {
    case 0:
    case 1: {
      const copy = Buffer.from(bytes);
      copy[at]! ^= 1 << dice.below(8);
      return copy;
    }
    case 2: {
      const copy = Buffer.from(bytes);
      copy[at] = dice.below(256);
      return copy;
    }
    case 3:
      return bytes.subarray(0, at);
    case 4:
      return with_(bytes.subarray(at + some));
    case 5:
      return with_(dice.bytes(some), bytes.subarray(at));
    case 6: {
      // The extremes of lengths, counts and varints.
      const copy = Buffer.from(bytes);
      copy.fill(dice.pick([0x00, 0x7f, 0x80, 0xff]), at, Math.min(copy.length, at + some));
      return copy;
    }
    case 7: {
      const part = bytes.subarray(at, at + dice.between(1, 32));
      return with_(...Array.from({ length: dice.between(2, 9) }, () => part), bytes.subarray(at));
    }
    default: {
      const other = dice.pick(others);
      return with_(other.subarray(dice.below(other.length + 1)));
    }
  }
}
