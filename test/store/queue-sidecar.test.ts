/** What is beside a queue: in which order it is told of a commit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openQueue } from '../../src/store/index.ts';
import { queueFiles } from '../../src/store/queue-files.ts';
import { openRocks } from '../../src/store/rocks.ts';
import { turns } from '../until.ts';
import { block, cleanUp, temporaryDirectory } from './queue-fixture.ts';

test('streams and marks are written before the witness, which relies on them, however slow they are', async (t) => {
  const path = await temporaryDirectory(t);
  const steps: string[] = [];
  const queue = await openQueue({ path, deviceId: 'pump-1', reserveBytes: 0 }, openRocks, {
    ...queueFiles,
    openStreamLog: async () => ({
      async follow() {
        await turns(200);
        steps.push('streams');
      },
      async close() {},
    }),
    openWitness: async (file) => {
      const name = file.endsWith('marks') ? 'marks' : 'witness';
      return {
        statement: undefined,
        trouble: undefined,
        async write() {
          if (name === 'marks') await turns();
          steps.push(name);
        },
        async close() {},
      };
    },
  });
  cleanUp(t, () => queue.close());
  steps.length = 0;
  await queue.append([block(10, 'a')], { marks: [{ name: 'file', value: Buffer.from('row 10') }] });
  assert.deepEqual(steps, ['streams', 'marks', 'witness']);
});
