/**
 * Distortion: a batch whose msgpack is sound and whose meaning is not.
 *
 * Owns what can be wrong with each kind of value, and with what only a batch has: counts, ranges, columns, presence.
 * Promises a tree of its own. Never knows what a decoder makes of it.
 */
import type { Dice } from './dice.ts';
import { NIL, readTree, type Tree, text, whole, writeTree } from './tree.ts';

/** Where something ends, and a little beyond it. */
const ABSURD: readonly bigint[] = [
  ...[0n, 1n, -1n, 7n, 255n, 256n, 65_535n, 65_536n, 65_537n],
  ...[31n, 32n, 51n, 52n, 53n, 63n].flatMap((bits) => [(1n << bits) - 1n, 1n << bits, -(1n << bits)]),
  (1n << 64n) - 1n,
];

const NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'v',
  'columns',
  'count',
  '',
  '\0',
];

/** The keys of a batch that hold a number. */
const NUMBERS = ['v', 'first', 'count', 'sent'];

/** Distorts a batch in one to three places. */
export function distorted(batch: Uint8Array, dice: Dice): Buffer {
  const tree = readTree(batch);
  for (let places = dice.between(1, 3); places > 0; places--) {
    if (dice.chance(0.5)) distortMeaning(tree, dice);
    else distortSomewhere(tree, dice);
  }
  return writeTree(tree);
}

/** Anything, anywhere. */
function distortSomewhere(tree: Tree, dice: Dice): void {
  const places = placesIn(tree);
  const [items, at] = dice.pick(places);
  const node = items[at]!;
  items[at] = dice.chance(0.4) ? something(dice) : distortedValue(node, dice);
}

function distortedValue(node: Tree, dice: Dice): Tree {
  switch (node.kind) {
    case 'whole':
      return dice.chance(0.3)
        ? { kind: 'float', value: dice.pick([Number(node.value), Number(node.value) + 0.5, -0, NaN, Infinity, 1e300]) }
        : whole(dice.chance(0.5) ? node.value + BigInt(dice.pick([-1, 1])) : dice.pick(ABSURD));
    case 'bin':
      return { kind: 'bin', bytes: distortedBytes(node.bytes, dice) };
    case 'text':
      return { kind: 'text', bytes: distortedText(node.bytes, dice) };
    case 'list':
    case 'map':
      return distortedItems(node, dice);
    default:
      return something(dice);
  }
}

function distortedBytes(bytes: Uint8Array, dice: Dice): Uint8Array {
  const copy = Buffer.from(bytes);
  switch (dice.below(7)) {
    case 0:
      return copy.subarray(0, dice.below(copy.length + 1));
    case 1:
      return Buffer.concat([copy, dice.bytes(dice.between(1, 9))]);
    case 2:
      // Another order or layout over the same bytes.
      if (copy.length > 0)
        copy[0] = dice.chance(0.7) ? 16 * dice.below(4) + dice.pick([0, 1, 2, 3, 7, 8, 15]) : dice.below(256);
      return copy;
    case 3:
      return copy.fill(dice.pick([0x00, 0xff, 0x7f, 0x80]), dice.below(copy.length + 1));
    case 4:
      return dice.bytes(copy.length);
    case 5:
      return Buffer.alloc(0);
    default:
      if (copy.length > 0) copy[dice.below(copy.length)]! ^= 1 << dice.below(8);
      return copy;
  }
}

function distortedText(bytes: Uint8Array, dice: Dice): Uint8Array {
  switch (dice.below(7)) {
    case 0:
      return Buffer.from(dice.pick(NAMES));
    case 1:
      return Buffer.alloc(dice.chance(0.03) ? 70_000 : dice.pick([127, 128, 129, 4_096, 4_097]), 'x');
    case 2:
      return Buffer.concat([Buffer.of(0xef, 0xbb, 0xbf), bytes]);
    case 3:
      // A surrogate, an overlong zero, a byte that begins nothing.
      return Buffer.concat([bytes, dice.pick([Buffer.of(0xed, 0xa0, 0x80), Buffer.of(0xc0, 0x80), Buffer.of(0xff)])]);
    case 4:
      return Buffer.from('ünïcode ✓ 🌊');
    case 5:
      return Buffer.of(dice.below(0x20), 0x7f);
    default:
      return bytes.subarray(0, dice.below(bytes.length + 1));
  }
}

function distortedItems(node: Tree & { kind: 'list' | 'map' }, dice: Dice): Tree {
  const step = node.kind === 'map' ? 2 : 1;
  const items = [...node.items];
  const at = step * dice.below(Math.max(1, items.length / step));
  const entry = items.slice(at, at + step);
  switch (dice.below(6)) {
    case 0:
      items.splice(at, step);
      break;
    case 1:
      items.splice(at, 0, ...entry);
      break;
    case 2:
      return { kind: node.kind, items, says: dice.pick([0, 1, items.length / step + 1, 0xffff, 0xffffffff]) };
    case 3:
      for (let times = dice.chance(0.03) ? 600 : dice.pick([1, 15]); times > 0; times--) items.push(...entry);
      break;
    case 4:
      items.push(...(step === 2 ? [dice.chance(0.7) ? text(dice.pick(NAMES)) : something(dice)] : []), something(dice));
      break;
    default:
      items.reverse();
  }
  return { kind: node.kind, items };
}

/** What has no place here. */
function something(dice: Dice): Tree {
  switch (dice.below(10)) {
    case 0:
      return NIL;
    case 1:
      return { kind: 'flag', value: dice.chance(0.5) };
    case 2:
      return text(dice.pick([...NAMES, 'quota', '1e5', '-0', '9'.repeat(400), `0.${'0'.repeat(399)}1`]));
    case 3:
      return { kind: 'bin', bytes: dice.bytes(dice.pick([0, 1, 16, 200])) };
    case 4:
      return { kind: 'list', items: [] };
    case 5:
      return { kind: 'map', items: [text(dice.pick(NAMES)), NIL] };
    case 6: {
      let deep: Tree = NIL;
      for (let depth = dice.chance(0.03) ? 1_000 : dice.pick([2, 5, 6]); depth > 0; depth--)
        deep = { kind: 'list', items: [deep] };
      return deep;
    }
    case 7:
      // An extension, a timestamp, the byte that is never used, a header without its body.
      return {
        kind: 'raw',
        bytes: dice.pick(
          [[0xd4, 1, 0], [0xd6, 0xff, 0, 0, 0, 0], [0xc1], [0xdb, 0xff, 0xff, 0xff, 0xff]].map((b) => Buffer.from(b)),
        ),
      };
    case 8:
      return { kind: 'float', value: dice.pick([NaN, Infinity, -Infinity, -0, 0.5, 1e300, 5e-324]) };
    default:
      return whole(dice.pick(ABSURD));
  }
}

/** What only a batch has. */
function distortMeaning(tree: Tree, dice: Dice): void {
  const columns = valueAt(tree, 'columns');
  const fields = columns?.kind === 'list' ? columns.items[4] : undefined;
  switch (dice.below(7)) {
    case 0:
      setValue(tree, dice.pick(NUMBERS), whole(dice.pick(ABSURD)));
      return;
    case 1: {
      // The same count, said consistently.
      const count = whole(dice.chance(0.03) ? dice.pick([4_096, 65_535, 65_536]) : dice.pick([0, 1, 2, 255, 65_537]));
      setValue(tree, 'count', count);
      if (columns?.kind === 'list') columns.items[0] = count;
      return;
    }
    case 2: {
      const queue = Array.from({ length: dice.pick([3, 4, 4, 4, 5]) }, () => whole(dice.pick(ABSURD)));
      setValue(tree, 'queue', { kind: 'list', items: queue });
      return;
    }
    case 3:
      setValue(tree, 'gaps', gaps(dice));
      return;
    case 4:
      // One column's part in the place of another's: presence that overlaps, lengths that are another's.
      if (fields?.kind === 'list' && fields.items.length > 1) swapParts(fields.items, dice);
      return;
    case 5:
      if (fields?.kind === 'list' && fields.items.length > 0) renameField(fields.items, dice);
      return;
    default:
      if (fields?.kind === 'list' && fields.items.length > 0) fillDictionary(fields.items, dice);
  }
}

function gaps(dice: Dice): Tree {
  const edges = [1n, 2n, 3n, 1n << 32n, (1n << 53n) - 1n, 1n << 53n];
  const items = Array.from({ length: dice.pick([1, 2, 16, 17]) }, (): Tree => {
    const sums: Tree[] = Array.from({ length: dice.below(4) }, () => [
      text(dice.pick([...NAMES, 'volume'])),
      something(dice),
    ]).flat();
    const parts = [whole(dice.pick(edges)), whole(dice.pick(edges)), text(dice.pick(['quota', 'damage', 'whim']))];
    return { kind: 'list', items: [...parts, dice.chance(0.5) ? NIL : { kind: 'map', items: sums }] };
  });
  return { kind: 'list', items };
}

function swapParts(fields: Tree[], dice: Dice): void {
  const [one, other] = [dice.pick(fields), dice.pick(fields)];
  if (one.kind !== 'list' || other.kind !== 'list' || one.items.length < 3 || other.items.length < 3) return;
  const at = dice.between(1, Math.min(one.items.length, other.items.length) - 1);
  one.items[at] = other.items[at]!;
}

function renameField(fields: Tree[], dice: Dice): void {
  const [one, other] = [dice.pick(fields), dice.pick(fields)];
  if (one.kind !== 'list' || other.kind !== 'list') return;
  const name = other.items[0];
  one.items[0] = dice.chance(0.5) || name === undefined ? text(dice.pick(NAMES)) : name;
}

function fillDictionary(fields: Tree[], dice: Dice): void {
  const field = dice.pick(fields);
  const dictionary = field.kind === 'list' ? field.items.find(({ kind }) => kind === 'list') : undefined;
  if (dictionary?.kind !== 'list') return;
  const count = dice.chance(0.003) ? dice.pick([65_535, 65_537]) : dice.pick([0, 2, 60]);
  dictionary.items = Array.from({ length: count }, (_, i) => text(`${i}`));
}

type Place = readonly [items: Tree[], at: number];

function placesIn(tree: Tree): Place[] {
  const places: Place[] = [];
  const walk = (node: Tree): void => {
    if (node.kind !== 'list' && node.kind !== 'map') return;
    node.items.forEach((item, at) => {
      places.push([node.items, at]);
      walk(item);
    });
  };
  walk(tree);
  return places;
}

function valueAt(tree: Tree, key: string): Tree | undefined {
  const at = tree.kind === 'map' ? placeOf(tree.items, key) : -1;
  return tree.kind === 'map' && at >= 0 ? tree.items[at + 1] : undefined;
}

function setValue(tree: Tree, key: string, value: Tree): void {
  if (tree.kind !== 'map') return;
  const at = placeOf(tree.items, key);
  if (at >= 0) tree.items[at + 1] = value;
}

/** −1 where it is not there. */
function placeOf(items: readonly Tree[], key: string): number {
  return items.findIndex(
    (item, at) => at % 2 === 0 && item.kind === 'text' && Buffer.from(item.bytes).equals(Buffer.from(key)),
  );
}
