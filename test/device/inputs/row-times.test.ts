import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeZoneOf } from '../../../src/device/inputs/local-times.ts';
import { createTimeReader, type TimeOptions, type TimeUnit } from '../../../src/device/inputs/row-times.ts';
import { compileTimeFormat } from '../../../src/device/inputs/time-format.ts';

const time = (value: unknown, options: Partial<TimeOptions> = {}) =>
  createTimeReader({ timeUnit: 'ms', ...options })(value);
const iso = (value: unknown, options?: Partial<TimeOptions>) => new Date(time(value, options)).toISOString();
const refuses = (value: unknown, options?: Partial<TimeOptions>) =>
  assert.throws(
    () => time(value, options),
    { code: 'event-time' },
    typeof value === 'string' ? value.slice(0, 60) : typeof value,
  );

test('numbers, in the unit that was named', () => {
  const at = 1_700_000_000_123;
  for (const [timeUnit, text, ts] of [
    ['s', '1700000000', 1_700_000_000_000],
    ['s', '1700000000.123', at],
    ['s', '-1.5', -1_500],
    ['ms', '1700000000123', at],
    ['us', '1700000000123456', at],
    ['ns', '1700000000123456789', at],
  ] satisfies [TimeUnit, string, number][]) {
    assert.equal(time(text, { timeUnit }), ts, text);
    assert.equal(time(Number(text), { timeUnit }), ts, text);
  }
});

test('a number without a unit is milliseconds, and is refused where it is more likely in another one', () => {
  const timeUnit = undefined;
  for (const ms of [
    ...[1_700_000_000_123, Date.UTC(2000, 0), Date.UTC(2100, 0) - 1],
    ...[0, -1, 1, 1_000, 36_525, 73_051, 20_000_100, 946_684_799, 4_102_444_800, 946_684_799_999],
  ]) {
    assert.equal(time(String(ms), { timeUnit }), ms);
    assert.equal(time(ms, { timeUnit }), ms);
  }
  for (const text of [
    ...['1700000000', '1700000000.5', '1700000000123456', '1700000000123456789', '20260301', '46082.5', '46082'],
    ...['36526', '73050', '20000101', '946684800', '4102444799'],
    ...['1.5', '4102444800000', '132000000000000000', '639000000000000000', '1e400'],
  ]) {
    refuses(text, { timeUnit });
    refuses(Number(text), { timeUnit });
  }
  for (const text of ['46082.5', '46082,5'])
    assert.throws(() => time(text, { timeUnit }), { code: 'event-time', message: /Excel .*2026-03-01/ });
  assert.throws(() => time('20260301', { timeUnit }), { message: /yyyyMMdd/ });
  assert.throws(() => time('20260301120000', { timeUnit }), { message: /yyyyMMddHHmmss/ });
  assert.equal(time('46082.5', { timeUnit: 'ms' }), 46_082);
  assert.equal(time('20260301', { timeUnit: 'ms' }), 20_260_301);
});

test('what is finer than a millisecond is cut off, in numbers as in ISO 8601', () => {
  const ns = '2026-02-28T23:59:59.9999999Z';
  const ms = Date.UTC(2026, 2, 1) - 1;
  assert.equal(time(ns), ms);
  for (const [timeUnit, text] of [
    ['ns', '1772323199999999999'],
    ['us', '1772323199999999'],
    ['us', '1772323199999.999e3'],
    ['ms', '1772323199999.9999999999'],
    ['s', '1772323199.99999999999999'],
    ['s', '+1.77232319999999999e9'],
  ] satisfies [TimeUnit, string][]) {
    assert.equal(time(text, { timeUnit }), ms, text);
  }
  for (const [timeUnit, text, expected] of [
    ['us', '-1', -1],
    ['ns', '-1000000', -1],
    ['ns', '-1000001', -2],
    ['ns', '999999', 0],
    ['s', '.001', 1],
    ['s', '5.', 5_000],
    ['s', '0.1e1', 1_000],
    ['s', '1772323200.123', 1_772_323_200_123],
  ] satisfies [TimeUnit, string, number][]) {
    assert.equal(time(text, { timeUnit }), expected, text);
    assert.equal(time(Number(text), { timeUnit }), expected, text);
  }
  for (let ts = 1_772_323_200_000; ts < 1_772_323_201_000; ts++)
    assert.equal(time(ts / 1_000, { timeUnit: 's' }), ts, 'as a double');
});

test('ISO 8601, UTC where there is no zone, whatever the zone of the machine', (t) => {
  const zone = process.env['TZ'];
  t.after(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });
  process.env['TZ'] = 'America/New_York';
  for (const [text, expected] of [
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['2024-02-29T12:34', '2024-02-29T12:34:00.000Z'],
    ['2024-02-29 12:34:56', '2024-02-29T12:34:56.000Z'],
    ['2024-02-29T12:34:56,789', '2024-02-29T12:34:56.789Z'],
    ['2024-02-29T12:34:56.789999Z', '2024-02-29T12:34:56.789Z'],
    ['2024-02-29t12:34:56+02:00', '2024-02-29T10:34:56.000Z'],
    ['2024-02-29 12:34:56-0530', '2024-02-29T18:04:56.000Z'],
    ['2024-02-29 12:34:56 UTC', '2024-02-29T12:34:56.000Z'],
    ['1969-12-31T23:59:59z', '1969-12-31T23:59:59.000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ] as const) {
    assert.equal(iso(text), expected, text);
  }
});

test('what the calendar does not have, or means another day elsewhere, is refused', () => {
  for (const text of [
    ...[
      '2026-02-30 10:00:00',
      '2026-02-30T10:00:00Z',
      '2026-02-29T10:00:00Z',
      '1900-02-29',
      '2026-04-31',
      '2026-13-01',
    ],
    ...[
      '2026-00-10',
      '2026-01-00',
      '2026-03-01T24:00:00Z',
      '2024-02-29T12:34:60',
      '2024-02-29T12:60',
      '2026-06-31T00:00+02:00',
    ],
    ...[
      '03.04.2026 10:00:00 +02:00',
      '03/04/2026 10:00:00 UTC',
      '04-03-2026 10:00:00Z',
      '26-03-04 10:00:00Z',
      '3.4.26 10:00 GMT',
    ],
    ...[
      'Nov  5 10:00:00 UTC',
      '5 10:00Z',
      '2026/03/04 10:00:00Z',
      'noon',
      '2024-02-29T12',
      'Thu, 29 Feb 2024 12:34:56 GMT',
    ],
    ...[
      '2026-03-01T10:00:00+25:00',
      '2026-03-01T10:00:00+02:60',
      '',
      `${'1'.repeat(100_000)}x`,
      '2026-03-01T10:00:00ZZ',
    ],
  ]) {
    refuses(text);
  }
  for (const value of [true, {}, ['2024'], null, undefined, { toString: 5 }]) refuses(value);
});

test('times of a place: those that clocks show twice or never are refused', () => {
  const timeZone = timeZoneOf('Europe/Berlin')!;
  assert.equal(iso('2026-01-02 03:04:05', { timeZone }), '2026-01-02T02:04:05.000Z');
  assert.equal(iso('2026-07-02 03:04:05', { timeZone }), '2026-07-02T01:04:05.000Z');
  assert.equal(iso('2026-07-02 03:04:05Z', { timeZone }), '2026-07-02T03:04:05.000Z', 'its own zone goes first');
  assert.equal(iso('2026-03-29 01:59:59', { timeZone }), '2026-03-29T00:59:59.000Z');
  assert.equal(iso('2026-03-29 03:00:00', { timeZone }), '2026-03-29T01:00:00.000Z');
  for (const text of ['2026-03-29 02:00', '2026-03-29 02:59:59', '2026-10-25 02:00', '2026-10-25 02:59:59.999']) {
    refuses(text, { timeZone });
  }
  assert.equal(iso('2026-10-25 01:59:59', { timeZone }), '2026-10-24T23:59:59.000Z');
  assert.equal(iso('2026-10-25 03:00:00', { timeZone }), '2026-10-25T02:00:00.000Z');
  // Half an hour of difference, and by half an hour.
  const island = timeZoneOf('Australia/Lord_Howe')!;
  assert.equal(iso('2026-01-01 00:00', { timeZone: island }), '2025-12-31T13:00:00.000Z');
  refuses('2026-04-05 01:45', { timeZone: island });
  assert.equal(iso('2026-04-05 01:15', { timeZone: island }), '2026-04-04T14:15:00.000Z');
  assert.equal(iso('2026-01-01 00:00', { timeZone: timeZoneOf('-07:00')! }), '2026-01-01T07:00:00.000Z');
  for (const name of ['Mars/Olympus', '+25:00', 'Berlin time', '']) assert.equal(timeZoneOf(name), undefined, name);
});

test('patterns take a text apart in one way or not at all', () => {
  for (const [timeFormat, text, expected] of [
    ['dd.MM.yyyy HH:mm', '02.01.2026 03:04', '2026-01-02T03:04:00.000Z'],
    ['d.M.yy H:mm:ss', '2.11.26 3:04:05', '2026-11-02T03:04:05.000Z'],
    ['MM/dd/yy hh:mm:ss a', '03/01/26 12:00:00 AM', '2026-03-01T00:00:00.000Z'],
    ['MM/dd/yy hh:mm:ss a', '03/01/26 12:30:00 pm', '2026-03-01T12:30:00.000Z'],
    ['yyyyMMddHHmmss', '20260301120000', '2026-03-01T12:00:00.000Z'],
    ['yyyyMMdd', '20260301', '2026-03-01T00:00:00.000Z'],
    ["dd MMM yyyy 'at' HH:mm:ss.SSSSSS", '05 Nov 2026 at 10:00:00.123456', '2026-11-05T10:00:00.123Z'],
    ['yyyy/MM/dd HH:mm XXX', '2026/03/04 10:00 +02:00', '2026-03-04T08:00:00.000Z'],
  ] as const) {
    assert.equal(iso(text, { timeFormat }), expected, text);
  }
  assert.equal(time(20260301, { timeFormat: 'yyyyMMdd' }), Date.UTC(2026, 2, 1), 'JSON has it as a number');
  for (const text of [
    '2.1.2026 03:04',
    '02.13.2026 03:04',
    '30.02.2026 03:04',
    '02.01.2026 03:04:05',
    '02x01x2026 03:04',
    '2026-01-02T03:04Z',
  ]) {
    refuses(text, { timeFormat: 'dd.MM.yyyy HH:mm' });
  }
  refuses('03/01/26 13:00:00 PM', { timeFormat: 'MM/dd/yy hh:mm:ss a' });
  for (const bad of [
    '',
    'HH:mm',
    'dd.MM',
    'dMyyyy',
    'dd.MM.yyyy hh:mm',
    'dd.MM.yyyy HH:mm a',
    'dd.MM.yyyy DD',
    'dd.MM.yyyy dd',
    'yyyy-MM-dd mm',
    'yyyy-MM-ddTHH:mm',
  ]) {
    assert.throws(() => compileTimeFormat(bad), Error, bad);
  }
});

test('a zone of hours only, and one without a colon', () => {
  for (const [text, hours] of [
    ['2026-03-01 00:00:00+00', 0],
    ['2026-03-01T00:00:00.25-03', 3],
    ['2026-03-01 00:00 +14', -14],
    ['2026-03-01T00:00:00+0530', -5.5],
  ] as const) {
    const fraction = text.includes('.25') ? 250 : 0;
    assert.equal(createTimeReader({})(text), Date.UTC(2026, 2, 1) + hours * 3_600_000 + fraction, text);
    assert.equal(timeZoneOf(/[+-]\d+$/.exec(text)![0])!.toUtc(0), hours * 3_600_000);
  }
  for (const text of ['2026-03-01 00:00:00+1', '2026-03-01 00:00:00+19', '2026-03-01+00', '2026-03-01 00:00:00+053'])
    assert.throws(() => createTimeReader({})(text), { code: 'event-time' }, text);
});
