/**
 * Figure: what users would pick instead, beside Tidegate, on the same events, on the same machine, in the same run.
 *
 * Owns who is measured, and in which order. Promises that a peer which this machine cannot run is named together with the
 * command that brings it. Never compares with a figure of another day.
 */
import type { Figure, Stand } from '../harness.ts';
import { missingFor } from '../peers/provision.ts';
import { ROSTER, TIDEGATE_PROMISES } from '../peers/roster.ts';
import { comparisonOf, ratiosTo, type Standing } from '../peers/standing.ts';
import { peerTrial, type Trial, tidegateTrial } from '../peers/trial.ts';

const TIDEGATE = 'Tidegate';
const TIDEGATE_EVENTS = 1_000_000;
const REPETITION = { warmUps: 0, runs: 3 };

export const figure: Figure = {
  title: 'end to end beside what users would pick instead',
  async measure(stand) {
    const events = stand.events(TIDEGATE_EVENTS);
    const trial = await tidegateTrial(stand, events);
    const ours = await measure(stand, { name: TIDEGATE, events, promises: TIDEGATE_PROMISES }, trial);
    const peers: Standing[] = [];
    for (const peer of ROSTER) {
      const missing = missingFor(peer);
      if (missing !== undefined) {
        stand.skip(peer.name, missing);
        continue;
      }
      const events = stand.events(peer.events);
      const standing = await measure(stand, { ...peer, events }, peerTrial(stand, peer, events));
      stand.state(`Tidegate / ${peer.name}`, ratiosTo(ours, standing).speed);
      peers.push(standing);
    }
    stand.compare(comparisonOf(ours, peers));
  },
};

async function measure(
  stand: Stand,
  { name, events, promises }: Pick<Standing, 'name' | 'events' | 'promises'>,
  trial: Trial,
): Promise<Standing> {
  const names = { speed: name, wire: `${name}: on the wire`, cpuTime: `${name}: CPU time of both sides` };
  const medians = await stand.repeat(REPETITION, async (run) => {
    const { speed, wire, cpuTime } = await trial(`${name.replaceAll(/\W+/g, '-')}-${run}`);
    return { [names.speed]: speed, [names.wire]: wire, [names.cpuTime]: cpuTime };
  });
  return { name, events, promises, speed: medians[names.speed]!, wire: medians[names.wire]! };
}
