/**
 * Damage: what can happen to the bytes of a stored file while nobody looks.
 *
 * Owns the kinds, how often each is drawn, and its doing. Promises that a seed decides everything but the bytes that
 * are there, and that every damage changes at least one of them. Never opens a database.
 */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Side = 'device' | 'gateway';

/** What lies on the disk, in the reader's words. */
export const WHOSE: Readonly<Record<Side, string>> = { device: "a device's queue", gateway: "a gateway's store" };

export interface Damage {
  readonly side: Side;
  /** What the file is, in the reader's words. */
  readonly file: string;
  /** From the side's folder. */
  readonly path: string;
  readonly kind: DamageKind;
  /** In the reader's words. */
  readonly name: string;
  /** Where, and what: for a message about it. */
  readonly place: string;
}

export type DamageKind = 'bit' | 'bits' | 'garbage' | 'zeros' | 'cut' | 'gone';

const KINDS: readonly { readonly kind: DamageKind; readonly share: number; readonly name: string }[] = [
  { kind: 'bit', share: 0.85, name: 'one flipped bit in' },
  { kind: 'bits', share: 0.04, name: 'several flipped bits in' },
  { kind: 'garbage', share: 0.04, name: 'a sector of garbage in' },
  { kind: 'zeros', share: 0.03, name: 'a sector of zeros in' },
  { kind: 'cut', share: 0.03, name: 'the loss of the end of' },
  { kind: 'gone', share: 0.01, name: 'the loss of' },
];

/** By the first pattern that fits a file's path. */
const FILES: readonly { readonly pattern: RegExp; readonly name: string; readonly share: number }[] = [
  { pattern: /\.sst$/, name: 'a sorted file', share: 0.45 },
  { pattern: /\d\.log$/, name: 'the log', share: 0.3 },
  { pattern: /\/MANIFEST-\d+$/, name: 'the MANIFEST', share: 0.08 },
  { pattern: /\/CURRENT$/, name: 'CURRENT', share: 0.05 },
  { pattern: /\/(OPTIONS-\d+|IDENTITY)$/, name: 'OPTIONS or IDENTITY', share: 0.04 },
  { pattern: /reserve$/, name: 'the reserve', share: 0.08 },
  { pattern: /keys\.json$/, name: 'keys.json', share: 0.08 },
];

const SECTOR_BYTES = 512;
/** The end of a sorted file is what it says of itself; every so often that is hit. */
const TAIL_BYTES = 2_048;
const TAIL_SHARE = 0.2;

/** Damages one file of the copy of a side's data, and says what was done. */
export function damage(folders: Readonly<Record<Side, string>>, random: () => number): Damage {
  const side = random() < 0.5 ? 'device' : 'gateway';
  const { file, paths } = draw(random, filesIn(folders[side]));
  const path = paths[Math.floor(random() * paths.length)]!;
  const { kind, name } = draw(random, KINDS);
  const whole = readFileSync(join(folders[side], path));
  const { bytes, place } = spoil(whole, kind, random);
  if (bytes === undefined) rmSync(join(folders[side], path));
  else writeFileSync(join(folders[side], path), bytes);
  // One bit is a claim of its own for each; of the others there are few.
  const what = kind === 'bit' ? file : 'a file';
  return { side, file, path, kind, name: `${name} ${what} of ${WHOSE[side]}`, place: `${path}: ${place}` };
}

interface FileClass {
  readonly file: string;
  readonly share: number;
  readonly paths: readonly string[];
}

function filesIn(folder: string): FileClass[] {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((path) => statSync(join(folder, path)).size > 0)
    .sort();
  return FILES.map(({ pattern, name, share }) => ({
    file: name,
    share,
    paths: names.filter((path) => pattern.test(path)),
  })).filter(({ paths }) => paths.length > 0);
}

/** One of them, each as often as its share says. */
function draw<T extends { readonly share: number }>(random: () => number, choices: readonly T[]): T {
  let left = random() * choices.reduce((sum, { share }) => sum + share, 0);
  for (const choice of choices) {
    left -= choice.share;
    if (left < 0) return choice;
  }
  return choices.at(-1)!;
}

function spoil(whole: Buffer, kind: DamageKind, random: () => number): { bytes: Buffer | undefined; place: string } {
  const bytes = Buffer.from(whole);
  const from = random() < TAIL_SHARE ? Math.max(0, bytes.length - TAIL_BYTES) : 0;
  const at = from + Math.floor(random() * (bytes.length - from));
  const place = `${kind} at ${at} of ${bytes.length}`;
  switch (kind) {
    case 'bit':
      bytes[at]! ^= 1 << Math.floor(random() * 8);
      return { bytes, place };
    case 'bits':
      for (let i = 0; i < 4; i += 1) {
        const other = Math.min(bytes.length - 1, at + Math.floor(random() * 64));
        bytes[other]! ^= 1 << Math.floor(random() * 8);
      }
      break;
    case 'garbage':
    case 'zeros': {
      const start = at - (at % SECTOR_BYTES);
      for (let i = start; i < Math.min(bytes.length, start + SECTOR_BYTES); i += 1) {
        bytes[i] = kind === 'zeros' ? 0 : Math.floor(random() * 256);
      }
      break;
    }
    case 'cut':
      return { bytes: bytes.subarray(0, at), place };
    case 'gone':
      return { bytes: undefined, place };
  }
  // The flips may have met, or the sector been one of zeros.
  if (bytes.equals(whole)) bytes[at]! ^= 1;
  return { bytes, place };
}
