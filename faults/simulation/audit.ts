/**
 * Audit: what a gateway says it has counted, held against the facts, to the last digit (promises 5 to 7).
 *
 * Owns the reading of every aggregate and every stored event. Promises to sum facts by itself, in whole numbers of
 * 10^-80.
 */
import { allAtOnce } from '../../src/codec/index.ts';
import type { Aggregate } from '../../src/gateway/aggregate.ts';
import { GRANULARITIES, type Granularity } from '../../src/gateway/bucket.ts';
import { bucketsOf } from '../../src/gateway/bucket-page.ts';
import { tellTotals } from '../../src/gateway/device-totals.ts';
import { exportEvents } from '../../src/gateway/event-export.ts';
import type { Fleet } from '../../src/gateway/fleet.ts';
import { bucketPageOf, type Page } from '../../src/gateway/pages.ts';
import type { GatewayStore } from '../../src/store/index.ts';
import type { Books, CountedFact } from './books.ts';
import { contentOf, difference, scaled, sumsOf } from './facts.ts';
import { countedTurns } from './turns.ts';

export interface Evidence {
  readonly store: GatewayStore<Page>;
  readonly fleet: Fleet;
  readonly books: Books;
  /** Of the buckets that are looked at, besides the totals. */
  readonly granularity: Granularity;
  /** Whether every accepted batch must still be there. */
  readonly isWhole: boolean;
  /** Whether what was given up is known to have been given up once, with its sums. */
  readonly hasExactGaps: boolean;
  breach(what: string): void;
}

export async function auditDevice(evidence: Evidence, deviceId: string): Promise<void> {
  const { fleet, books, hasExactGaps, breach } = evidence;
  const { counted, gaps } = books.ofDevice(deviceId);
  const summary = await fleet.device(deviceId);
  if (summary === undefined) {
    if (counted.length > 0) breach(`the gateway does not know ${deviceId}, of which ${counted.length} events count`);
    return;
  }
  const { page, account, totals, sensors } = summary;
  const { measures } = allAtOnce(tellTotals(totals));
  const expect = (what: string, is: number, should: number): void => {
    if (is !== should) breach(`the gateway says ${is} ${what} of ${deviceId}, and there are ${should}`);
  };
  expect('events', page.events, counted.length);
  expect('sensors', sensors, new Set(counted.map(({ fact }) => fact.sensor)).size);
  expect('delivered events', account.delivered, counted.length);
  expect('declared gaps', page.gaps.quota + page.gaps.damage, gaps.length);
  const sums = new Map([...measures].map(([name, { sum }]) => [name, scaled(sum.digits, sum.scale)]));
  const wrong = difference(sums, sumsOf(counted.map(({ fact }) => fact)));
  if (wrong !== undefined) breach(`the gateway's total of ${deviceId} is wrong: ${wrong}`);
  if (hasExactGaps) {
    const given = new Map([...page.gapSums].map(([name, sum]) => [name, scaled(sum.digits, sum.scale)]));
    const off = difference(given, sumsOf(gaps));
    if (off !== undefined) breach(`the gateway's sums of what ${deviceId} gave up are wrong: ${off}`);
  }
  await auditPages(evidence, deviceId, 'total', counted);
  await auditPages(evidence, deviceId, evidence.granularity, counted);
  if (evidence.isWhole) await auditEvents(evidence, deviceId, counted);
}

async function auditPages(
  { store, breach }: Evidence,
  deviceId: string,
  kind: 'total' | Granularity,
  counted: readonly CountedFact[],
): Promise<void> {
  const bucketMs = kind === 'total' ? Number.POSITIVE_INFINITY : GRANULARITIES[kind].bucketMs;
  const should = new Map<string, CountedFact[]>();
  for (const one of counted) {
    const number = kind === 'total' ? 0 : Math.floor(one.fact.ts / bucketMs);
    const name = `${one.fact.sensor} ${number}`;
    const bucket = should.get(name);
    if (bucket === undefined) should.set(name, [one]);
    else bucket.push(one);
  }
  for await (const { key, page } of store.pages(deviceId, kind)) {
    const { names } = bucketPageOf(page);
    for (const { number, events, aggregates } of bucketsOf(bucketPageOf(page))) {
      const name = `${key.sensor} ${number}`;
      const facts = should.get(name) ?? [];
      should.delete(name);
      if (events !== facts.length) breach(`${kind} ${deviceId} ${name} has ${events} events, not ${facts.length}`);
      const said = names.map((measure, place) => textOf(measure, aggregates[place])).filter((text) => text !== '');
      const expected = names
        .map((measure) => textOf(measure, aggregateOf(facts, measure)))
        .filter((text) => text !== '');
      if (said.join() !== expected.join()) breach(`${kind} ${deviceId} ${name} is ${said}, not ${expected}`);
    }
  }
  for (const name of should.keys()) breach(`${kind} ${deviceId} ${name} is missing`);
}

interface Expected extends Pick<Aggregate, 'count' | 'min' | 'max' | 'last'> {
  readonly units: bigint;
}

function aggregateOf(facts: readonly CountedFact[], measure: string): Expected | undefined {
  let count = 0;
  let units = 0n;
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let latest: (CountedFact & { readonly value: number }) | undefined;
  for (const one of facts) {
    const value = one.fact.values.get(measure);
    if (value === undefined) continue;
    count += 1;
    units += one.fact.measures.get(measure)!;
    min = Math.min(min, value);
    max = Math.max(max, value);
    if (latest === undefined || isLater({ ...one, value }, latest)) latest = { ...one, value };
  }
  return latest && { count, units, min, max, last: latest.value };
}

function isLater(a: CountedFact & { readonly value: number }, b: CountedFact & { readonly value: number }): boolean {
  if (a.fact.ts !== b.fact.ts) return a.fact.ts > b.fact.ts;
  if (a.sequence !== b.sequence) return a.sequence > b.sequence;
  return a.value > b.value;
}

function textOf(measure: string, aggregate: Aggregate | Expected | undefined): string {
  if (aggregate === undefined) return '';
  const units = 'units' in aggregate ? aggregate.units : scaled(aggregate.sum.digits, aggregate.sum.scale);
  const { count, min, max, last } = aggregate;
  return `${measure}: ${count} values, sum ${units}, ${min} to ${max}, last ${last}`;
}

async function auditEvents(
  { store, breach }: Evidence,
  deviceId: string,
  counted: readonly CountedFact[],
): Promise<void> {
  const left = new Set(counted.map(({ fact }) => fact.content));
  let text = '';
  for await (const part of exportEvents(store, deviceId, {}, countedTurns())) text += part;
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const content = contentOf(JSON.parse(line));
    if (!left.delete(content)) breach(`an event of ${deviceId} is stored that does not count, or twice: ${content}`);
  }
  for (const content of left) breach(`an event of ${deviceId} counts and is not stored: ${content}`);
}
