/**
 * Evidence: what the gateway says it has counted, in its own words over HTTP, and what the device says of the rest.
 *
 * Owns the questions. Promises numbers as the text they came in. Shares no code with what it judges.
 */
import { existsSync, readFileSync } from 'node:fs';
export const GRANULARITIES = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
/** Buckets of one answer. */
const BUCKETS_AT_ONCE = 10_000;
/** Undefined where the gateway has never counted anything for the device. */
export async function askDevice(gateway, id) {
  const answer = await fetch(`${gateway}/v1/devices/${id}`);
  if (answer.status === 404) return undefined;
  return (await whole(answer)).json();
}
export async function askEvents(gateway, id) {
  const answer = await whole(await fetch(`${gateway}/v1/devices/${id}/events`));
  return linesOf(await answer.text());
}
/** All buckets of the times between the earliest and the latest event. */
export async function askBuckets(gateway, id, granularity, range) {
  const stepMs = GRANULARITIES[granularity] * BUCKETS_AT_ONCE;
  const buckets = [];
  for (let from = floor(range.from, granularity); from <= range.to; from += stepMs) {
    const query = `granularity=${granularity}&from=${from}&to=${from + stepMs}`;
    const answer = await whole(await fetch(`${gateway}/v1/devices/${id}/buckets?${query}`));
    buckets.push(...(await answer.json()).buckets);
  }
  return buckets;
}
/** Of a file that `tidegate-device quarantine export` has written. */
export function readQuarantine(path) {
  return path !== undefined && existsSync(path) ? linesOf(readFileSync(path, 'utf8')) : [];
}
export function floor(ts, granularity) {
  const step = GRANULARITIES[granularity];
  return Math.floor(ts / step) * step;
}
function linesOf(text) {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
async function whole(answer) {
  if (answer.ok) return answer;
  throw new Error(`the gateway answered ${answer.status} to ${answer.url}: ${await answer.text()}`);
}
