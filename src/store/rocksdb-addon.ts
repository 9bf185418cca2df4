/**
 * RocksDB's native addon, loaded so that it works on every Node.
 *
 * The prebuilt addon for Linux holds its own copy of `std::regex`, made for the old string layout of libstdc++. Newer
 * Nodes export functions of the same names for the new layout, the dynamic linker binds the addon to those, and the
 * process aborts before a line of ours runs (nodejs/node#52436). Owns the mending: a copy in which these functions are
 * protected, so that calls from inside stay inside. Promises to leave no file behind and to load anything else,
 * such as an addon compiled on this machine, as it is. Never changes what npm installed.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

type LevelRocks = typeof import('level-rocksdb').default;

/** What `std::regex` calls its scanner, the one part of it that Node exports too. */
const SCANNER = 'St8__detail8_ScannerIcE';

/** From the next major on, Node exports the scanner. */
const LAST_NODE_WITHOUT_CLASH = 21;

const ELF_64_LITTLE = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
const SECTION_DYNAMIC_SYMBOLS = 11;
const SYMBOL_BYTES = 24;
const VISIBILITY_MASK = 0b11;
const VISIBILITY_PROTECTED = 3;

const require = createRequire(import.meta.url);

/** `level-rocksdb`, over an addon that has been loaded already. */
export const levelRocks: LevelRocks = loadLevelRocks();

function loadLevelRocks(): LevelRocks {
  const fromLevelRocks = createRequire(require.resolve('level-rocksdb'));
  const folder = dirname(fromLevelRocks.resolve('rocksdb/package.json'));
  const findAddon = createRequire(join(folder, 'package.json'))('node-gyp-build') as { path(folder: string): string };
  const path = findAddon.path(folder);
  const clashes = Number(process.versions.node.split('.')[0]) > LAST_NODE_WITHOUT_CLASH;
  if (clashes && /[\\/]prebuilds[\\/]linux-.*glibc/.test(path)) require.cache[path] = loadMended(path);
  return require('level-rocksdb') as LevelRocks;
}

/** The module that `require(path)` would give, from a mended copy that is gone again when this returns. */
function loadMended(path: string): NodeJS.Module {
  const addon = readFileSync(path);
  protectScanner(addon);
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-rocksdb-'));
  try {
    const copy = join(folder, 'rocksdb.node');
    writeFileSync(copy, addon, { mode: 0o700 });
    const module = new Module(path);
    process.dlopen(module, copy);
    return Object.assign(module, { filename: path, loaded: true });
  } catch (cause) {
    throw new Error(`cannot load RocksDB from ${folder}: set TMPDIR to a folder that allows programs`, { cause });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Marks the scanner's functions in the addon's table of dynamic symbols; gives how many there are. */
export function protectScanner(elf: Buffer): number {
  assert(elf.subarray(0, ELF_64_LITTLE.length).equals(ELF_64_LITTLE), 'not a 64-bit little-endian ELF file');
  const sectionAt = (index: number) => {
    const header = Number(elf.readBigUInt64LE(0x28)) + index * elf.readUInt16LE(0x3a);
    return {
      type: elf.readUInt32LE(header + 4),
      start: Number(elf.readBigUInt64LE(header + 24)),
      bytes: Number(elf.readBigUInt64LE(header + 32)),
      link: elf.readUInt32LE(header + 40),
    };
  };
  const sections = Array.from({ length: elf.readUInt16LE(0x3c) }, (_, index) => sectionAt(index));
  const symbols = sections.find(({ type }) => type === SECTION_DYNAMIC_SYMBOLS);
  assert(symbols, 'no dynamic symbols');
  const names = sectionAt(symbols.link).start;
  let count = 0;
  for (let at = symbols.start; at < symbols.start + symbols.bytes; at += SYMBOL_BYTES) {
    const name = names + elf.readUInt32LE(at);
    const isDefined = elf.readUInt16LE(at + 6) !== 0;
    if (!isDefined || !elf.toString('latin1', name, elf.indexOf(0, name)).includes(SCANNER)) continue;
    elf[at + 5] = ((elf[at + 5] ?? 0) & ~VISIBILITY_MASK) | VISIBILITY_PROTECTED;
    count += 1;
  }
  return count;
}
