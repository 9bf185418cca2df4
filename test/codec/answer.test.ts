import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Acknowledgement,
  encodeAnswer,
  PROBLEM_STATUS,
  type ProblemCode,
  parseAcknowledgement,
  parseProblem,
  problemOf,
} from '../../src/codec/index.ts';

const acknowledgement: Acknowledgement = { stream: '0f'.repeat(16), first: 1, count: 3, inserted: 2, duplicates: 1 };

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

test('an acknowledgement comes back, without what it does not know', () => {
  assert.deepEqual(parseAcknowledgement(encodeAnswer(acknowledgement)), acknowledgement);
  assert.deepEqual(parseAcknowledgement(json({ ...acknowledgement, extra: 1 })), acknowledgement);
});

test('what is not a whole acknowledgement is none', () => {
  for (const changed of [
    { stream: undefined },
    { stream: '0f'.repeat(15) },
    { stream: '0F'.repeat(16) },
    { stream: 5 },
    { first: -1 },
    { count: 1.5 },
    { inserted: '2' },
    { duplicates: null },
    { first: 2 ** 53 },
  ]) {
    assert.equal(parseAcknowledgement(json({ ...acknowledgement, ...changed })), undefined, JSON.stringify(changed));
  }
  for (const text of ['', 'null', '5', '"x"', '[]', '<html>200 OK</html>', '{"stream":']) {
    assert.equal(parseAcknowledgement(Buffer.from(text)), undefined, text);
    assert.equal(parseProblem(Buffer.from(text)), undefined, text);
  }
});

test('every problem comes back with its status and members', () => {
  for (const code of Object.keys(PROBLEM_STATUS) as ProblemCode[]) {
    const problem = problemOf(code, 'why');
    assert.equal(problem.status, PROBLEM_STATUS[code]);
    assert.equal(problem.type, `urn:tidegate:problem:${code}`);
    assert.deepEqual(parseProblem(encodeAnswer(problem)), problem);
  }
  const full = problemOf('sequence-collision', 'why', {
    clock: -5,
    retryAfterMs: 1_000,
    collisions: [
      [1, 2],
      [5, 5],
    ],
    acceptEncoding: ['br', 'gzip'],
    bodyBytesMax: 10,
    eventsMax: 20,
  });
  assert.deepEqual(parseProblem(encodeAnswer(full)), full);
});

test('the status follows from the code, whatever the body says', () => {
  const problem = parseProblem(json({ code: 'body-corrupt', status: 200, title: 5, detail: 7 }));
  assert.equal(problem?.status, 400);
  assert.equal(problem.detail, '');
});

test('members that are not what they should be are left out', () => {
  const given = {
    code: 'overloaded',
    clock: 'now',
    retryAfterMs: -1,
    collisions: [[2, 1]],
    acceptEncoding: ['br', 5],
    bodyBytesMax: 1.5,
    eventsMax: null,
  };
  assert.deepEqual(parseProblem(json(given)), problemOf('overloaded', ''));
  for (const collisions of [{}, [1], [[1]], [[1, 2, 3]], [['1', 2]], [[-1, 2]]]) {
    assert.deepEqual(parseProblem(json({ code: 'overloaded', collisions })), problemOf('overloaded', ''));
  }
});

test('a code that is not known is no problem of ours', () => {
  for (const code of [undefined, 5, 'toString', '__proto__', 'no-such-code']) {
    assert.equal(parseProblem(json({ code })), undefined, String(code));
  }
});
