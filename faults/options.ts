/**
 * Options: the flags of `npm run faults`.
 *
 * Owns their names, bounds and defaults. Never reads the environment.
 */
import { resolve } from 'node:path';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { Scale } from './campaign.ts';
import { CAMPAIGN_NAMES, type CampaignName } from './campaigns/index.ts';

export interface FaultsOptions {
  readonly names: readonly CampaignName[];
  readonly seed: number;
  readonly scale: Scale;
  /** Units of each campaign, in the place of the scale's. */
  readonly size: number | undefined;
  /** Time for all of it; undefined for as long as it takes. */
  readonly minutes: number | undefined;
  readonly jobs: number;
  /** Where to write everything as JSON; undefined for nowhere. */
  readonly json: string | undefined;
  /** Puts the tables into RELIABILITY.md. */
  readonly publish: boolean;
  /** Tries whether the campaigns catch deliberate bugs. */
  readonly mutants: boolean;
  /** Only the mutants whose name contains this. */
  readonly match: string;
}

const MINUTES = 10;

/** Ends the process where the call is wrong, or only asks for help. */
export function readOptions(argv: readonly string[]): FaultsOptions {
  const command = new Command('npm run faults --')
    .description('Attacks every promise of Tidegate on this machine, and counts what was lost or doubled.')
    .addArgument(new Argument('[campaigns...]', 'which; default: all').choices(CAMPAIGN_NAMES))
    .option('--minutes <count>', `stop after so long, whatever is done by then; default ${MINUTES}`, number(0.1))
    .option('--full', 'everything that RELIABILITY.md reports, however long it takes')
    .option('--quick', 'what every change must pass: a few minutes')
    .addOption(
      new Option('--size <count>', 'rounds, seeds or inputs of each campaign').argParser(whole(1)).conflicts('mutants'),
    )
    .option('--seed <number>', 'the same faults again; default: another one every time', whole(0))
    .option('--jobs <count>', 'campaigns side by side', whole(1), 2)
    .option('--json <file>', 'write everything there')
    .option('--publish', 'put the tables into RELIABILITY.md')
    .option('--mutants', 'try deliberate bugs instead: the campaigns must catch every one')
    .option('--match <text>', 'only the deliberate bugs whose name contains this', '');
  command.parse(argv, { from: 'user' });
  const {
    full = false,
    quick = false,
    minutes,
    size,
    seed,
    jobs,
    json,
    publish,
    mutants,
    match,
  } = command.opts<{
    full?: boolean;
    quick?: boolean;
    minutes?: number;
    size?: number;
    seed?: number;
    jobs: number;
    json?: string;
    publish?: boolean;
    mutants?: boolean;
    match: string;
  }>();
  const chosen = command.processedArgs[0] as CampaignName[];
  const isBounded = full || quick || size !== undefined;
  return {
    names: chosen.length > 0 ? CAMPAIGN_NAMES.filter((name) => chosen.includes(name)) : CAMPAIGN_NAMES,
    seed: seed ?? Math.floor(Math.random() * 2 ** 31),
    scale: quick ? 'ci' : 'full',
    size,
    minutes: minutes ?? (isBounded ? undefined : MINUTES),
    jobs,
    json: json && resolve(json),
    publish: publish ?? false,
    mutants: mutants ?? false,
    match,
  };
}

function whole(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= min && value <= 0xffffffff) return value;
    throw new InvalidArgumentError(`must be a whole number from ${min}.`);
  };
}

function number(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isFinite(value) && value >= min) return value;
    throw new InvalidArgumentError(`must be a number from ${min}.`);
  };
}
