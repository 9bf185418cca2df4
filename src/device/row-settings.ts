/**
 * RowSettings: the kinds of flag that say how rows are written.
 *
 * Owns their notation. A name with a comma in it goes in quotes, or has a backslash before the comma; a config file may
 * have lists and objects instead.
 */
import { z } from 'zod';
import { compileTimeFormat, encodingOf, type TimeZone, timeZoneOf } from './inputs/index.ts';

/** `volume=flow_m3,ts="Date Time, GMT-07:00"`: our name, then the name in the input. Gives ours by theirs. */
export function mapping(): z.ZodType<ReadonlyMap<string, string>> {
  return z.unknown().transform((value, context) => {
    const pairs = typeof value === 'string' ? pairsIn(value) : pairsOf(value);
    const theirs = pairs?.map(([, name]) => name);
    if (pairs && new Set(theirs).size === pairs.length && pairs.every((pair) => pair.every((name) => name !== ''))) {
      return new Map(pairs.map(([ours, name]) => [name, ours]));
    }
    context.addIssue('expected pairs such as volume=flow_m3,ts="Date, Time"');
    return z.NEVER;
  });
}

/** `a,b,"c, d"`. */
export function names(): z.ZodType<ReadonlySet<string>> {
  return z.unknown().transform((value, context) => {
    const list = typeof value === 'string' ? itemsIn(value).map(({ text }) => text) : value;
    const isList = Array.isArray(list) && list.every((name): name is string => typeof name === 'string' && name !== '');
    if (isList) return new Set(list);
    context.addIssue('expected names such as a,b,"c, d"');
    return z.NEVER;
  });
}

export function character(): z.ZodType<string> {
  return z.unknown().transform((value, context) => {
    const sign = value === 'tab' || value === '\\t' ? '\t' : value;
    if (typeof sign === 'string' && /^[\t !#-/:-@[-`{-~]$/.test(sign)) return sign;
    context.addIssue('expected one character that is no letter, digit or quote, or the word tab');
    return z.NEVER;
  });
}

export function encoding(): z.ZodType<string> {
  return z.unknown().transform((value, context) => {
    const found = typeof value === 'string' ? encodingOf(value) : undefined;
    if (found !== undefined) return found;
    context.addIssue('expected utf-8, utf-16le, utf-16be, windows-1252 or another encoding with one byte a character');
    return z.NEVER;
  });
}

export function timeZone(): z.ZodType<TimeZone> {
  return z.unknown().transform((value, context) => {
    const zone = typeof value === 'string' ? timeZoneOf(value) : undefined;
    if (zone !== undefined) return zone;
    context.addIssue('expected a zone such as UTC, -07:00 or Europe/Berlin');
    return z.NEVER;
  });
}

export function timeFormat(): z.ZodType<string> {
  return z.unknown().transform((value, context) => {
    try {
      if (typeof value !== 'string') throw new Error('expected a pattern such as dd.MM.yyyy HH:mm');
      compileTimeFormat(value);
      return value;
    } catch (error) {
      context.addIssue((error as Error).message);
      return z.NEVER;
    }
  });
}

type Pair = readonly [ours: string, theirs: string];

function pairsOf(value: unknown): Pair[] | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const pairs = Object.entries(value);
  return pairs.every((pair): pair is [string, string] => typeof pair[1] === 'string') ? pairs : undefined;
}

function pairsIn(text: string): Pair[] | undefined {
  const pairs: [string, string][] = [];
  for (const { text: item, source, equals } of itemsIn(text)) {
    const last = pairs.at(-1);
    if (equals > 0) pairs.push([item.slice(0, equals).trim(), item.slice(equals + 1).trim()]);
    // No pair of its own: the name before has a comma in it.
    else if (last && equals < 0) last[1] += `,${source}`;
    else return undefined;
  }
  return pairs;
}

interface Item {
  /** Without quotes and backslashes, trimmed. */
  readonly text: string;
  /** As it was written. */
  readonly source: string;
  /** Where the first `=` outside of quotes is in `text`; -1 where there is none. */
  readonly equals: number;
}

function itemsIn(list: string): Item[] {
  const items: Item[] = [];
  let text = '';
  let equals = -1;
  let from = 0;
  let isQuoted = false;
  const end = (at: number): void => {
    items.push({ text: text.trim(), source: list.slice(from, at).trimEnd(), equals: equals < 0 ? -1 : equals });
    [text, equals, from] = ['', -1, at + 1];
  };
  for (let at = 0; at < list.length; at++) {
    const sign = list[at]!;
    const atStart = text.trim() === '' || equals === text.trimEnd().length - 1;
    if (sign === '\\' && /[\\,"=]/.test(list[at + 1] ?? '')) text += list[++at];
    else if (isQuoted) {
      if (sign === '"') isQuoted = false;
      else text += sign;
    } else if (sign === '"' && atStart) isQuoted = true;
    else if (sign === ',') end(at);
    else {
      if (sign === '=' && equals < 0) {
        text = text.trimStart();
        equals = text.length;
      }
      text += sign;
    }
  }
  end(list.length);
  return items;
}
