/**
 * Figure: what users would pick instead, beside Tidegate, on the same events, on the same machine, in the same run.
 *
 * Owns nothing but the choice: the roster of peers, and a backlog of Tidegate's that is drained in about as long as
 * theirs.
 */
import type { Figure } from '../harness.ts';
import { measureLineUp } from '../peers/line-up.ts';
import { THIS_MACHINE } from '../peers/provision.ts';
import { ROSTER } from '../peers/roster.ts';

export const figure: Figure = {
  title: 'end to end beside what users would pick instead',
  measure: (stand) => measureLineUp(stand, { peers: ROSTER, events: 2_000_000, surroundings: THIS_MACHINE }),
};
