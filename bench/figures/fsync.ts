/**
 * Figure: what one durable write costs on this disk, by itself.
 *
 * Owns the yardstick beside all other figures: no acknowledgement can be faster. Never touches a database.
 */
import assert from 'node:assert';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { distributionOf } from '../distribution.ts';
import { type Figure, milliseconds } from '../harness.ts';

/** About a small commit. */
const WRITE_BYTES = 4_096;
const WRITES = 200;

export const figure: Figure = {
  title: `append ${WRITE_BYTES} bytes and fdatasync`,
  async measure(stand) {
    const path = join(await stand.folder('file'), 'log');
    const writes = stand.events(WRITES);
    const bytes = Buffer.alloc(WRITE_BYTES, 1);
    const file = await open(path, 'a');
    let written = 0;
    try {
      await stand.repeat({ warmUps: 1, runs: 5 }, async () => {
        const waits = new Float64Array(writes);
        for (let at = 0; at < writes; at++) {
          const startedAt = performance.now();
          written += (await file.write(bytes)).bytesWritten;
          await file.datasync();
          waits[at] = performance.now() - startedAt;
        }
        const { percentile } = distributionOf(waits);
        return { p50: milliseconds(percentile(0.5)), p99: milliseconds(percentile(0.99)) };
      });
    } finally {
      await file.close();
    }
    assert.equal((await stat(path)).size, written);
  },
};
