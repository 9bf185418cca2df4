/** Failpoints: which there are, that a build finds each, and that the trap kills at exactly the visit it is set to. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { armFailpoints, failpointsIn, trapAt } from '../../faults/failpoints.ts';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));

const sources = readdirSync(SRC, { recursive: true })
  .map((path) => String(path))
  .filter((path) => path.endsWith('.ts'))
  .map((path) => [path, readFileSync(join(SRC, path), 'utf8')] as const);

test('every failpoint of src has a name of its own and is found by a build', (t) => {
  const names = sources.flatMap(([, source]) => failpointsIn(source));
  t.diagnostic(names.join(', '));
  assert.equal(new Set(names).size, names.length, 'a name stands for one place');
  for (const [path, source] of sources) {
    // However it is written: a mark that no build would find would be a trap that never springs.
    const marks = source.match(/failpoint/gi)?.length ?? 0;
    assert.equal(failpointsIn(source).length, marks, `${path}: a mark stands on a line of its own`);
    const armed = armFailpoints(source);
    assert.equal(armed.split('\n').length, source.split('\n').length, path);
    assert.equal(armed.match(/globalThis\.reachFailpoint\?\.\('[a-z-]+'\);\n/g)?.length ?? 0, marks, path);
  }
});

test('an armed failpoint is a step like any other where no trap is set', () => {
  const source = 'let at = 1;\n  // failpoint: in-between\nat += 1;\nreturn at;\n';
  assert.deepEqual(failpointsIn(source), ['in-between']);
  assert.equal(new Function(armFailpoints(source))(), 2);
  assert.deepEqual(failpointsIn('x(); // failpoint: behind-something\n// failpoint: Wrong\n// failpoint:none\n'), []);
});

for (const [name, count, steps] of [
  ['two', 1, '1'],
  ['two', 3, '121312131'],
  ['three', 2, '1213121'],
] as const) {
  test(`the trap at "${name}" kills at visit ${count} and no sooner`, async (t) => {
    const lap = ['one', 'two', 'one', 'three'].map((step, i) => {
      const digit = { one: 1, two: 2, three: 3 }[step];
      return `globalThis.reachFailpoint?.('${step}');require('fs').writeSync(1,'${digit}');/*${i}*/`;
    });
    const { nodeFlags, env } = trapAt(name, count);
    const child = spawn(process.execPath, [...nodeFlags, '-e', `for(;;){${lap.join('')}}`], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    const [output, end] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    assert.deepEqual([output, end], [steps, [null, 'SIGKILL']]);
  });
}
