/** What counts as late, and which addresses count as one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HTTP, UPLOAD_GRACE_MS } from '../../src/gateway/limits.ts';
import { isLate, networkOf } from '../../src/gateway/upload.ts';
import { createUsedHeads } from '../../src/gateway/used-heads.ts';

test('what has just begun is not late, and what will not be whole in time is', () => {
  const bytes = 4_000_000;
  for (const elapsedMs of [0, 150, UPLOAD_GRACE_MS]) assert(!isLate({ bytes, received: 0, elapsedMs }));
  assert(isLate({ bytes, received: 0, elapsedMs: UPLOAD_GRACE_MS + 1 }));
  const half = (HTTP.requestTimeoutMs + UPLOAD_GRACE_MS) / 2;
  assert(!isLate({ bytes, received: bytes / 2, elapsedMs: half }));
  assert(isLate({ bytes, received: bytes / 2 - 1, elapsedMs: half }));
  assert(!isLate({ bytes, received: bytes, elapsedMs: HTTP.requestTimeoutMs }));
});

test('the addresses of one IPv6 network count as one, and those of IPv4 each by itself', () => {
  for (const [address, network] of [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::1', '0:0:0:0'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:DB8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['2001:db8:1:2:3::', '2001:db8:1:2'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['', ''],
  ] as const) {
    assert.equal(networkOf(address), network, address);
  }
});

test('a head that had room is known again', () => {
  const used = createUsedHeads();
  const heads = Array.from({ length: 1_000 }, (_, i) => `${i.toString(16).padStart(8, '0')}${'5a'.repeat(28)}`);
  assert(!heads.some((head) => used.has(head)));
  used.add(heads[7]!);
  assert.deepEqual(
    heads.filter((head) => used.has(head)),
    [heads[7]],
  );
});
