/** The links to a database's files, at each moment at which a process may be killed. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type GatewayFiles, gatewayFiles } from '../../src/store/gateway-files.ts';
import { keepFiles } from '../../src/store/kept-files.ts';
import { openRocks } from '../../src/store/rocks.ts';
import { openRocksGatewayStore } from '../../src/store/rocks-gateway-store.ts';
import { counters } from './gateway-store-counter.ts';
import { temporaryDirectory } from './gateway-store-rocks.ts';

const FILES = 1_000;

async function manyFiles(t: TestContext): Promise<string> {
  const path = join(await temporaryDirectory(t), 'database');
  await mkdir(path);
  for (let i = 0; i < FILES; i++) await writeFile(join(path, `${i}.sst`), String(i));
  return path;
}

/** Sorted files in a folder; none where there is no folder. Waits for nobody, so that it sees what is under way. */
function count(path: string): number {
  if (!existsSync(path)) return 0;
  return readdirSync(path).filter((name) => name.endsWith('.sst')).length;
}

test('what is let go of is there whole or not at all, whenever the process ends', async (t) => {
  const path = await manyFiles(t);
  const kept = await keepFiles(path);
  assert.equal(count(`${path}.kept`), FILES);
  let isOver = false;
  const gone = kept.letGo().then(() => {
    isOver = true;
  });
  const seen = new Set<number>();
  while (!isOver) {
    seen.add(count(`${path}.kept`));
    await nextTurn();
  }
  await gone;
  seen.delete(FILES);
  assert.deepEqual([...seen], [0], 'a part of the files would be put back in the place of the whole');
  assert.equal(count(path), FILES);
  assert.deepEqual((await readdir(join(path, '..'))).sort(), ['database']);
});

test('what a killed process has left is put right: kept files are put back, spent ones removed', async (t) => {
  const path = await manyFiles(t);
  await keepFiles(path);
  // The opening goes wrong, and the process ends before it puts anything back.
  await writeFile(join(path, '1.sst'), 'new', { flag: 'w' });
  await writeFile(join(path, 'new.sst'), 'new');
  await mkdir(`${path}.spent`);
  await writeFile(join(`${path}.spent`, '7.sst'), '7');
  const again = await keepFiles(path);
  assert.equal(count(path), FILES);
  assert.equal(await readFile(join(path, '2.sst'), 'utf8'), '2');
  await again.letGo();
  assert.deepEqual((await readdir(join(path, '..'))).sort(), ['database']);
});

test('a store that cannot let go of them does not open, and is free again', async (t) => {
  const path = join(await temporaryDirectory(t), 'store');
  const options = { path, operator: counters };
  const failing: GatewayFiles = {
    ...gatewayFiles,
    keepFiles: async (at) => ({
      ...(await gatewayFiles.keepFiles(at)),
      letGo: () => Promise.reject(Object.assign(new Error('read-only file system'), { code: 'EROFS' })),
    }),
  };
  await assert.rejects(openRocksGatewayStore(options, openRocks, failing), { name: 'StoreError', code: 'io' });
  const store = await openRocksGatewayStore(options);
  await store.close();
});
