/**
 * What the intact files of a database hold, put together without its MANIFEST.
 *
 * Owns the reading of entries: from sorted files block by block, from logs commit by commit. Each entry says in which
 * order it was written, so that of one key the newest counts, in whatever file it lies. Promises to leave out nothing
 * that fits its checksum, to give nothing that does not, and to say which files are damaged. Changes nothing but single
 * flipped bits.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LOG_NAME } from './rocks-files.ts';
import { examineLog } from './rocks-log.ts';
import { openTable } from './rocks-table.ts';
import { TABLE_NAME } from './rocks-tables.ts';
import { logVersions, tableVersions, type Version } from './rocks-versions.ts';

export interface Salvage {
  /** Names of files that are damaged, in whole or in part. */
  readonly damaged: ReadonlySet<string>;
  /** About what the entries take, at most. */
  readonly bytes: number;
  /** Keys in their order, each once, with its newest value. `damaged` is complete when this has ended. */
  entries(): AsyncGenerator<readonly [key: Buffer, value: Buffer], void, void>;
}

/** The folder is the caller's alone. */
export async function salvage(path: string): Promise<Salvage> {
  const damaged = new Set<string>();
  const names = (await readdir(path)).sort();
  const sources: AsyncIterable<Version>[] = [];
  let bytes = 0;
  for (const name of names.filter((one) => TABLE_NAME.test(one))) {
    bytes += (await stat(join(path, name))).size;
    const opened = await openTable(join(path, name), 'r+');
    if (opened.condition === 'broken') damaged.add(name);
    else sources.push(tableVersions(opened.table, () => damaged.add(name)));
  }
  for (const name of names.filter((one) => LOG_NAME.test(one))) {
    const log = await readFile(join(path, name));
    bytes += log.length;
    const { records, brokenAt } = examineLog(log);
    if (brokenAt !== undefined) damaged.add(name);
    sources.push(sorted(records));
  }
  return { damaged, bytes, entries: () => newest(sources) };
}

/** A log is no longer than what RocksDB keeps in memory of it. */
async function* sorted(records: readonly Buffer[]): AsyncGenerator<Version, void, void> {
  yield* records.flatMap(logVersions).sort((a, b) => Buffer.compare(a.key, b.key));
}

/** The sources are in the order of their keys, and go on side by side. */
async function* newest(sources: readonly AsyncIterable<Version>[]) {
  const heads: { version: Version; readonly rest: AsyncIterator<Version> }[] = [];
  for (const source of sources) {
    const rest = source[Symbol.asyncIterator]();
    const { done, value } = await rest.next();
    if (!done) heads.push({ version: value, rest });
  }
  while (heads.length > 0) {
    let best = heads[0]!.version;
    for (const { version } of heads) if (Buffer.compare(version.key, best.key) < 0) best = version;
    const { key } = best;
    for (const [i, head] of [...heads.entries()].reverse()) {
      while (head.version.key.equals(key)) {
        if (head.version.order > best.order) best = head.version;
        const { done, value } = await head.rest.next();
        if (done) heads.splice(i, 1);
        if (done) break;
        head.version = value;
      }
    }
    if (best.value !== undefined) yield [key, best.value] as const;
  }
}
