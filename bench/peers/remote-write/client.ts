/**
 * RemoteWrite: events as samples of Prometheus, two for each, protobuf under snappy.
 *
 * Owns the requests, one series each as Prometheus's own shards have it, and the questions about what is stored.
 * Promises that the samples of a series are in order and that no series is ahead of another, as the receiver demands.
 * The sums that it asks for are of doubles.
 */
import assert from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import { pushTimeseries } from 'prometheus-remote-write';
import type { OpenClient } from '../peer.ts';
import { BATCH_EVENTS, inBatches, type Row } from '../rows.ts';

const MEASURES = ['volume', 'temperature'] as const;
/** VictoriaMetrics shows what it has taken in after a second or two. */
const SHOWN_WITHIN_MS = 20_000;
const POLL_MS = 200;

export const open: OpenClient = async ({ port, rows }) => {
  const server = `http://127.0.0.1:${port}`;
  const sensors = [...new Set(rows.map(({ sensor }) => sensor))];
  const push = async (sensor: string, batch: readonly Row[]) => {
    const series = MEASURES.map((measure) => ({
      labels: { __name__: measure, sensor },
      samples: batch.map((row) => ({ value: row[measure], timestamp: row.ts })),
    }));
    const { status, errorMessage } = await pushTimeseries(series, {
      url: `${server}/api/v1/write`,
      fetch: (url, init) => fetch(url, init as RequestInit),
    });
    assert(status === 200 || status === 204, `status ${status}: ${errorMessage}`);
  };
  const pushAbreast = (batch: readonly Row[]) =>
    Promise.all(
      sensors.map((sensor) =>
        push(
          sensor,
          batch.filter((row) => row.sensor === sensor),
        ),
      ),
    );
  const ask = async (expression: string): Promise<number> => {
    const query = new URLSearchParams({ query: expression, time: String(endSeconds), nocache: '1' });
    const answer = await fetch(`${server}/api/v1/query?${query}`);
    const { data } = (await answer.json()) as { data?: { result: { value: [number, string] }[] } };
    assert(answer.ok && data, `status ${answer.status} to ${expression}`);
    return Number(data.result[0]?.value[1] ?? 0);
  };
  const startSeconds = Math.floor(rows[0]!.ts / 1_000);
  const endSeconds = Math.ceil(rows.at(-1)!.ts / 1_000) + 1;
  const everything = `[${endSeconds - startSeconds + 1}s]`;
  return {
    // As many events of each sensor at a time, and then the next: what lags by more than an hour is refused.
    send: () => inBatches(rows, pushAbreast, { size: BATCH_EVENTS * sensors.length, lanes: 1 }),
    async arrived() {
      const deadline = Date.now() + SHOWN_WITHIN_MS;
      let counts: number[];
      do {
        counts = await Promise.all(MEASURES.map((measure) => ask(`sum(count_over_time(${measure}${everything}))`)));
        if (counts.every((count) => count === rows.length)) break;
        await sleep(POLL_MS);
      } while (Date.now() < deadline);
      assert.equal(counts[0], counts[1], 'as many samples of one measure as of the other');
      const sums = MEASURES.map(
        async (measure) => [measure, await ask(`sum(sum_over_time(${measure}${everything}))`)] as const,
      );
      return { events: counts[0]!, sums: Object.fromEntries(await Promise.all(sums)) };
    },
    async close() {},
  };
};
