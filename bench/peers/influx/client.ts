/**
 * Influx: events as lines of its protocol, under gzip.
 *
 * Owns the requests and the questions about what is stored. Promises that each point is one of its own, since a point
 * is named by sensor and time. The sums that it asks for are of doubles.
 */
import assert from 'node:assert';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { OpenClient } from '../peer.ts';
import { inBatches, type Row } from '../rows.ts';

/** As its documentation advises. */
const BATCH_POINTS = 5_000;
const DATABASE = 'telemetry';

const compress = promisify(gzip);

export const open: OpenClient = async ({ port, rows }) => {
  const request = async (path: string, query: Record<string, string>, init: RequestInit = {}): Promise<string> => {
    const url = `http://127.0.0.1:${port}${path}?${new URLSearchParams(query)}`;
    const answer = await fetch(url, { method: 'POST', ...init });
    const text = await answer.text();
    assert(answer.ok, `status ${answer.status} to ${path}: ${text}`);
    return text;
  };
  await request('/query', { q: `CREATE DATABASE ${DATABASE}` });
  return {
    send: () =>
      inBatches(
        rows,
        async (batch) => {
          const body = new Uint8Array(await compress(batch.map(lineOf).join('\n')));
          const headers = { 'content-encoding': 'gzip' };
          await request('/write', { db: DATABASE, precision: 'ms' }, { body, headers });
        },
        { size: BATCH_POINTS },
      ),
    async arrived() {
      const q = 'SELECT COUNT(volume), SUM(volume), SUM(temperature) FROM pump';
      const { results } = JSON.parse(await request('/query', { db: DATABASE, q })) as QueryAnswer;
      const [, events = 0, volume = 0, temperature = 0] = results[0]?.series?.[0]?.values[0] ?? [];
      return { events, sums: { volume, temperature } };
    },
    async close() {},
  };
};

interface QueryAnswer {
  readonly results: readonly { readonly series?: readonly { readonly values: readonly (readonly number[])[] }[] }[];
}

function lineOf({ ts, sensor, volume, temperature }: Row): string {
  return `pump,sensor=${sensor} volume=${volume},temperature=${temperature} ${ts}`;
}
