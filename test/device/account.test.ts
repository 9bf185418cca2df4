import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDecimal } from '../../src/codec/index.ts';
import { createAccount } from '../../src/device/account.ts';
import type { Tally } from '../../src/device/tally.ts';

const volume = (events: number, sum: string): Tally => ({ events, sums: new Map([['volume', parseDecimal(sum)!]]) });

test('moving keeps the balance; recorded is the sum of all places', () => {
  const account = createAccount(undefined);
  account.add('queued', volume(10, '1.5'));
  account.move('queued', 'delivered', volume(4, '0.7'));
  account.move('queued', 'quarantined', volume(1, '0.1'));
  account.add('gaps', volume(2, '0.2'));
  account.remove('queued', volume(2, '0.2'));
  assert.deepEqual(account.report(), {
    recorded: { events: 10, sums: { volume: '1.5' } },
    delivered: { events: 4, sums: { volume: '0.7' } },
    queued: { events: 3, sums: { volume: '0.5' } },
    quarantined: { events: 1, sums: { volume: '0.1' } },
    gaps: { events: 2, sums: { volume: '0.2' } },
  });
  assert.equal(account.events('queued'), 3);
});

test('a recount forgets what is queued but for its number, and nothing else', () => {
  const account = createAccount(undefined);
  account.add('queued', volume(10, '1.5'));
  account.add('delivered', volume(1, '1'));
  account.recount(7);
  assert.deepEqual(account.report().queued, { events: 7, sums: {} });
  assert.equal(account.events('delivered'), 1);
});

test('what is lost was queued: it is recorded once, also before the recount, and no count is below zero', () => {
  const account = createAccount(undefined);
  account.recount(10);
  account.lose(volume(4, '1'));
  assert.deepEqual(account.queueState(), { recorded: 10, queued: 6, quarantined: 0, gaps: 4 });
  account.lose(volume(6, '1'));
  account.remove('queued', volume(3, '1'));
  account.add('delivered', volume(3, '1'));
  assert.deepEqual(account.queueState(), { recorded: 13, queued: 0, quarantined: 0, gaps: 10 });
});

test('what is stored is what has left the disk: delivered, and gaps that are declared', () => {
  const account = createAccount(undefined);
  account.add('delivered', volume(4, '0.7'));
  account.add('queued', volume(3, '1'));
  account.add('quarantined', volume(1, '0.1'));
  account.add('gaps', volume(5, '5'));
  account.settleGaps(volume(2, '2'));
  const again = createAccount(account.settled());
  assert.deepEqual(again.report(), {
    recorded: { events: 6, sums: { volume: '2.7' } },
    delivered: { events: 4, sums: { volume: '0.7' } },
    queued: { events: 0, sums: {} },
    quarantined: { events: 0, sums: {} },
    gaps: { events: 2, sums: { volume: '2' } },
  });
});

test('of what two places have stored the further is right', () => {
  const stored = (events: number) => {
    const account = createAccount(undefined);
    account.add('delivered', volume(events, `${events}`));
    return account.settled();
  };
  const delivered = (...places: (Uint8Array | undefined)[]) => createAccount(places[0], places[1]).report().delivered;
  for (const places of [
    [stored(4), stored(3)],
    [stored(3), stored(4)],
    [undefined, stored(4)],
    [stored(4), undefined],
  ]) {
    assert.deepEqual(delivered(...places), { events: 4, sums: { volume: '4' } });
  }
});

test('totals of another form are not guessed at', () => {
  assert.throws(() => createAccount(Buffer.from('{"delivered":{"events":1}}')), /not readable/);
});
