/**
 * Evidence: what the gateway says it has counted, in its own words over HTTP, and what the device says of the rest.
 *
 * Owns the questions. Promises numbers as the text they came in. Shares no code with what it judges.
 */
import { existsSync, readFileSync } from 'node:fs';

export interface MeasureSays {
  readonly count: number;
  readonly sum: string;
  readonly min: number;
  readonly max: number;
}

export interface SensorSays {
  readonly sensor: string;
  readonly events: number;
  readonly measures: Readonly<Record<string, MeasureSays>>;
}

export interface DeviceSays {
  readonly delivered: number;
  readonly gaps: number;
  readonly quarantined: number;
  readonly measures: Readonly<Record<string, MeasureSays>>;
  readonly sensors: readonly SensorSays[];
  readonly declaredGaps: {
    /** Events, by reason, whether they were counted later or not. */
    readonly quota: number;
    readonly damage: number;
    /** Of these, those that no sum knows. */
    readonly unsummed: number;
    readonly sums: Readonly<Record<string, string>>;
  };
  readonly streams: readonly { readonly stream: string; readonly events: number; readonly gaps: number }[];
  /** By the device's last word: still queued, nowhere at all, and counted before its present disk. */
  readonly queued: number;
  readonly missing: number;
  readonly earlier: number;
}

/** What the device itself says of its events once it has drained. */
export interface AccountSays {
  readonly recorded: TallySays;
  readonly delivered: TallySays;
  readonly queued: TallySays;
  readonly quarantined: TallySays;
  readonly gaps: TallySays;
}

export interface TallySays {
  readonly events: number;
  readonly sums: Readonly<Record<string, string>>;
}

export interface StoredEvent {
  readonly stream: string;
  readonly sequence: number;
  readonly ts: number;
  readonly sensor: string;
  readonly fields: Readonly<Record<string, number | string | boolean>>;
}

export interface BucketSays {
  readonly start: string;
  readonly events: number;
  readonly measures: Readonly<Record<string, MeasureSays>>;
}

export const GRANULARITIES = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;

export type Granularity = keyof typeof GRANULARITIES;

/** Buckets of one answer. */
const BUCKETS_AT_ONCE = 10_000;

/** Undefined where the gateway has never counted anything for the device. */
export async function askDevice(gateway: string, id: string): Promise<DeviceSays | undefined> {
  const answer = await fetch(`${gateway}/v1/devices/${id}`);
  if (answer.status === 404) return undefined;
  return (await whole(answer)).json() as Promise<DeviceSays>;
}

export async function askEvents(gateway: string, id: string): Promise<StoredEvent[]> {
  const answer = await whole(await fetch(`${gateway}/v1/devices/${id}/events`));
  return linesOf(await answer.text());
}

/** The buckets of weeks, months or decades in which there is one of these times; nobody asks for what lies between. */
export async function askBuckets(
  gateway: string,
  id: string,
  granularity: Granularity,
  times: readonly number[],
): Promise<BucketSays[]> {
  const stepMs = GRANULARITIES[granularity] * BUCKETS_AT_ONCE;
  const buckets: BucketSays[] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const ts of [...times].sort((a, b) => a - b)) {
    if (ts < end) continue;
    const from = floor(ts, granularity);
    end = from + stepMs;
    for (let next: number | null = from; next !== null; ) {
      const query = `granularity=${granularity}&from=${next}&to=${end}`;
      const answer = await whole(await fetch(`${gateway}/v1/devices/${id}/buckets?${query}`));
      const said = (await answer.json()) as { buckets: BucketSays[]; next?: number | null };
      buckets.push(...said.buckets);
      next = said.next ?? null;
    }
  }
  return buckets;
}

/** Of a file that `tidegate-device quarantine export` has written. */
export function readQuarantine(
  path: string | undefined,
): { readonly event: Omit<StoredEvent, 'stream' | 'sequence'> }[] {
  return path !== undefined && existsSync(path) ? linesOf(readFileSync(path, 'utf8')) : [];
}

export function floor(ts: number, granularity: Granularity): number {
  const step = GRANULARITIES[granularity];
  return Math.floor(ts / step) * step;
}

function linesOf<T>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

async function whole(answer: Response): Promise<Response> {
  if (answer.ok) return answer;
  throw new Error(`the gateway answered ${answer.status} to ${answer.url}: ${await answer.text()}`);
}
