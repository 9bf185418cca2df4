/**
 * Account: the balance that the device keeps, held against what is really there.
 *
 * Owns promise 7 from the outside: once everything is drained, what the device says of its events, and what the gateway
 * says of the device, agree with the events themselves to the last digit. Shares no code with what it judges.
 */
import { type Exact, exactOf, plus, textOf, ZERO } from './decimal.ts';
import type { AccountSays, DeviceSays, StoredEvent, TallySays } from './evidence.ts';

type Fields = Pick<StoredEvent, 'fields'>;

export interface AccountHearing {
  readonly account: AccountSays;
  readonly device: DeviceSays | undefined;
  readonly events: readonly Fields[];
  readonly quarantine: readonly { readonly event: Fields }[];
}

export function accountProblems({ account, device, events, quarantine }: AccountHearing): string[] {
  const delivered = tallyOf(events);
  const quarantined = tallyOf(quarantine.map(({ event }) => event));
  const declared = device?.declaredGaps;
  const gaps = { events: device?.gaps ?? 0, sums: exactSums(declared?.sums ?? {}) };
  const recorded = [delivered, quarantined, gaps].reduce(together);
  // Where gaps are without sums nobody can say what the whole comes to.
  const isSummed = (declared?.unsummed ?? 0) === 0;
  return [
    ...differences('delivered', account.delivered, delivered, true),
    ...differences('queued', account.queued, { events: 0, sums: new Map() }, true),
    ...differences('quarantined', account.quarantined, quarantined, true),
    ...differences('gaps', account.gaps, gaps, isSummed),
    ...differences('recorded', account.recorded, recorded, isSummed),
    ...(['queued', 'missing', 'earlier'] as const)
      // What was refused since the device's last word is still queued by that word.
      .filter((place) => place !== 'queued' || quarantine.length === 0)
      .filter((place) => (device?.[place] ?? 0) > 0)
      .map((place) => `the gateway has ${device?.[place]} events of the device as ${place}, after it has drained`),
  ];
}

interface Tally {
  readonly events: number;
  readonly sums: ReadonlyMap<string, Exact>;
}

function tallyOf(events: readonly Fields[]): Tally {
  const sums = new Map<string, Exact>();
  for (const { fields } of events) {
    for (const [name, value] of Object.entries(fields)) {
      if (typeof value === 'number') sums.set(name, plus(sums.get(name) ?? ZERO, exactOf(String(value))));
    }
  }
  return { events: events.length, sums };
}

function exactSums(sums: Readonly<Record<string, string>>): Map<string, Exact> {
  return new Map(Object.entries(sums).map(([name, text]) => [name, exactOf(text)]));
}

function together(a: Tally, b: Tally): Tally {
  const sums = new Map(a.sums);
  for (const [name, sum] of b.sums) sums.set(name, plus(sums.get(name) ?? ZERO, sum));
  return { events: a.events + b.events, sums };
}

function differences(place: keyof AccountSays, said: TallySays, should: Tally, isSummed: boolean): string[] {
  const problems: string[] = [];
  if (said.events !== should.events) problems.push(`account: ${said.events} events ${place}, not ${should.events}`);
  if (!isSummed) return problems;
  const is = exactSums(said.sums);
  for (const name of new Set([...is.keys(), ...should.sums.keys()])) {
    const [isText, shouldText] = [textOf(is.get(name) ?? ZERO), textOf(should.sums.get(name) ?? ZERO)];
    if (isText !== shouldText) problems.push(`account: the sum of ${name} ${place} is ${isText}, not ${shouldText}`);
  }
  return problems;
}
