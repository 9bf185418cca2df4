/**
 * All sorted files of an open database, looked through before anything iterates over them.
 *
 * Owns which files there are, and how a range is cut into pieces that are looked through one at a time. Promises that
 * no iterator meets a block that has rotted, and that one flipped bit anywhere in the files is put right when it is
 * met. Never looks into what is in memory only.
 */
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { StoreError } from './errors.ts';
import { type FileCheck, type FileFindings, MIXED, refusal, removeTables } from './rocks-files.ts';
import { damaged, mendBlock, openTable, type Table, type TableMode, type TableRange } from './rocks-table.ts';
import { tableVersions } from './rocks-versions.ts';

export interface Tables {
  /** Bits that were put right. */
  readonly mendedBits: number;
  /** What is damaged beyond that, as it was met first. */
  readonly damage: string | undefined;
  /** What was broken when the database was opened, and is no part of it any more. */
  readonly leftOut: readonly string[];
  /** Looks through every file, whole, until `isOver`. */
  lookThrough(isOver: () => boolean): Promise<void>;
  /** The range cut into pieces, in the order of reading; each is looked through when it is given. */
  pieces(range: TableRange & { readonly reverse: boolean }): AsyncGenerator<TableRange, void, void>;
  /** Puts right what RocksDB complains of, where that is one bit; false where it goes on complaining. */
  mend(complaint: string): Promise<boolean>;
}

export const TABLE_NAME = /^\d+\.(sst|ldb)$/;
const COMPLAINT = /block checksum mismatch: .* in (.+\.(?:sst|ldb)) offset (\d+) size (\d+)/;
/** What is looked through before it is iterated over. */
const PIECE_BYTES = 256 << 10;

/**
 * Looks through what the files say of themselves, before RocksDB has the database; their data has its turn later. A
 * file that is damaged in what it says, or missing, is refused or left out only where `findings` has it as one of the
 * database's: a process that was killed leaves unfinished ones behind, and RocksDB removes them.
 */
export async function openTables(check: FileCheck, findings: FileFindings): Promise<Tables> {
  const { tables: live, leftOut } = findings;
  const unreadable = new Map<number, string>();
  const tables = new DirectoryTables(check, findings.mendedBits, leftOut);
  for (const name of await tables.load()) unreadable.set(Number.parseInt(name, 10), name);
  const there = new Set((await readdir(check.path)).filter((name) => TABLE_NAME.test(name)).map(Number.parseFloat));
  const lost = [...(live?.levels.keys() ?? [])].filter((file) => unreadable.has(file) || !there.has(file));
  if (live === undefined) return tables;
  const unnamed = [...there].filter((file) => !unreadable.has(file) && !live.named.has(file));
  // RocksDB removes what the MANIFEST does not name; where that has lost its end, those are the files that hold the
  // rest.
  if (lost.length === 0) {
    const later = await tables.laterThan(findings.changes, unnamed);
    if (later !== undefined) throw refusal(check.broken, `${MIXED}: the MANIFEST does not know of ${later}`);
    return tables;
  }
  const trouble = lost.map((file) => {
    const name = unreadable.get(file);
    return name === undefined ? `${tableName(file)} is missing` : `${name} is ${UNREADABLE}`;
  });
  if (unnamed.length > 0) throw refusal(check.broken, `${LOST_END}: ${trouble.join(', ')}`);
  if (check.readOnly || check.broken === 'refuse') throw refusal(check.broken, trouble.join(', '));
  for (const name of lost.map((file) => unreadable.get(file))) {
    // Kept for inspection. Before the MANIFEST: what that does not name RocksDB removes.
    if (name !== undefined) await rename(join(check.path, name), join(check.path, `${name}.damaged`));
  }
  await removeTables(check, lost, live);
  tables.leftOut = [...leftOut, ...trouble];
  return tables;
}

const LOST_END = 'the MANIFEST has lost its end';
const UNREADABLE = 'damaged in what it says of itself';

function tableName(file: number): string {
  return `${String(file).padStart(6, '0')}.sst`;
}

class DirectoryTables implements Tables {
  readonly #path: string;
  readonly #mode: TableMode;
  /** By name: RocksDB never changes one, nor uses a name again. */
  readonly #known = new Map<string, Table>();
  mendedBits: number;
  damage: string | undefined;
  leftOut: readonly string[];

  constructor({ path, readOnly }: FileCheck, mendedBits: number, leftOut: readonly string[]) {
    this.leftOut = leftOut;
    this.#path = path;
    this.#mode = readOnly ? 'r' : 'r+';
    this.mendedBits = mendedBits;
  }

  /** Gives the names of those that cannot be read: they are damaged, or RocksDB is still writing them. */
  async load(): Promise<string[]> {
    const names = (await readdir(this.#path)).filter((name) => TABLE_NAME.test(name));
    for (const name of this.#known.keys()) if (!names.includes(name)) this.#known.delete(name);
    const unreadable: string[] = [];
    for (const name of names) {
      if (this.#known.has(name)) continue;
      const opened = await unlessGone(() => openTable(join(this.#path, name), this.#mode));
      if (opened?.condition === 'broken') unreadable.push(name);
      if (opened?.condition !== 'whole') continue;
      this.mendedBits += opened.mendedBits;
      this.#known.set(name, opened.table);
    }
    return unreadable;
  }

  /** The name of one of these files that holds a change behind so many. */
  async laterThan(changes: number, files: readonly number[]): Promise<string | undefined> {
    for (const [name, table] of this.#known) {
      if (!files.includes(Number.parseInt(name, 10))) continue;
      for await (const { order } of tableVersions(table)) if (order > changes) return name;
    }
    return undefined;
  }

  async *pieces({ gte, lt, reverse }: TableRange & { reverse: boolean }): AsyncGenerator<TableRange, void, void> {
    for (let left: TableRange | undefined = { gte, lt }; left !== undefined; ) {
      await this.load();
      const tables = [...this.#known.values()];
      const piece: TableRange = reverse ? lastPiece(tables, left) : firstPiece(tables, left);
      for (const table of tables) await this.#check(table, piece);
      yield piece;
      if (reverse) left = piece.gte === left.gte ? undefined : { gte: left.gte, lt: piece.gte };
      else left = piece.lt === left.lt ? undefined : { gte: piece.lt, lt: left.lt };
    }
  }

  async mend(complaint: string): Promise<boolean> {
    const [, file, offset, size] = COMPLAINT.exec(complaint) ?? [];
    if (file === undefined || this.#mode === 'r') return false;
    const condition = await unlessGone(() => mendBlock(file, { offset: Number(offset), size: Number(size) }));
    if (condition === 'mended') this.mendedBits += 1;
    if (condition === 'broken') this.damage ??= damaged(file, Number(offset));
    // One that is whole was put right by somebody else a moment ago.
    return condition === 'mended' || condition === 'whole';
  }

  async lookThrough(isOver: () => boolean): Promise<void> {
    for (const name of (await readdir(this.#path)).filter((one) => TABLE_NAME.test(one))) {
      if (isOver()) return;
      // Anew, and not as it was known: what it says of itself may have rotted, too.
      const opened = await unlessGone(() => openTable(join(this.#path, name), this.#mode));
      // One that never was whole is still being written.
      if (opened?.condition === 'broken' && this.#known.has(name)) this.damage ??= `${name} is ${UNREADABLE}`;
      if (opened?.condition !== 'whole') continue;
      this.mendedBits += opened.mendedBits;
      // What is broken is noted, and need not be looked for further.
      await this.#check(opened.table, { gte: undefined, lt: undefined }).catch(unlessCorrupt);
    }
  }

  async #check(table: Table, range: TableRange): Promise<void> {
    try {
      this.mendedBits += (await unlessGone(() => table.check(range))) ?? 0;
    } catch (error) {
      if (error instanceof StoreError && error.code === 'corrupt') this.damage ??= error.message;
      throw error;
    }
  }
}

function firstPiece(tables: readonly Table[], { gte, lt }: TableRange): TableRange {
  const bounds = tables.map((table) => table.boundAbove(gte, PIECE_BYTES));
  const [nearest] = bounds.filter((bound) => bound !== undefined).sort(Buffer.compare);
  return { gte, lt: nearest === undefined || (lt && Buffer.compare(nearest, lt) >= 0) ? lt : nearest };
}

function lastPiece(tables: readonly Table[], { gte, lt }: TableRange): TableRange {
  const bounds = tables.map((table) => table.boundBelow(lt, PIECE_BYTES));
  const nearest = bounds
    .filter((bound) => bound !== undefined)
    .sort(Buffer.compare)
    .at(-1);
  return { gte: nearest === undefined || (gte && Buffer.compare(nearest, gte) <= 0) ? gte : nearest, lt };
}

function unlessCorrupt(error: unknown): void {
  if (!(error instanceof StoreError && error.code === 'corrupt')) throw error;
}

/** A file that RocksDB has replaced meanwhile has nothing to say any more. */
async function unlessGone<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
