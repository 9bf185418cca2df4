/**
 * Gaps: which events the declared gaps stand for, and what is lost besides.
 *
 * Owns the reckoning of loss by policy: a resolved event may be missing only where a gap declares it, and a gap's sums
 * are those of the very events that it stands for. Shares no code with what it judges.
 */
import { type Exact, exactOf, plus, textOf, ZERO } from './decimal.ts';
import type { DeviceSays } from './evidence.ts';
import type { Journal, Life } from './journal.ts';

export interface GapsHearing {
  readonly journal: Journal;
  readonly device: DeviceSays | undefined;
  /** How often each serial was seen at the gateway or in quarantine. */
  readonly seen: ReadonlyMap<number, number>;
  readonly idsStay: boolean;
}

export interface GapsVerdict {
  /** Serials of resolved events that no gap stands for. */
  readonly lost: readonly number[];
  readonly problems: readonly string[];
}

/** The gateway names no more streams than this. */
const STREAMS_NAMED_MAX = 1_000;

export function judgeGaps(hearing: GapsHearing): GapsVerdict {
  const { journal, device, idsStay } = hearing;
  const streams = device?.streams ?? [];
  const gaps = device?.gaps ?? 0;
  const byLife = idsStay && streams.length < STREAMS_NAMED_MAX;
  const claims = byLife
    ? journal.lives.map((life) => claimOf(hearing, life.attempts, gapsOf(life, hearing)))
    : [claimOf(hearing, [...journal.attempts.keys()], gaps)];
  const problems = claims.flatMap((claim) => claim.problems);
  if (byLife && claims.reduce((sum, claim) => sum + claim.gaps, 0) !== gaps) {
    problems.push(`gaps declare ${gaps} events, some of them of streams that nothing was recorded under`);
  }
  if (device !== undefined) {
    problems.push(...declarationProblems(device));
    const isKnown = claims.every(({ given }) => given !== undefined);
    if (isKnown && device.declaredGaps.unsummed === 0) {
      const given = claims.flatMap((claim) => claim.given ?? []);
      problems.push(...sumProblems(journal, given, device));
    }
  }
  return { lost: claims.flatMap((claim) => claim.lost), problems };
}

/** What some attempts and the gaps that are theirs come to. */
interface Claim {
  readonly gaps: number;
  readonly lost: readonly number[];
  /** The events that the gaps stand for; undefined where that cannot be known. */
  readonly given: readonly number[] | undefined;
  readonly problems: readonly string[];
}

function claimOf({ journal, seen, idsStay }: GapsHearing, attempts: readonly number[], gaps: number): Claim {
  const { resolved, rejected } = journal;
  const unseen = attempts.filter((serial) => !seen.has(serial));
  const missing = unseen.filter((serial) => resolved.has(serial));
  // Cut off before their receipts: they may have reached the disk, in the order in which they were recorded.
  const open = unseen.filter((serial) => !resolved.has(serial) && !rejected.has(serial));
  const more = gaps - missing.length;
  const excess = more - open.length;
  return {
    gaps,
    lost: more < 0 ? missing.slice(gaps) : [],
    given: more < 0 || excess > 0 || (more > 0 && !idsStay) ? undefined : [...missing, ...open.slice(0, more)],
    problems: excess > 0 ? [`gaps declare ${gaps} events, ${excess} more than are missing`] : [],
  };
}

function gapsOf(life: Life, { journal, device }: GapsHearing): number {
  const mine = new Set(life.streams);
  for (const serial of life.attempts) mine.add(journal.resolved.get(serial)?.stream ?? '');
  const streams = device?.streams.filter(({ stream }) => mine.has(stream)) ?? [];
  return streams.reduce((sum, { gaps }) => sum + gaps, 0);
}

function declarationProblems({ gaps, declaredGaps: { quota, damage, unsummed } }: DeviceSays): string[] {
  const problems: string[] = [];
  // Of damage nobody knows what it was; what is given up on purpose must never have been sent, and its sums are known.
  if (damage === 0 && quota > gaps)
    problems.push(`${quota - gaps} events were given up on purpose, and count all the same`);
  if (unsummed > damage) problems.push(`gaps of ${unsummed - damage} events, given up on purpose, are without sums`);
  return problems;
}

function sumProblems(journal: Journal, given: readonly number[], device: DeviceSays): string[] {
  const sums = new Map<string, Exact>();
  for (const serial of given) {
    for (const [name, text] of Object.entries(journal.attempts.get(serial)?.measures ?? {})) {
      sums.set(name, plus(sums.get(name) ?? ZERO, exactOf(text)));
    }
  }
  const said = device.declaredGaps.sums;
  return [...new Set([...Object.keys(said), ...sums.keys()])].flatMap((name) => {
    const [is, should] = [textOf(exactOf(said[name] ?? '0')), textOf(sums.get(name) ?? ZERO)];
    return is === should ? [] : [`gaps: the sum of ${name} is ${is}, and comes to ${should}`];
  });
}
