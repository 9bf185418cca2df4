/**
 * LineUp: Tidegate and its peers, one after another, on the same events in the same run.
 *
 * Owns the repetition and what becomes of it: readings, ratios, the comparison. Promises that a peer which this machine
 * cannot run is named together with the command that brings it. Never compares with a figure of another day.
 */
import type { Stand } from '../harness.ts';
import type { Peer } from './peer.ts';
import { missingFor, type Surroundings, versionsFor } from './provision.ts';
import { TIDEGATE_PROMISES } from './roster.ts';
import { comparisonOf, ratiosTo, type Standing } from './standing.ts';
import { peerTrial, type Trial, tidegateTrial } from './trial.ts';

export interface LineUp {
  readonly peers: readonly Peer[];
  /** Of Tidegate's backlog in a full run. */
  readonly events: number;
  readonly surroundings: Surroundings;
}

/** No warm-up: every run has new processes on both sides. */
const REPETITION = { warmUps: 0, runs: 3 };

export async function measureLineUp(stand: Stand, lineUp: LineUp): Promise<void> {
  const events = stand.events(lineUp.events);
  const tidegate = { name: 'Tidegate', events, promises: TIDEGATE_PROMISES, versions: [] };
  const ours = await measure(stand, tidegate, await tidegateTrial(stand, events));
  const peers: Standing[] = [];
  for (const peer of lineUp.peers) {
    const missing = missingFor(peer, lineUp.surroundings);
    if (missing !== undefined) {
      stand.skip(peer.name, missing);
      continue;
    }
    const events = stand.events(peer.events);
    const entrant = { ...peer, events, versions: versionsFor(peer) };
    const theirs = await measure(stand, entrant, peerTrial(stand, peer, events));
    stand.state(`Tidegate / ${peer.name}`, ratiosTo(ours, theirs).speed);
    peers.push(theirs);
  }
  stand.compare(comparisonOf(ours, peers));
}

async function measure(
  stand: Stand,
  { name, events, promises, versions }: Omit<Standing, 'speed' | 'wire'>,
  trial: Trial,
): Promise<Standing> {
  const names = { speed: name, wire: `${name}: on the wire`, cpuTime: `${name}: CPU time of both sides` };
  const medians = await stand.repeat(REPETITION, async (run) => {
    const { speed, wire, cpuTime } = await trial(`${name.replaceAll(/\W+/g, '-')}-${run}`);
    return { [names.speed]: speed, [names.wire]: wire, [names.cpuTime]: cpuTime };
  });
  return { name, events, promises, versions, speed: medians[names.speed]!, wire: medians[names.wire]! };
}
