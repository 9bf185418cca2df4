/** The deliberate bugs: each patch fits the source as it is, once, and is reported where it does not. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { mutate } from '../../faults/mutant.ts';
import { MUTANTS } from '../../faults/mutants.ts';

const root = new URL('../../', import.meta.url);

test('there are at least twelve, each of another name', () => {
  assert(MUTANTS.length >= 12);
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
});

for (const mutant of MUTANTS) {
  test(`the patch of "${mutant.name}" fits`, () => {
    const source = readFileSync(new URL(mutant.file, root), 'utf8');
    assert.notEqual(mutate(mutant, mutant.file, source), source);
    assert(mutant.caughtBy.length > 0);
  });
}

test('a patch that fits nowhere, or twice, is an error', () => {
  const [mutant] = MUTANTS;
  assert(mutant !== undefined);
  assert.throws(() => mutate(mutant, mutant.file, ''), /fits .* 0 times/);
  assert.throws(() => mutate(mutant, mutant.file, mutant.find + mutant.find), /fits .* 2 times/);
  assert.equal(mutate(mutant, 'another/file.ts', mutant.find), mutant.find);
});
