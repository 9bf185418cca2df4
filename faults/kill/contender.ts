/**
 * Contender: a side of a round, from one life to the next.
 *
 * Owns the life that it has, and the trap that goes with it. Promises that a trap that did not spring is set again
 * soon, and that no life begins before the last one has ended. Never decides when anything happens.
 */
import assert from 'node:assert/strict';
import type { Program, StartOptions } from '../../rig/programs.ts';
import { trapAt } from '../failpoints.ts';
import { beginLife, type Life, type LifeOptions } from './life.ts';
import type { SideKind, Step, StepDeck, Trap } from './steps.ts';

export interface Contender {
  readonly name: string;
  readonly side: SideKind;
  /** Undefined once it was buried. */
  readonly life: Life | undefined;
  /** Starts it on what its last life has left; with a trap only where it may have one. */
  begin(mayBeTrapped: boolean): Life;
  /** Takes notice of the end of its life. */
  bury(): Life;
}

export interface ContenderOptions extends Pick<LifeOptions, 'onAcknowledged' | 'onTrouble'> {
  readonly name: string;
  readonly side: SideKind;
  readonly deck: StepDeck;
  /** What it may come to in the life that begins. */
  readonly abilities: () => ReadonlySet<Step['needs']>;
  readonly marks: () => LifeOptions['marks'];
  readonly launch: (
    trap: Trap | undefined,
    options: StartOptions,
  ) => { readonly program: Program; readonly number: number };
}

export function createContender(options: ContenderOptions): Contender {
  const { name, side, deck, abilities, marks, launch, onAcknowledged, onTrouble } = options;
  let life: Life | undefined;
  return {
    name,
    side,
    get life() {
      return life;
    },
    begin(mayBeTrapped) {
      assert(life === undefined, `${name} has ended before it begins again`);
      const trap = mayBeTrapped ? deck.draw(side, abilities()) : undefined;
      const started = launch(trap, trap === undefined ? {} : trapAt(trap.step.name, trap.count));
      life = beginLife({ of: name, side, trap, ...started, marks: marks(), onAcknowledged, onTrouble });
      return life;
    },
    bury() {
      assert(life?.end !== undefined, `${name} has ended`);
      const buried = life;
      life = undefined;
      if (buried.trap !== undefined && buried.end !== 'trapped') deck.putBack(buried.trap);
      return buried;
    },
  };
}
