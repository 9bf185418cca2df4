/**
 * Rot: sorted files of a gateway that have rotted when RocksDB merges them, behind the scenes.
 *
 * Owns the specimen and the rows. The work is in `../rot/`.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '../../rig/random.ts';
import { type Campaign, type Finding, type Ground, roundSeed } from '../campaign.ts';
import type { AccountSays } from '../oracle/evidence.ts';
import { type Kind, strike } from '../rot/strike.ts';
import { createDeviceSide, createGatewaySide, firstOf } from '../sides.ts';
import { createFaultTally } from '../tally.ts';

/** Each leaves a log, of which the next opening makes a sorted file; RocksDB merges four. */
const LIVES = 4;
const EVENTS = 3_000;
const FAULTS: Readonly<Record<Kind, string>> = {
  bit: 'one flipped bit, met by merging',
  bits: 'spoilt bytes, met by merging',
};

export const campaign: Campaign = {
  title: 'compaction over rot',
  unit: 'rotten files',
  sizes: { ci: 4, full: 200 },
  weight: 8,
  async run(ground) {
    const { seed, size, signal, folder, programs, progress } = ground;
    const tally = createFaultTally();
    const findings: Finding[] = [];
    for (const fault of Object.values(FAULTS)) tally.add(fault, { injected: 0 });
    const specimen = await makeSpecimen(ground);
    const ends = new Map<string, number>();
    let done = 0;
    for (let round = 0; done < size && !signal.aborted; round += 1) {
      const ofRound = roundSeed(seed, round);
      const copy = join(folder, `copy-${round}`);
      await mkdir(copy, { mode: 0o700 });
      const kind: Kind = (seed + round) % 2 === 0 ? 'bit' : 'bits';
      const options = { programs, folder: copy, ...specimen, kind, random: createRandom(ofRound) };
      const { end, toldMs, lost, doubled, problems } = await strike(options);
      const key = `${kind} ${end}`;
      ends.set(key, (ends.get(key) ?? 0) + 1);
      const note = Array.from(ends, ([what, count]) => [what.split(' '), count] as const)
        .filter(([[of]]) => of === kind)
        .map(([[, ...what], count]) => `${count} ${what.join(' ')}`)
        .join(', ');
      tally.add(FAULTS[kind], { events: specimen.events, lost, doubled, note, recoveryMs: toldMs });
      for (const what of problems) findings.push({ fault: FAULTS[kind], seed: ofRound, what });
      done += 1;
      progress(done);
      await rm(copy, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    }
    return { rows: tally.rows(), findings, done };
  },
};

async function makeSpecimen({ programs, folder, seed }: Ground): Promise<{ data: string; events: number }> {
  const ground = join(folder, 'specimen');
  await mkdir(ground, { mode: 0o700 });
  const gateway = await createGatewaySide({ programs, folder: ground });
  const id = 'pump-7';
  const device = createDeviceSide({ programs, folder: ground, id, secretFile: await gateway.addKey(id) });
  let events = 0;
  for (let life = 0; life < LIVES; life += 1) {
    await gateway.start();
    const program = await device.start({ gateway: gateway.url, seed: seed + life, events: EVENTS });
    const { delivered } = await firstOf(program, ({ drained }) => drained as AccountSays | undefined);
    await program.ended;
    events = delivered.events;
    await gateway.stop();
  }
  return { data: gateway.data, events };
}
