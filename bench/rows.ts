/**
 * Rows: what people write by hand: JSON rows with a UUID each, under gzip, posted until a 200 comes back.
 *
 * Owns both ends, as simple as they are usually made: no signature, no fsync, ids remembered for as long as the process
 * lives. Promises the exact sums of what arrived. Kept beside Tidegate on the same link, never used by it.
 */
import assert from 'node:assert';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { Pool } from 'undici';
import { sumOfTexts, type Totals } from './totals.ts';
import type { Workload } from './workload.ts';

export interface RowReceiver {
  readonly url: string;
  totals(): Totals;
  close(): Promise<void>;
}

export interface RowSenderOptions {
  readonly url: string;
  readonly batchEvents: number;
  readonly inFlight: number;
  /** No new batch is begun once it aborts. */
  readonly signal: AbortSignal;
}

const [pack, unpack] = [promisify(gzip), promisify(gunzip)];

export async function startRowReceiver(): Promise<RowReceiver> {
  const known = new Set<string>();
  const values = new Map<string, string[]>();
  const server = createServer(async (incoming, outgoing) => {
    const body = await buffer(incoming).catch(() => undefined);
    if (body === undefined) return;
    const rows = JSON.parse((await unpack(body)).toString()) as Record<string, string | number>[];
    for (const { id, ts: _, sensor: __, ...measures } of rows) {
      if (known.has(String(id))) continue;
      known.add(String(id));
      for (const [name, value] of Object.entries(measures)) {
        const texts = values.get(name) ?? [];
        values.set(name, texts);
        texts.push(String(value));
      }
    }
    outgoing.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    totals: () => ({
      events: known.size,
      sums: Object.fromEntries(Array.from(values, ([name, texts]) => [name, sumOfTexts(texts)])),
    }),
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Sends a workload from its beginning, several batches at a time; resolves with how many events were taken. */
export async function sendRows(workload: Workload, options: RowSenderOptions): Promise<number> {
  const { url, batchEvents, inFlight, signal } = options;
  const pool = new Pool(url, { connections: inFlight, pipelining: 1 });
  let next = 0;
  const lane = async (): Promise<void> => {
    while (!signal.aborted) {
      const from = next;
      next = Math.min(workload.count, from + batchEvents);
      assert(next > from, 'there are rows left to send');
      const rows = Array.from({ length: next - from }, (_, at) => {
        const { ts, sensor, fields } = workload.event(from + at);
        return { id: randomUUID(), ts, sensor, ...fields };
      });
      await postUntilTaken(pool, await pack(JSON.stringify(rows)));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  await pool.close();
  return next;
}

async function postUntilTaken(pool: Pool, body: Buffer): Promise<void> {
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
  for (;;) {
    try {
      const answer = await pool.request({ path: '/v1/rows', method: 'POST', headers, body });
      await answer.body.dump();
      if (answer.statusCode === 200) return;
    } catch {
      // Lost: once more.
    }
  }
}
