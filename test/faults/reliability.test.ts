/** What `npm run faults -- --publish` writes, into a copy of the page. */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { MUTANTS } from '../../faults/mutants.ts';
import { publishCampaigns, publishMutants } from '../../faults/reliability.ts';

async function copyOfPage(t: TestContext): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-page-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const page = join(folder, 'RELIABILITY.md');
  await copyFile(new URL('../../RELIABILITY.md', import.meta.url), page);
  return pathToFileURL(page);
}

const base = { title: 'SIGKILL of everybody', unit: 'kills', seed: 7, size: 10, seconds: 61.4 };

test('the part of a campaign is replaced, and no other word', async (t) => {
  const page = await copyOfPage(t);
  const row = { fault: 'SIGKILL', injected: 1_234, events: 56_789, lost: 0, doubled: 0, recoveriesMs: [30, 10, 20] };
  const report = { ...base, name: 'kill', result: { rows: [row], findings: [], done: 10 } } as const;
  const before = await readFile(page, 'utf8');
  await publishCampaigns([report], page);
  const once = await readFile(page, 'utf8');
  assert.match(
    once,
    /\| SIGKILL \| 1,234 \| 56,789 \| 0 \| 0 \| 20 ms, 30 ms \|\n\n10 of 10 kills, nothing found; seed 7, 61 s, /,
  );
  const cut = (text: string) => text.replace(/<!-- kill -->[\s\S]*<!-- end kill -->/, '');
  assert.equal(cut(once), cut(before));
  await publishCampaigns([report], page);
  assert.equal(await readFile(page, 'utf8'), once, 'twice is once');
});

test('what did not run, and what was not caught, is said', async (t) => {
  const page = await copyOfPage(t);
  await publishCampaigns([{ ...base, name: 'power', skipped: 'no loop devices' }], page);
  await publishMutants(
    [{ mutant: MUTANTS[0]! }, { mutant: MUTANTS[1]!, caught: { campaign: 'kill', what: '3 | lost' } }],
    page,
  );
  const text = await readFile(page, 'utf8');
  assert.match(text, /<!-- power -->\n### SIGKILL of everybody\n\nDid not run: no loop devices\.\n<!-- end power -->/);
  assert.match(text, /\| acknowledge before the commit \| `src\/store\/intake.ts` \| \*\*not caught\*\* \| {2}\|/);
  assert.match(text, /\| release before the acknowledgement \| .* \| kill \| 3 {3}lost \|/);
});
