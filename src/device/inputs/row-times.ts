/**
 * RowTimes: the time of a row as epoch milliseconds.
 *
 * Owns the forms of a time. Promises that a time is taken apart by a strict pattern and checked against the calendar: 30 February
 * is refused, and so is what means another day elsewhere. Never asks `Date.parse`.
 */
import { CodecError } from '../../codec/index.ts';
import { type TimeZone, UTC } from './local-times.ts';
import { shown } from './refusal.ts';
import { NUMBER_PATTERN } from './row-numbers.ts';
import { compileTimeFormat, type TimeParts } from './time-format.ts';

export const TIME_UNITS = ['s', 'ms', 'us', 'ns'] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

export interface TimeOptions {
  /**
   * What a number stands for where a time is one. Left out, it is milliseconds, and a number is refused that would be a time
   * from 2000 to 2099 in another unit, or is a day such as 20260301.
   * @default 'ms'
   */
  readonly timeUnit?: TimeUnit | undefined;
  /** Where the clock hangs whose times name no zone. @default UTC */
  readonly timeZone?: TimeZone | undefined;
  /** A pattern such as `dd.MM.yyyy HH:mm`; then no other form is a time. */
  readonly timeFormat?: string | undefined;
}

/** @throws CodecError `event-time` */
export type TimeReader = (value: unknown) => number;

const MS_PER_UNIT: Record<TimeUnit, number> = { s: 1_000, ms: 1, us: 1e-3, ns: 1e-6 };

/** Numbers that are no likely milliseconds: seconds, microseconds and nanoseconds of our days, and days without dashes. */
const OTHER_UNITS: readonly { readonly first: number; readonly end: number }[] = [
  ...[1e-3, 1e3, 1e6].map((perMs) => ({ first: Date.UTC(2000, 0) * perMs, end: Date.UTC(2100, 0) * perMs })),
  { first: 2000_01_01, end: 2100_00_00 },
];

/** ISO 8601 as RFC 3339 has it, the zone and what is smaller than a minute left out where it is. */
const ISO_PATTERN =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?(?: ?(Z|UTC|GMT|[+-]\d\d:?\d\d))?)?$/i;

export function createTimeReader({ timeUnit, timeZone = UTC, timeFormat }: TimeOptions): TimeReader {
  const fromNumber = (value: number): number => {
    if (timeUnit === undefined && OTHER_UNITS.some(({ first, end }) => value >= first && value < end)) {
      throw noTime('may be in another unit than milliseconds: --time-unit says which it is', String(value));
    }
    return Math.round(value * MS_PER_UNIT[timeUnit ?? 'ms']);
  };
  const format = timeFormat === undefined ? undefined : compileTimeFormat(timeFormat);
  return (value) => {
    if (format === undefined && typeof value === 'number') return fromNumber(value);
    const text = typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : '';
    if (format !== undefined) {
      const parts = format(text);
      if (parts === undefined) throw noTime(`is not of the form ${timeFormat}`, text || typeof value);
      return utcOf(parts, timeZone, text);
    }
    if (NUMBER_PATTERN.test(text)) return fromNumber(Number(text));
    const match = ISO_PATTERN.exec(text);
    if (match === null) {
      throw noTime(
        'is no time that means the same everywhere; --time-format says how it is written',
        text || typeof value,
      );
    }
    const [, year, month, day, hour, minute, second, fraction, zone] = match;
    return utcOf({ year, month, day, hour, minute, second, fraction, zone }, timeZone, text);
  };
}

/** A time in a local zone, checked. */
function utcOf(parts: TimeParts, timeZone: TimeZone, text: string): number {
  const { year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone } = parts;
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (mo < 1 || mo > 12 || d < 1 || d > daysIn(y, mo)) throw noTime('is no day of the calendar', text);
  if (h > 23 || mi > 59 || s > 59) throw noTime('is no time of the day', text);
  const date = Date.UTC(y < 100 ? 2000 : y, mo - 1, d, h, mi, s, Number(fraction.slice(0, 3).padEnd(3, '0')));
  // Date.UTC takes years below 100 for those of the last century.
  const wallMs = y < 100 ? new Date(date).setUTCFullYear(y, mo - 1, d) : date;
  if (zone !== undefined) return wallMs - offsetOf(zone, text);
  const utc = timeZone.toUtc(wallMs);
  if (typeof utc === 'number') return utc;
  throw noTime(
    utc === 'twice'
      ? 'is there twice, for clocks were set back: only times with a zone or in UTC can tell which it is'
      : 'is never shown, for clocks were set forward then: --time-zone may be another',
    text,
  );
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function offsetOf(zone: string, text: string): number {
  if (/^[a-z]+$/i.test(zone)) return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (hours > 18 || minutes > 59) throw noTime('has a zone that is none', text);
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

function noTime(why: string, text: string): CodecError {
  return new CodecError('event-time', `${shown(text, 40)} ${why}`);
}
