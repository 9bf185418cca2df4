import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { z } from 'zod';
import { choice, duration, httpUrl, integer, listenAddress, size, text, toggle } from '../../src/cli/index.ts';

function accepts<T>(schema: z.ZodType<T>, cases: readonly (readonly [raw: unknown, value: T])[]): void {
  for (const [raw, value] of cases) assert.deepEqual(schema.parse(raw), value, `${JSON.stringify(raw)}`);
}

function refuses(schema: z.ZodType, cases: readonly unknown[], expected: RegExp): void {
  for (const raw of cases) {
    const result = schema.safeParse(raw);
    assert(!result.success, `${JSON.stringify(raw)} was accepted as ${JSON.stringify(result.data)}`);
    assert.match(result.error.issues[0]?.message ?? '', expected);
  }
}

test('a duration has a unit and comes out in milliseconds', () => {
  accepts(duration(), [
    ['250ms', 250],
    ['5s', 5_000],
    ['1.5s', 1_500],
    ['1m', 60_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['0s', 0],
  ]);
  refuses(
    duration(),
    ['', '5', 5, '-5s', '5 s', 's', '5S', '1e3ms', '5sec', null, undefined, {}],
    /expected a duration/,
  );
});

test('a duration stays within its bounds, ends included', () => {
  const schema = duration({ min: '100ms', max: '1m' });
  accepts(schema, [
    ['100ms', 100],
    ['60s', 60_000],
  ]);
  refuses(schema, ['99ms', '61s'], /from 100ms to 1m/);
  refuses(duration({ min: '1s' }), ['1ms'], /at least 1s/);
  refuses(duration({ max: '1s' }), ['2s'], /at most 1s/);
  assert.throws(() => duration({ min: 'soon' }), { code: 'ERR_ASSERTION' });
});

test('a size is in bytes unless it has a unit', () => {
  accepts(size(), [
    ['512', 512],
    [512, 512],
    ['512B', 512],
    ['64KiB', 65_536],
    ['64 KiB', 65_536],
    ['1.5MiB', 1_572_864],
    ['2GiB', 2_147_483_648],
    ['1kB', 1_000],
    ['1.1MB', 1_100_000],
    ['1GB', 1_000_000_000],
  ]);
  refuses(size(), ['', 'big', '-1', -1, '1TB', '1K', 'KiB', true, null, undefined], /expected a size/);
  refuses(size({ max: '1MiB' }), ['1.1MiB'], /at most 1MiB/);
});

test('a whole number may be text or a number', () => {
  accepts(integer(), [
    ['7', 7],
    ['-7', -7],
    ['+7', 7],
    [0, 0],
  ]);
  refuses(integer(), ['', '7.5', 7.5, '0x7', '9007199254740992', Number.NaN, true, null, undefined], /a whole number/);
  refuses(integer({ min: 1, max: 9 }), [0, 10, '10'], /from 1 to 9/);
});

test('an address is http or https and carries no secret', () => {
  assert.equal(httpUrl().parse('https://gate.example:8443/base').href, 'https://gate.example:8443/base');
  assert.equal(httpUrl().parse('http://127.0.0.1:8080').href, 'http://127.0.0.1:8080/');
  const bad = [
    'gate.example',
    'ftp://gate.example',
    'http://',
    'http://me:word@gate',
    'http://me@gate',
    'http://gate/?a=1',
  ];
  refuses(httpUrl(), [...bad, 'http://gate/#part', 8080, undefined], /http:\/\/ or https:\/\//);
});

test('a bare port stays on loopback', () => {
  accepts(listenAddress(), [
    ['8080', { host: '127.0.0.1', port: 8080 }],
    [8080, { host: '127.0.0.1', port: 8080 }],
    ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
    ['gate.example:0', { host: 'gate.example', port: 0 }],
    ['[::1]:8080', { host: '::1', port: 8080 }],
  ]);
  refuses(listenAddress(), ['', ':8080', 'host', 'host:', '::1:80', 'host:65536', 'a b:80', undefined], /an address/);
});

test('text is not empty, a choice is one of its words, a toggle is true or false', () => {
  accepts(text(), [['a', 'a']]);
  refuses(text(), ['', 5, null, undefined], /text/);
  accepts(choice('gzip', 'br'), [['br', 'br']]);
  refuses(choice('gzip', 'br'), ['zip', 'BR', undefined], /one of gzip, br/);
  accepts(toggle(), [
    [true, true],
    ['true', true],
    ['1', true],
    [false, false],
    ['false', false],
    ['0', false],
  ]);
  refuses(toggle(), ['yes', 1, '', undefined], /true or false/);
});
