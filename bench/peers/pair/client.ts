/**
 * PairClient: the device half of the pair that people write by hand.
 *
 * Owns its queue: a row for each event, JSON under time and UUID, in RocksDB. Promises that a batch's rows leave the
 * queue, in a synced write, when the server has answered 200; sent are JSON rows under gzip with an HMAC over the body.
 */
import assert from 'node:assert';
import { createHmac, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Pool } from 'undici';
import { inLanes } from '../../lanes.ts';
import type { Arrival } from '../arrival.ts';
import type { OpenClient } from '../peer.ts';
import { BATCH_EVENTS, inBatches, REQUESTS_UNDER_WAY } from '../rows.ts';
import { openRocks } from './rocks.ts';
import { SECRET, SIGNATURE_HEADER } from './secret.ts';

const compress = promisify(gzip);

export const open: OpenClient = async ({ port, folder, rows }) => {
  const queue = await openRocks(join(folder, 'queue'));
  await inBatches(rows, (batch) =>
    queue.write(
      batch.map((row) => {
        const id = randomUUID();
        const key = Buffer.from(`${String(row.ts).padStart(15, '0')}/${id}`);
        return { type: 'put', key, value: Buffer.from(JSON.stringify({ id, ...row })) };
      }),
    ),
  );
  const server = new Pool(`http://127.0.0.1:${port}`, { connections: REQUESTS_UNDER_WAY, pipelining: 1 });
  const post = async (texts: readonly Buffer[]) => {
    const body = await compress(`[${texts.join()}]`);
    const signature = createHmac('sha256', SECRET).update(body).digest('hex');
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip', [SIGNATURE_HEADER]: signature };
    const answer = await server.request({ path: '/events', method: 'POST', headers, body });
    assert.equal(answer.statusCode, 200, await answer.body.text());
  };
  return {
    async send() {
      let last: Buffer | undefined;
      // One reader for all lanes: what one takes is not there for another.
      let reading: Promise<unknown> = Promise.resolve();
      const take = () => {
        const entries = reading.then(async () => {
          const taken = await queue.entries(BATCH_EVENTS, last);
          last = taken.at(-1)?.[0] ?? last;
          return taken;
        });
        reading = entries;
        return entries;
      };
      await inLanes(Math.ceil(rows.length / BATCH_EVENTS), REQUESTS_UNDER_WAY, async () => {
        const entries = await take();
        await post(entries.map(([, value]) => value));
        await queue.write(entries.map(([key]) => ({ type: 'del', key })));
      });
    },
    async arrived() {
      assert.deepEqual(await queue.entries(1), [], 'the queue is empty');
      const answer = await server.request({ path: '/totals', method: 'GET' });
      return (await answer.body.json()) as Arrival;
    },
    async close() {
      await server.close();
      await queue.close();
    },
  };
};
