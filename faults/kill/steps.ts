/**
 * Steps: the failpoints on the way of an event, and the order in which a round has its sides die at them.
 *
 * Owns on which side each lies and after how many visits it is worth dying there. Promises that every step comes up
 * before one comes up again, and that a step at which nothing died comes up again soon. A test holds the list against
 * `src`.
 */

export type SideKind = 'device' | 'gateway';

export interface Step {
  readonly name: string;
  readonly side: SideKind;
  /** Visits of about a second under load. */
  readonly visitsMax: number;
  /** What only some devices come to: giving up events, or moving them to a fresh stream. */
  readonly needs?: 'quota' | 'collisions';
}

export const STEPS: readonly Step[] = [
  { name: 'event-accepted', side: 'device', visitsMax: 250 },
  { name: 'before-append', side: 'device', visitsMax: 30 },
  { name: 'append-committed', side: 'device', visitsMax: 30 },
  { name: 'batch-cut', side: 'device', visitsMax: 20 },
  { name: 'before-mark', side: 'device', visitsMax: 4 },
  { name: 'mark-committed', side: 'device', visitsMax: 4 },
  { name: 'leave-granted', side: 'device', visitsMax: 20 },
  { name: 'batch-packed', side: 'device', visitsMax: 20 },
  { name: 'batch-compressed', side: 'device', visitsMax: 20 },
  { name: 'batch-signed', side: 'device', visitsMax: 20 },
  { name: 'before-post', side: 'device', visitsMax: 20 },
  { name: 'answer-received', side: 'device', visitsMax: 20 },
  { name: 'answer-verified', side: 'device', visitsMax: 20 },
  { name: 'before-release', side: 'device', visitsMax: 10 },
  { name: 'release-committed', side: 'device', visitsMax: 10 },
  { name: 'before-drop', side: 'device', visitsMax: 4, needs: 'quota' },
  { name: 'drop-committed', side: 'device', visitsMax: 4, needs: 'quota' },
  { name: 'before-restream', side: 'device', visitsMax: 1, needs: 'collisions' },
  { name: 'restream-committed', side: 'device', visitsMax: 1, needs: 'collisions' },
  { name: 'head-accepted', side: 'gateway', visitsMax: 25 },
  { name: 'body-received', side: 'gateway', visitsMax: 25 },
  { name: 'signature-verified', side: 'gateway', visitsMax: 25 },
  { name: 'body-inflated', side: 'gateway', visitsMax: 25 },
  { name: 'batch-decoded', side: 'gateway', visitsMax: 25 },
  { name: 'ledger-decided', side: 'gateway', visitsMax: 25 },
  { name: 'before-admit', side: 'gateway', visitsMax: 20 },
  { name: 'admit-committed', side: 'gateway', visitsMax: 20 },
  { name: 'answer-signed', side: 'gateway', visitsMax: 25 },
  { name: 'answer-sent', side: 'gateway', visitsMax: 25 },
];

/** A step, and the visit at which to die there. */
export interface Trap {
  readonly step: Step;
  readonly count: number;
}

export interface StepDeck {
  /** The next step that a side with these abilities may come to. */
  draw(side: SideKind, abilities: ReadonlySet<Step['needs']>): Trap | undefined;
  /** Nothing died of it. */
  putBack(trap: Trap): void;
}

/** How often a trap springs at the first visit. */
const FIRST = 0.2;

export function createStepDeck(random: () => number): StepDeck {
  const fresh = (side: SideKind): Step[] => shuffled(STEPS.filter((step) => step.side === side));
  const left = { device: fresh('device'), gateway: fresh('gateway') };
  return {
    draw(side, abilities) {
      const possible = (): Step[] => left[side].filter(({ needs }) => needs === undefined || abilities.has(needs));
      if (possible().length === 0) left[side] = fresh(side);
      // What few can come to is done while one can.
      const step = possible().find(({ needs }) => needs !== undefined) ?? possible()[0];
      if (step === undefined) return undefined;
      left[side] = left[side].filter((other) => other !== step);
      // The first visit is the one after a start, when there is the most to put right.
      return { step, count: random() < FIRST ? 1 : 1 + Math.floor(random() * step.visitsMax) };
    },
    putBack({ step }) {
      if (!left[step.side].includes(step)) left[step.side].unshift(step);
    },
  };

  function shuffled(steps: readonly Step[]): Step[] {
    const places = new Map(steps.map((step) => [step, random()]));
    return steps.toSorted((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0));
  }
}
