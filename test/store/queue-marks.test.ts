/** The latest marks beside a queue: what a statement of them costs, and which of them it has no room for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QUEUE } from '../../src/store/keys.ts';
import { createLatestMarks, type LatestMarks } from '../../src/store/queue-marks.ts';
import { STATEMENT_BYTES_MAX } from '../../src/store/witness.ts';

/** What a mark of this name takes in a statement beside its value in base64, with the comma before it. */
const FRAME = ',["AWFh",""]'.length;

test('a statement is made of texts, and each value becomes one once', () => {
  let encoded = 0;
  const marks = createLatestMarks(undefined);
  for (let i = 0; i < 100; i++) {
    const value = Buffer.alloc(1_000, i);
    const encode = value.toString.bind(value);
    value.toString = (...encoding) => {
      encoded += 1;
      return encode(...encoding);
    };
    assert.equal(marks.follow([{ type: 'put', key: keyOf(`mark ${i}`), value }]), true);
    assert.deepEqual(valuesOf(createLatestMarks(marks.statement)), valuesOf(marks));
  }
  assert.equal(encoded, 100);
});

test('with more marks than there is room for, the oldest go, and one that changes is new', () => {
  const marks = createLatestMarks(undefined);
  const value = Buffer.alloc((STATEMENT_BYTES_MAX / 8) * 0.75 - FRAME);
  const names = ['aa', 'bb', 'cc', 'dd', 'ee', 'ff', 'gg', 'hh'];
  for (const name of [...names, 'aa']) put(marks, name, value);
  assert.deepEqual([...valuesOf(marks).keys()].sort(), names);
  assert(marks.statement.length <= STATEMENT_BYTES_MAX);
  put(marks, 'ii', value);
  put(marks, 'jj', Buffer.alloc(1_000));
  assert.deepEqual([...valuesOf(marks).keys()], ['dd', 'ee', 'ff', 'gg', 'hh', 'aa', 'ii', 'jj']);
  assert.deepEqual(createLatestMarks(marks.statement).statement, marks.statement);
});

test('a mark for which there is no room at all costs no other its place, and leaves nothing older of itself', () => {
  const marks = createLatestMarks(undefined);
  const largest = ((STATEMENT_BYTES_MAX - '[]'.length - FRAME + 1) >> 2) * 3;
  put(marks, 'aa', Buffer.from('of a'));
  put(marks, 'bb', Buffer.from('older'));
  put(marks, 'bb', Buffer.alloc(largest + 1));
  assert.deepEqual(valuesOf(marks), new Map([['aa', 'of a']]));
  put(marks, 'bb', Buffer.alloc(largest));
  assert.deepEqual([...valuesOf(marks).keys()], ['bb']);
  assert(marks.statement.length <= STATEMENT_BYTES_MAX);
});

test('what is no mark is not followed', () => {
  const marks = createLatestMarks(undefined);
  const key = Buffer.from([QUEUE.gap, 1]);
  assert.equal(marks.follow([{ type: 'put', key, value: key }]), false);
  assert.equal(marks.follow([{ type: 'del', key: keyOf('aa') }]), false);
  assert.deepEqual(marks.puts, []);
  assert.equal(marks.statement.toString(), '[]');
});

function put(marks: LatestMarks, name: string, value: Buffer): void {
  marks.follow([{ type: 'put', key: keyOf(name), value }]);
}

function keyOf(name: string): Buffer {
  return Buffer.from([QUEUE.mark, ...Buffer.from(name)]);
}

function valuesOf({ puts }: LatestMarks): Map<string, string> {
  return new Map(puts.map(({ key, value }) => [key.subarray(1).toString(), value.toString()]));
}
