import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Acknowledgement,
  ANSWER_BYTES_MAX,
  encodeAnswer,
  INTEGER_MAX,
  PROBLEM_STATUS,
  type ProblemCode,
  parseAcknowledgement,
  parseProblem,
  problemOf,
  SEQUENCE_MAX,
} from '../../src/codec/index.ts';
import { changed, holds } from './property.ts';

const acknowledgement: Acknowledgement = { stream: '0f'.repeat(16), first: 1, count: 3, inserted: 2, duplicates: 1 };

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

test('an acknowledgement comes back, without what it does not know', () => {
  assert.deepEqual(parseAcknowledgement(encodeAnswer(acknowledgement)), acknowledgement);
  assert.deepEqual(parseAcknowledgement(json({ ...acknowledgement, extra: 1 })), acknowledgement);
});

test('the longest answer stays far below what a device reads', () => {
  const collisions = Array.from({ length: 64 }, () => [SEQUENCE_MAX, SEQUENCE_MAX] as const);
  const answer = problemOf('sequence-collision', 'x'.repeat(1_000), { collisions, retryAfterMs: SEQUENCE_MAX });
  assert(16 * encodeAnswer(answer).length < ANSWER_BYTES_MAX);
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

test('every acknowledgement and every problem comes back', (t) => {
  const natural = fc.maxSafeNat();
  const anyAcknowledgement = fc.record(
    {
      stream: fc.stringMatching(/^[0-9a-f]{32}$/),
      first: natural,
      count: natural,
      inserted: natural,
      duplicates: natural,
    },
    { noNullPrototype: true },
  );
  const anyMembers = fc.record(
    {
      clock: fc.integer({ min: -INTEGER_MAX, max: INTEGER_MAX }),
      retryAfterMs: natural,
      bodyBytesMax: natural,
      eventsMax: natural,
      acceptEncoding: fc.array(fc.string()),
      collisions: fc.array(fc.tuple(natural, natural).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)),
    },
    { requiredKeys: [], noNullPrototype: true },
  );
  const anyCode = fc.constantFrom(...(Object.keys(PROBLEM_STATUS) as ProblemCode[]));
  holds(t, 500, fc.tuple(anyAcknowledgement, anyCode, fc.string(), anyMembers), ([said, code, detail, members]) => {
    assert.deepEqual(parseAcknowledgement(encodeAnswer(said)), said);
    const problem = problemOf(code, detail, members);
    assert.deepEqual(parseProblem(encodeAnswer(problem)), problem);
    assert.equal(parseProblem(encodeAnswer(said)), undefined);
    assert.equal(parseAcknowledgement(encodeAnswer(problem)), undefined);
  });
});

test('JSON of any shape, and bytes of none, are an answer that is whole, or none', (t) => {
  const anyBody = fc.oneof(
    fc.json().map((text) => Buffer.from(text)),
    fc.uint8Array(),
    fc
      .tuple(
        fc.constantFrom(...Object.keys(PROBLEM_STATUS)),
        fc.dictionary(fc.constantFrom('clock', 'retryAfterMs', 'collisions', 'detail', 'status'), fc.jsonValue()),
      )
      .map(([code, members]) => json({ code, ...members })),
    changed(encodeAnswer(acknowledgement)),
  );
  holds(t, 3_000, anyBody, (body) => {
    const said = parseAcknowledgement(body);
    if (said !== undefined)
      assert([said.first, said.count, said.inserted, said.duplicates].every((n) => Number.isSafeInteger(n) && n >= 0));
    const problem = parseProblem(body);
    if (problem === undefined) return;
    assert.equal(problem.status, PROBLEM_STATUS[problem.code]);
    assert(problem.clock === undefined || Math.abs(problem.clock) <= INTEGER_MAX);
    for (const [first, last] of problem.collisions ?? []) assert(first <= last);
  });
});
