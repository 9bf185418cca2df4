/**
 * Scenario: one way in which a disk lets down the programs on it, from its beginning to the oracle.
 *
 * Owns the frame: the disk, the pair on it, the hearing at the end, and the report. Promises that whatever a scenario
 * meets is found out, and that one which this machine cannot have is said to be left out, with what it needs.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '../../rig/random.ts';
import type { Ground } from '../campaign.ts';
import type { DeviceRun } from '../sides.ts';
import type { Side } from './damage.ts';
import { createPair, type Pair } from './pair.ts';
import { type DiskKind, mountSmallDisk, NoDisk, type SmallDisk } from './small-disk.ts';

export interface Stage {
  readonly pair: Pair;
  /** The one that was asked for. */
  readonly disk: SmallDisk;
  readonly random: () => number;
  readonly folder: string;
}

export interface Scenario {
  /** In the reader's words. */
  readonly fault: string;
  /** Whose data lie on a disk of their own. */
  readonly disk?: { readonly side: Side; readonly kind: DiskKind; readonly mebibytes: number };
  readonly options?: DeviceRun['options'];
  /** The environment of both programs; rejects with `NoDisk` where it cannot be had. */
  readonly env?: (folder: string) => Promise<Record<string, string>>;
  /** Whether the device's own account is right in the end: one whose disk is an older one does not know everything. */
  readonly hasAccount?: boolean;
  /** Resolves once the fault is over, with how long it took until events were counted again. */
  strike(stage: Stage): Promise<number | undefined>;
}

export interface ScenarioReport {
  readonly fault: string;
  readonly injected: number;
  readonly events: number;
  readonly lost: number;
  readonly doubled: number;
  readonly recoveryMs: number | undefined;
  readonly note?: string;
  readonly problems: readonly string[];
}

export async function play(
  scenario: Scenario,
  ground: Pick<Ground, 'programs' | 'folder'>,
  seed: number,
): Promise<ScenarioReport> {
  const folder = await mkdtemp(join(ground.folder, 'scenario-'));
  const { fault, disk: wanted } = scenario;
  const report = { fault, injected: 1, events: 0, lost: 0, doubled: 0, recoveryMs: undefined };
  let disk: SmallDisk | undefined;
  let pair: Pair | undefined;
  try {
    if (wanted !== undefined) disk = await mountSmallDisk(folder, wanted.kind, wanted.mebibytes);
    const env = await scenario.env?.(folder);
    pair = await createPair({
      programs: ground.programs,
      folder,
      seed,
      ...(disk && wanted && { data: { [wanted.side]: join(disk.path, 'data') } }),
      ...(scenario.options && { options: scenario.options }),
      ...(env && { env }),
    });
    // What a scenario needs no disk for does not touch it.
    const stage = { pair, disk: disk as SmallDisk, random: createRandom(seed), folder };
    const recoveryMs = await scenario.strike(stage);
    const { resolved, lost, doubled } = await pair.hear({ hasAccount: scenario.hasAccount ?? true });
    return {
      ...report,
      events: resolved,
      lost: lost.length,
      doubled: doubled.length,
      recoveryMs,
      problems: pair.problems,
    };
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof NoDisk) return { ...report, injected: 0, note: `NOT RUN: ${message}`, problems: [] };
    return { ...report, problems: [...(pair?.problems ?? []), message] };
  } finally {
    await pair?.kill('device');
    await pair?.kill('gateway');
    await disk?.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}
