/**
 * PairReceiver: the server half of the pair that people write by hand.
 *
 * Owns a row for each event under its UUID, and totals, in RocksDB. Promises that a batch is answered when its new rows
 * and the totals are in one synced write, and that a row which is there already counts no second time. Its sums are of
 * doubles.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Listen } from '../peer.ts';
import { portOf } from '../receiver.ts';
import type { Row } from '../rows.ts';
import { openRocks } from './rocks.ts';
import { SECRET, SIGNATURE_HEADER } from './secret.ts';

type IdentifiedRow = Row & { readonly id: string };

const TOTALS_KEY = Buffer.from('totals');
const inflate = promisify(gunzip);

export const listen: Listen = async (folder) => {
  const store = await openRocks(join(folder, 'events'));
  const totals = { events: 0, sums: { volume: 0, temperature: 0 } };
  let last: Promise<unknown> = Promise.resolve();
  /** One after another: between looking for a row and writing it nobody else may write it. */
  const keep = (rows: readonly IdentifiedRow[]) => {
    const kept = last.then(async () => {
      const keys = rows.map(({ id }) => Buffer.from(id));
      const known = await store.getMany(keys);
      const operations = rows.flatMap((row, at) => {
        if (known[at] !== undefined) return [];
        totals.events++;
        totals.sums.volume += row.volume;
        totals.sums.temperature += row.temperature;
        return [{ type: 'put', key: keys[at]!, value: Buffer.from(JSON.stringify(row)) } as const];
      });
      const value = Buffer.from(JSON.stringify(totals));
      await store.write([...operations, { type: 'put', key: TOTALS_KEY, value }]);
    });
    last = kept.catch(() => {});
    return kept;
  };
  const take = async (request: IncomingMessage): Promise<number> => {
    const body = await buffer(request);
    const expected = createHmac('sha256', SECRET).update(body).digest();
    const offered = Buffer.from(String(request.headers[SIGNATURE_HEADER]), 'hex');
    if (offered.length !== expected.length || !timingSafeEqual(offered, expected)) return 401;
    await keep(JSON.parse((await inflate(body)).toString()) as IdentifiedRow[]);
    return 200;
  };
  const server = createServer((request, answer) => {
    if (request.method === 'GET') {
      answer.end(JSON.stringify(totals));
      return;
    }
    take(request).then(
      (status) => answer.writeHead(status).end(),
      (error) => {
        console.error(error);
        answer.writeHead(500).end();
      },
    );
  });
  return portOf(server.listen(0, '127.0.0.1'));
};
