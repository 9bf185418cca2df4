import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balanceOf, difference } from '../../demo/balance.ts';
import type { DeviceFigures } from '../../demo/device-program.ts';
import type { CountedDevice } from '../../demo/gateway-program.ts';
import { counted, figures } from './scene.ts';

const match = (device: Partial<DeviceFigures>, gateway?: Partial<CountedDevice>) =>
  balanceOf([figures(device)], new Map(gateway && [['pump-1', counted(gateway)]])).total.match;

test('it is a match only where every event and every measure agrees', () => {
  assert.equal(match({}, {}), true);
  assert.equal(match({ recorded: 1_001 }, {}), false);
  assert.equal(match({}, { events: 999 }), false);
  assert.equal(match({}, { sums: { volume: '12.5', temperature: '180.26' } }), false);
  assert.equal(match({}, { sums: { volume: '12.5' } }), false);
  assert.equal(match({ sums: { volume: '12.5' } }, {}), false);
  assert.equal(match({}), false);
  assert.equal(match({ recorded: 0, sums: {} }), true);
});

test('the total is the exact sum of the rows, and matches where all do', () => {
  const devices = [figures({ sums: { volume: '0.1' } }), figures({ id: 'pump-2', sums: { volume: '0.2' }, queued: 5 })];
  const gateway = new Map([
    ['pump-1', counted({ sums: { volume: '0.1' } })],
    ['pump-2', counted({ id: 'pump-2', events: 995, sums: { volume: '0.15' } })],
  ]);
  const { total, rows } = balanceOf(devices, gateway);
  assert.deepEqual(total, {
    id: 'all',
    recorded: 2_000,
    queued: 5,
    delivered: 1_995,
    duplicatesRefused: 80,
    retries: 6,
    deviceVolume: '0.3',
    gatewayVolume: '0.25',
    match: false,
  });
  assert.deepEqual(
    rows.map((row) => row.match),
    [true, false],
  );
});

test('a difference is exact and has a sign', () => {
  assert.equal(difference('0.3', '0.1'), '0.2');
  assert.equal(difference('0.1', '0.3'), '-0.2');
  assert.equal(difference('-5', '-5.5'), '0.5');
  assert.equal(difference('7', '7'), '0');
});
