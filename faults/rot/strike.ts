/**
 * Strike: a copy of a gateway's data in which one sorted file has rotted, and a gateway that merges it with others.
 *
 * Owns the damage, and what must come of it: one flipped bit is put right and told of, and every event is there; more
 * than that is told of, or refused, and every event is there again with the file as it was. Never damages the original.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Programs } from '../../rig/programs.ts';
import { createGatewaySide, type GatewaySide } from '../sides.ts';

export type Kind = 'bit' | 'bits';

export interface Outcome {
  readonly end: 'put right' | 'told of' | 'refused' | 'not met';
  /** From the start to when it was told, milliseconds. */
  readonly toldMs: number | undefined;
  readonly lost: number;
  readonly doubled: number;
  readonly problems: readonly string[];
}

export interface StrikeOptions {
  readonly programs: Programs;
  /** A folder for the copy. */
  readonly folder: string;
  /** The data of a gateway that has ended, with all but one of the files that RocksDB merges. */
  readonly data: string;
  readonly events: number;
  readonly kind: Kind;
  readonly random: () => number;
}

const POLL_MS = 100;
/** RocksDB merges at once, and tries again every second. */
const MEET_MAX_MS = 15_000;
/** That many failures are more than finding out about the first one takes. */
const FAILURES_MAX = 12;
const SPOILT_BYTES = 40;
/** What opening reads lies at the beginning, and at the end. */
const FROM = 0.15;
const TO = 0.6;

export async function strike(options: StrikeOptions): Promise<Outcome> {
  const { programs, folder, events, kind, random } = options;
  const data = join(folder, 'data');
  await cp(options.data, data, { recursive: true, preserveTimestamps: true });
  const victim = largestTable(join(data, 'store'));
  const whole = readFileSync(victim);
  writeFileSync(victim, spoilt(whole, kind, random));
  const gateway = await createGatewaySide({ programs, folder, data });
  const problems: string[] = [];
  const { end, toldMs } = await watch(gateway, kind, problems);
  let counted = events;
  if (end === 'put right' || end === 'not met') counted = await countedBy(gateway, problems);
  await gateway.stop();
  if (end === 'told of' || end === 'refused') {
    // With the file as it was: what was written by refusing may not have cost anything.
    writeFileSync(victim, whole);
    await gateway.start();
    counted = await countedBy(gateway, problems);
    await gateway.stop();
  }
  return { end, toldMs, lost: Math.max(0, events - counted), doubled: Math.max(0, counted - events), problems };
}

async function watch(gateway: GatewaySide, kind: Kind, problems: string[]): Promise<Pick<Outcome, 'end' | 'toldMs'>> {
  const since = performance.now();
  try {
    await gateway.start();
  } catch (error) {
    const { message } = error as Error;
    if (!message.includes('(corrupt)')) problems.push(`it does not open, and says: ${message}`);
    if (kind === 'bit') problems.push(`it does not open over one bit: ${message}`);
    return { end: 'refused', toldMs: performance.now() - since };
  }
  for (;;) {
    await sleep(POLL_MS);
    const { status } = await fetch(new URL('/readyz', gateway.url));
    const store = numbersOf(await (await fetch(new URL('/metrics', gateway.url))).text());
    const [damaged, mended, failures, unmerged] = ['damaged', 'mended_bits', 'failures', 'unmerged_files'].map(
      (name) => store.get(name) ?? 0,
    ) as [number, number, number, number];
    const toldMs = performance.now() - since;
    if ((damaged === 1) !== (status === 503)) {
      // The two are not asked in the same instant.
      const again = await fetch(new URL('/readyz', gateway.url));
      if (damaged === 1 && again.status !== 503) problems.push('damaged, and ready all the same');
    }
    if (damaged === 1) {
      if (kind === 'bit') problems.push('one bit is not put right');
      return { end: 'told of', toldMs };
    }
    if (mended > 0 && unmerged <= 1) {
      if (kind === 'bits') problems.push('put right what is more than a bit');
      return { end: 'put right', toldMs };
    }
    if (failures >= FAILURES_MAX) {
      problems.push(`RocksDB has failed ${failures} times, and nobody is told`);
      return { end: 'not met', toldMs: undefined };
    }
    if (failures === 0 && mended === 0 && toldMs > MEET_MAX_MS) return { end: 'not met', toldMs: undefined };
    if (toldMs > 4 * MEET_MAX_MS) {
      problems.push('merging does not go on');
      return { end: 'not met', toldMs: undefined };
    }
  }
}

async function countedBy(gateway: GatewaySide, problems: string[]): Promise<number> {
  const answer = await fetch(new URL('/v1/totals', gateway.url));
  if (answer.ok) return ((await answer.json()) as { events: number }).events;
  problems.push(`/v1/totals answers ${answer.status}`);
  return 0;
}

function numbersOf(metrics: string): ReadonlyMap<string, number> {
  const lines = metrics.matchAll(/^tidegate_gateway_store_(\w+) (\d+)$/gm);
  return new Map(Array.from(lines, ([, name, value]) => [name!, Number(value)]));
}

function largestTable(folder: string): string {
  const tables = readdirSync(folder).filter((name) => name.endsWith('.sst'));
  const sizes = new Map(tables.map((name) => [name, statSync(join(folder, name)).size]));
  return join(folder, tables.sort((a, b) => sizes.get(b)! - sizes.get(a)!)[0]!);
}

function spoilt(whole: Buffer, kind: Kind, random: () => number): Buffer {
  const bytes = Buffer.from(whole);
  const at = Math.floor(bytes.length * (FROM + random() * (TO - FROM)));
  if (kind === 'bit') bytes[at]! ^= 1 << Math.floor(random() * 8);
  else for (let i = 0; i < SPOILT_BYTES; i += 1) bytes[at + i]! ^= 1 + Math.floor(random() * 255);
  return bytes;
}
