import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGroupCommit } from '../../src/store/group-commit.ts';

const wrong = new Error('wrong');

/** A group commit whose commits end when the test says so. */
function controlled(limits: { itemsMax?: number; bytesMax?: number } = {}) {
  const started: (readonly string[])[] = [];
  const failures: unknown[] = [];
  let end!: (error?: Error) => void;
  let waiting: (() => void) | undefined;
  const commits = createGroupCommit<string>({
    itemsMax: 100,
    bytesMax: 1_000,
    ...limits,
    commit: (items) => {
      started.push([...items]);
      waiting?.();
      return new Promise((resolve, reject) => {
        end = (error) => (error === undefined ? resolve() : reject(error));
      });
    },
    failed: (error) => failures.push(error),
  });
  /** Resolves when so many commits have been started. */
  async function commitStarted(count: number): Promise<void> {
    while (started.length < count) await new Promise<void>((resolve) => (waiting = resolve));
  }
  const add = (item: string, bytes = 1) => commits.add(item, bytes);
  return { commits, add, started, failures, commitStarted, end: (error?: Error) => end(error) };
}

test('what is added in one turn is one group, and what comes during its commit the next', async () => {
  const { commits, add, started, commitStarted, end } = controlled();
  const first = add('a');
  assert.equal(add('b'), first);
  await commitStarted(1);
  const second = add('c');
  assert.equal(add('d'), second);
  assert.notEqual(second, first);
  assert.deepEqual([commits.isCommitted(first), commits.isCommitted(second)], [false, false]);
  end();
  await commits.committed(first);
  await commitStarted(2);
  assert.deepEqual([commits.isCommitted(first), commits.isCommitted(second)], [true, false]);
  end();
  await commits.committed(second);
  await commits.committed(first);
  await commits.idle();
  assert.deepEqual(started, [
    ['a', 'b'],
    ['c', 'd'],
  ]);
  add('e');
  await commitStarted(3);
  end();
  await commits.idle();
  assert.deepEqual(started[2], ['e']);
});

test('a group ends at its number of items, or before its weight is passed', async () => {
  const { commits, add, started, commitStarted, end } = controlled({ itemsMax: 3, bytesMax: 10 });
  const groups = ['a', 'b', 'c', 'd'].map((item) => add(item));
  groups.push(add('e', 50), add('f', 9), add('g', 1), add('h', 1));
  for (let count = 1; count <= 5; count += 1) {
    await commitStarted(count);
    end();
    await commits.committed(groups[0]! + count - 1);
  }
  assert.deepEqual(started, [['a', 'b', 'c'], ['d'], ['e'], ['f', 'g'], ['h']]);
  assert.deepEqual(
    groups.map((group) => group - groups[0]!),
    [0, 0, 0, 1, 2, 3, 3, 4],
  );
});

test('a failed commit fails every group behind it, and tells of it before anyone hears', async () => {
  const { commits, add, started, failures, commitStarted, end } = controlled({ itemsMax: 1 });
  const told: string[] = [];
  const hear = (name: string) => (error: unknown) => {
    assert.equal(error, wrong);
    assert.deepEqual(failures, [wrong]);
    told.push(name);
  };
  const heard = ['a', 'b', 'c'].map((item) => commits.committed(add(item)).then(() => assert.fail(), hear(item)));
  await commitStarted(1);
  end(wrong);
  await Promise.all(heard);
  assert.deepEqual(told, ['a', 'b', 'c']);
  await commits.idle();
  assert.deepEqual(started, [['a']]);
  // It goes on with what comes next.
  const next = add('d');
  await commitStarted(2);
  end();
  await commits.committed(next);
  assert.deepEqual(started[1], ['d']);
  assert.equal(failures.length, 1);
});

test('idle without work is at once', async () => {
  await controlled().commits.idle();
});
