/** What `POST /v1/batches` answers to what is right, and to everything a client can do wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { post, read, STREAM_HEX, testGateway } from './gateway-fixture.ts';

test('a signed batch is counted and acknowledged', async (t) => {
  const gateway = await testGateway(t);
  const answer = await post(gateway);
  assert.equal(answer.status, 200, answer.body.toString());
  assert(answer.signed);
  assert.deepEqual(answer.acknowledgement, { stream: STREAM_HEX, first: 1, count: 10, inserted: 10, duplicates: 0 });
  console.log(JSON.stringify(await read(gateway, '/v1/totals')));
  console.log(JSON.stringify(await read(gateway, '/v1/devices')));
  console.log(JSON.stringify(await read(gateway, '/v1/devices/pump-7')));
  console.log(JSON.stringify(await read(gateway, '/v1/devices/pump-7/buckets')));
});
