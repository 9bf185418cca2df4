import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as tidegate from '../src/index.ts';

test('the package has one way in for each side of the link', () => {
  assert.deepEqual(Object.keys(tidegate).sort(), ['createGateway', 'openDevice']);
});
