/** A database whose last write of all was cut off by a power failure: open again, with everything before. */
import assert from 'node:assert/strict';
import { appendFile, cp, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRocks } from '../../src/store/rocks.ts';
import { formatLog } from '../../src/store/rocks-log.ts';
import { temporaryDirectory } from './queue-fixture.ts';

const SECTOR_BYTES = 512;
const KEY = Buffer.from('key');
const VALUE = Buffer.from('value');

for (const file of [/^MANIFEST-\d+$/, /^\d+\.log$/]) {
  test(`${file.source} may end in the beginning of a write, and in sectors that were never written`, async (t) => {
    const folder = await temporaryDirectory(t);
    const path = join(folder, 'whole');
    const rocks = await openRocks(path);
    await rocks.write([{ type: 'put', key: KEY, value: VALUE }]);
    await rocks.close();
    const [name] = (await readdir(path)).filter((one) => file.test(one));
    const { size } = await stat(join(path, name!));
    const room = SECTOR_BYTES - (size % SECTOR_BYTES);
    // RocksDB would write the same; its checksum fits what will not all be there.
    const write = formatLog([Buffer.alloc(4 * SECTOR_BYTES, 'unfinished')]);
    const zeros = Buffer.alloc(write.length);
    for (const [shape, torn] of [
      ['cut off', write.subarray(0, 700)],
      ['cut off in its head', write.subarray(0, 5)],
      ['zeros behind the first sector', Buffer.concat([write.subarray(0, room), zeros.subarray(room)])],
      ['zeros before the others', Buffer.concat([zeros.subarray(0, room), write.subarray(room)])],
      ['nothing but zeros', zeros],
    ] as const) {
      const copy = join(folder, shape);
      await cp(path, copy, { recursive: true });
      await appendFile(join(copy, name!), torn);
      // Twice: what the first opening writes is no worse than what it has found.
      for (let time = 0; time < 2; time++) {
        const again = await openRocks(copy, { create: false });
        assert.deepEqual(await again.get(KEY), VALUE, shape);
        await again.close();
      }
    }
  });
}
