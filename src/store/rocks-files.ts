/**
 * The files of a database, looked through before RocksDB opens them.
 *
 * Owns what RocksDB would take without a word: a log that is damaged, of which it leaves out what it cannot read, and a
 * database whose CURRENT is gone, over which it makes an empty one. Promises to put right what one flipped bit
 * explains, to refuse with `corrupt` what it cannot answer for, and to write nothing for who only looks. Otherwise
 * whoever asks has the lock of the folder.
 */
import { link, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from './directories.ts';
import { StoreError } from './errors.ts';
import { examineLog, formatLog, type LogFindings } from './rocks-log.ts';
import { type LiveTables, liveTables, removalRecord } from './rocks-manifest.ts';
import { ordersOf } from './rocks-versions.ts';

export interface FileCheck {
  readonly path: string;
  /** What becomes of a broken commit in the log, or a sorted file: `refuse` the database, or `leave-out` that. */
  readonly broken: 'refuse' | 'leave-out';
  /** Nothing is put right: what RocksDB could not make sense of as it is, is `corrupt`. */
  readonly readOnly: boolean;
}

const MANIFEST_NAME = /^MANIFEST-\d+$/;
export const LOG_NAME = /^\d+\.log$/;
/** Where one of these is, there was a database. */
const DATABASE_NAME = /^(CURRENT|MANIFEST-\d+|\d+\.(log|sst|ldb))$/;

/** What to do about a database that is refused. */
const FROM_A_COPY = 'bring the whole folder back from a copy, with what lies beside it';

/** A device is told what became of the rest, and needs no copy. */
export function refusal(broken: FileCheck['broken'], trouble: string): StoreError {
  return new StoreError('corrupt', broken === 'refuse' ? `${trouble}; ${FROM_A_COPY}` : trouble);
}

function brokenText(name: string, at: number): string {
  return `${name} is damaged at byte ${at}`;
}

export interface FileFindings {
  /** Whether there is a database. */
  readonly exists: boolean;
  /** Bits that were put right. */
  readonly mendedBits: number;
  /** The sorted files that RocksDB will open; undefined where nobody can tell. */
  readonly tables: LiveTables | undefined;
  /** How many changes the MANIFEST and the logs behind it come to. */
  readonly changes: number;
  /** What was broken in the logs and is left out, for people. */
  readonly leftOut: readonly string[];
}

/** Whether there is, or was, a database. */
export async function isDatabase(path: string): Promise<boolean> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.some((name) => DATABASE_NAME.test(name));
}

/** Resolves at once where there is no database. */
export async function checkFiles(check: FileCheck): Promise<FileFindings> {
  const names = await readdir(check.path);
  const manifest = await currentManifest(check, names);
  if (manifest === undefined) return { exists: false, mendedBits: 0, tables: undefined, changes: 0, leftOut: [] };
  let { mendedBits, records } = await checkLog(check, manifest, 'refuse');
  const tables = liveTables(records);
  const leftOut: string[] = [];
  let changes = tables?.changes ?? 0;
  let missing: string | undefined;
  // In the order in which they were written.
  for (const name of names.filter((one) => LOG_NAME.test(one)).sort()) {
    const log = await checkLog(check, name, check.broken);
    mendedBits += log.mendedBits;
    if (log.brokenAt !== undefined) leftOut.push(brokenText(name, log.brokenAt));
    // What was left of an older log, RocksDB does not read.
    if (tables === undefined || Number.parseInt(name, 10) < tables.logsFrom) continue;
    for (const { first, last } of log.records.map(ordersOf)) {
      if (first > changes + 1) missing ??= `changes ${changes + 1} to ${first - 1}, before ${name}, are missing`;
      changes = Math.max(changes, last);
    }
  }
  // Of a commit that is left out, its changes are missing.
  if (missing !== undefined && leftOut.length === 0) throw refusal(check.broken, `${MIXED}: ${missing}`);
  return { exists: true, mendedBits, tables, changes, leftOut };
}

/** As when an older copy is brought back over a newer folder, or a copy is made while the database is written to. */
export const MIXED = 'the files of the database are of different times';

/** Has RocksDB go on without sorted files of its own. Their names are in the MANIFEST, and `tables` is what it says. */
export async function removeTables(check: FileCheck, files: readonly number[], tables: LiveTables): Promise<void> {
  const manifest = (await currentManifest(check, await readdir(check.path)))!;
  const { records } = examineLog(await readFile(join(check.path, manifest)));
  await replace(check, manifest, formatLog([...records, removalRecord(files, tables)]));
}

/** The MANIFEST that CURRENT names; where that is lost, the only one it can have been. */
async function currentManifest(check: FileCheck, names: readonly string[]): Promise<string | undefined> {
  const manifests = names.filter((name) => MANIFEST_NAME.test(name));
  const text = names.includes('CURRENT') ? await readFile(join(check.path, 'CURRENT'), 'latin1') : '';
  const named = manifests.find((name) => text === `${name}\n`);
  if (named !== undefined) return named;
  const near = manifests.filter((name) => bitsBetween(text, `${name}\n`) === 1);
  const [only, ...others] = near.length > 0 ? near : manifests;
  if (only !== undefined && others.length === 0) {
    if (check.readOnly) throw new StoreError('corrupt', 'CURRENT is damaged; the next start puts it right');
    await replace(check, 'CURRENT', Buffer.from(`${only}\n`));
    return only;
  }
  if (names.some((name) => DATABASE_NAME.test(name)))
    throw refusal(check.broken, 'nothing says any more which files the database is made of');
  return undefined;
}

async function checkLog(
  check: FileCheck,
  name: string,
  broken: FileCheck['broken'],
): Promise<Pick<LogFindings, 'mendedBits' | 'records' | 'brokenAt'>> {
  const bytes = await readFile(join(check.path, name));
  const { mendedBits, brokenAt, failedAt, unfinishedAt, records } = examineLog(bytes);
  if (brokenAt !== undefined && broken === 'refuse') {
    throw refusal(check.broken, brokenText(name, brokenAt));
  }
  if (check.readOnly && (mendedBits > 0 || failedAt !== undefined)) {
    throw new StoreError('corrupt', `${name} is damaged; the next start puts it right`);
  }
  if (check.readOnly) return { mendedBits, records, brokenAt };
  // RocksDB never opens a database again whose MANIFEST ends in a write of which a power cut has left only the
  // beginning.
  const isRewritten = [brokenAt, failedAt, unfinishedAt].some((at) => at !== undefined);
  if (isRewritten) await replace(check, name, formatLog(records), brokenAt !== undefined);
  else if (mendedBits > 0) await replace(check, name, bytes);
  return { mendedBits, records, brokenAt };
}

/** Puts a file in the place of another; after a crash one of the two is there, whole. Can keep the other to inspect. */
async function replace({ path }: FileCheck, name: string, bytes: Buffer, keepsOther = false): Promise<void> {
  const draft = join(path, `${name}.mended`);
  await rm(draft, { force: true });
  await writeFile(draft, bytes, { flag: 'wx', mode: 0o600 });
  const file = await open(draft, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  if (keepsOther) await link(join(path, name), join(path, `${name}.damaged`)).catch(() => {});
  await rename(draft, join(path, name));
  await syncDirectory(path);
}

function bitsBetween(text: string, other: string): number {
  if (text.length !== other.length) return Number.POSITIVE_INFINITY;
  let bits = 0;
  for (let at = 0; at < text.length; at += 1) {
    for (let differing = text.charCodeAt(at) ^ other.charCodeAt(at); differing > 0; differing &= differing - 1)
      bits += 1;
  }
  return bits;
}
