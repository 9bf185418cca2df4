/**
 * RowTimes: the time of a row as epoch milliseconds.
 *
 * Owns the forms of a time. Promises that a time is taken apart by a strict pattern and checked against the calendar:
 * 30 February is refused, and so is what means another day elsewhere. Never asks `Date.parse`.
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
   * What a number stands for where a time is one. Left out, it is milliseconds, and a number that is likelier to be
   * something else is refused: one that is a time from 2000 to 2099 in seconds, as Excel counts days, or as 20260301;
   * one of 2100 or later in milliseconds; a fraction before 2000.
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

/** A unit is a millisecond times ten to this power. */
const POWER: Record<TimeUnit, number> = { s: 3, ms: 0, us: -3, ns: -6 };

const FIRST_MS = Date.UTC(2000, 0);
const END_MS = Date.UTC(2100, 0);
const EXCEL_DAY_0_MS = Date.UTC(1899, 11, 30);
const DAY_MS = 86_400_000;

/** ISO 8601 as RFC 3339 has it, the zone and what is smaller than a minute left out where it is. */
const ISO_PATTERN = new RegExp(
  '^(\\d{4})-(\\d\\d)-(\\d\\d)' +
    '(?:[Tt ](\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d{1,12}))?)?(?: ?(Z|UTC|GMT|[+-]\\d\\d(?::?\\d\\d)?))?)?$',
  'i',
);

export function createTimeReader({ timeUnit, timeZone = UTC, timeFormat }: TimeOptions): TimeReader {
  const power = POWER[timeUnit ?? 'ms'];
  const fromNumber = (number: number | string): number => {
    if (Math.abs(Number(number)) === Number.POSITIVE_INFINITY) throw noTime('is no time', String(number));
    const isWhole = typeof number === 'number' && power === 0 && Number.isSafeInteger(number);
    const ms = isWhole ? number : wholeMs(String(number), power);
    if (timeUnit === undefined && !(ms >= FIRST_MS && ms < END_MS)) refuseUnlikely(String(number));
    return ms;
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
    if (NUMBER_PATTERN.test(text)) return fromNumber(text);
    const match = ISO_PATTERN.exec(text);
    if (match === null) {
      if (/^\d{5},\d+$/.test(text)) refuseUnlikely(text.replace(',', '.'), text);
      throw noTime(
        'is no time that means the same everywhere; --time-format says how it is written',
        text || typeof value,
      );
    }
    const [, year, month, day, hour, minute, second, fraction, zone] = match;
    return utcOf({ year, month, day, hour, minute, second, fraction, zone }, timeZone, text);
  };
}

/** Cuts off what is below a millisecond: no event is later than its row says. By digits, since 0.1 is no double. */
function wholeMs(text: string, power: number): number {
  if (power === 0 && /^\d{1,15}$/.test(text)) return Number(text);
  const [, sign, whole = '', fraction = '', exponent = '0'] = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent) + power;
  // Far beyond every date.
  if (point > 400) return Number.POSITIVE_INFINITY;
  const ms = Number(digits.slice(0, Math.max(0, point)).padEnd(point, '0'));
  const isCut = /[1-9]/.test(digits.slice(Math.max(0, point)));
  return sign === '-' ? -ms - (isCut ? 1 : 0) : ms;
}

/** Throws where a number is likelier to be a time from 2000 to 2099 in another form than milliseconds long ago. */
function refuseUnlikely(number: string, text = number): void {
  const value = Number(number);
  const isThen = (ms: number) => ms >= FIRST_MS && ms < END_MS;
  const excelMs = EXCEL_DAY_0_MS + Math.floor(value) * DAY_MS;
  if (isThen(excelMs)) {
    const day = new Date(excelMs).toISOString().slice(0, 10);
    throw noTime(`may be a day as Excel counts them (${day}): have the column written as date and time`, text);
  }
  if (value >= 2000_01_01 && value < 2100_00_00)
    throw noTime('may be a day without dashes: --time-format yyyyMMdd', text);
  if (/^20\d{12}$/.test(number)) throw noTime('may be a time without dashes: --time-format yyyyMMddHHmmss', text);
  if (isThen(1_000 * value) || value >= END_MS || !Number.isInteger(value))
    throw noTime('is likely no time in milliseconds: --time-unit says in what unit it is', text);
}

/** A time in a local zone, checked. */
function utcOf(parts: TimeParts, timeZone: TimeZone, text: string): number {
  const { year, month, day, hour = '0', minute = '0', second = '0', fraction, zone } = parts;
  // By name, and not as a list: it is read for each row.
  const y = Number(year);
  const mo = Number(month);
  const d = Number(day);
  const h = Number(hour);
  const mi = Number(minute);
  const s = Number(second);
  if (mo < 1 || mo > 12 || d < 1 || d > daysIn(y, mo)) throw noTime('is no day of the calendar', text);
  if (h > 23 || mi > 59 || s > 59) throw noTime('is no time of the day', text);
  const ms = fraction === undefined ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'));
  const date = Date.UTC(y < 100 ? 2000 : y, mo - 1, d, h, mi, s, ms);
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
  const minutes = zone.length > 3 ? Number(zone.slice(-2)) : 0;
  if (hours > 18 || minutes > 59) throw noTime('has a zone that is none', text);
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

function noTime(why: string, text: string): CodecError {
  return new CodecError('event-time', `${shown(text, 40)} ${why}`);
}
