/** Connections beside the files that a gateway needs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionsThatFit, connectionsWithin } from '../../src/gateway/open-files.ts';

test('files are kept for the gateway itself; where there are few, half of them', () => {
  const limits = (files: string) =>
    `Max processes   1 2 processes\nMax open files            ${files}              524288    files\n`;
  assert.equal(connectionsWithin(limits('1024')), 512);
  assert.equal(connectionsWithin(limits('65536')), 65_024);
  assert.equal(connectionsWithin(limits('100')), 50);
  assert.equal(connectionsWithin(limits('unlimited')), Number.POSITIVE_INFINITY);
  assert.equal(connectionsWithin(''), Number.POSITIVE_INFINITY);
});

test('what this system says is understood', async () => {
  const most = await connectionsThatFit();
  assert.ok(process.platform !== 'linux' || most > 0);
});
