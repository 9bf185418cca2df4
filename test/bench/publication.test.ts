/** What `npm run bench -- --publish` writes, into a copy of the page. */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { parseHTML } from 'linkedom';
import type { FigureReport } from '../../bench/figure-process.ts';
import { GOALS } from '../../bench/goals.ts';
import type { Unit } from '../../bench/harness.ts';
import type { Machine } from '../../bench/machine.ts';
import { drawPlots } from '../../bench/plots.ts';
import { type Places, publish } from '../../bench/publication.ts';

const PAGE = new URL('../../BENCHMARKS.md', import.meta.url);

const MACHINE: Machine = {
  measuredAt: '2026-02-03T04:05:06Z',
  processor: 'Abacus',
  cores: 2,
  memoryGiB: 8,
  load: 0.1,
  system: 'linux',
  fileSystem: 'ext2/3/4',
  durable: true,
  versions: { Node: '20.0.0' },
  commit: 'abc1234',
};

const reading = (name: string, value: number, unit: Unit, values = [value]) => ({ name, value, unit, values });

function reportOf(figure: string, parts: Partial<FigureReport>): FigureReport {
  return { figure, title: `about ${figure}`, readings: [], series: [], skips: [], comparisons: [], ...parts };
}

const REPORTS: readonly FigureReport[] = [
  reportOf('ingest', { readings: [reading('batches of 4,096', 4e6, 'events/s', [3e6, 4e6, 5e6])] }),
  reportOf('peers', {
    readings: [reading('Tidegate', 1e6, 'events/s'), reading('A <peer>', 1e4, 'events/s')],
    comparisons: [{ title: 'Side by side', head: ['', 'a|b'], rows: [['<x>', '1']], note: 'a note' }],
  }),
  reportOf('wire', {
    readings: [
      reading('synthetic: Tidegate', 1.2, 'B/event'),
      reading('synthetic: JSON rows with a UUID, gzip', 29, 'B/event'),
    ],
  }),
  reportOf('jitter', {
    series: ['while a backlog drains', 'without a backlog'].map((name) => ({
      name: `lateness ${name}`,
      points: [1, 2, 4, 8].map((ms) => [ms, 0.25] as const),
    })),
  }),
  reportOf('growth', {
    series: [{ name: 'ingest by events stored', points: [1, 2, 3].map((at) => [at * 1e6, 1e6] as const) }],
    skips: [{ name: 'memory', reason: 'this system does not tell' }],
  }),
];

async function places(t: TestContext): Promise<Places> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-page-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const page = join(folder, 'BENCHMARKS.md');
  await copyFile(PAGE, page);
  return { page: pathToFileURL(page), plots: pathToFileURL(join(folder, 'plots/')) };
}

test('the parts of what was measured are replaced, and no other word', async (t) => {
  const { page, plots } = await places(t);
  const without = (text: string) =>
    REPORTS.reduce(
      (rest, { figure }) => rest.replace(new RegExp(`<!-- ${figure} -->[^]*<!-- end ${figure} -->`), ''),
      text,
    );
  const before = await readFile(page, 'utf8');
  await publish(MACHINE, REPORTS, { page, plots });
  const once = await readFile(page, 'utf8');
  assert.equal(without(once), without(before));
  assert(once.includes('| batches of 4,096 | ≥ 5 M | 4 M | 3 M – 5 M | events/s | 0.8 missed |'), once);
  assert(once.includes('Not measured: memory, this system does not tell.'));
  assert(once.includes('|  | a\\|b |\n| --- | ---: |\n| &lt;x> | 1 |\n\na note.'));
  assert(once.includes('2026-02-03, commit abc1234, Abacus, 2 cores, ext2/3/4, Node 20.0.0'));
  await publish(MACHINE, REPORTS, { page, plots });
  assert.equal(await readFile(page, 'utf8'), once, 'twice is once');
});

test('the table of goals is written where every goal was measured, and says which reading is missing', async (t) => {
  const { page, plots } = await places(t);
  const all = Object.keys(GOALS).map(
    (figure) => REPORTS.find((known) => known.figure === figure) ?? reportOf(figure, {}),
  );
  await publish(MACHINE, all, { page, plots });
  const [goals] = /<!-- goals -->[\s\S]*<!-- end goals -->/.exec(await readFile(page, 'utf8'))!;
  assert(goals.includes('| ingest: batches of 4,096 | ≥ 5 M | 4 M | 3 M – 5 M | events/s | 0.8 missed |'), goals);
  assert(goals.includes('| restart: process started → first batch on the wire | ≤ 300 | not measured | – | ms | – |'));
  assert(goals.includes('measured   2026-02-03T04:05:06Z, commit abc1234'));
});

test('the page has marks for every figure', async () => {
  const page = await readFile(PAGE, 'utf8');
  for (const file of await readdir(new URL('../../bench/figures/', import.meta.url))) {
    assert(page.includes(`<!-- ${file.replace('.ts', '')} -->\n`), file);
  }
});

test('plots are SVG that needs nothing else, the same for the same report, and the page shows them', async (t) => {
  const { page, plots } = await places(t);
  await publish(MACHINE, REPORTS, { page, plots });
  const text = await readFile(page, 'utf8');
  const names = (await readdir(plots)).sort();
  assert.deepEqual(names, ['bytes.svg', 'growth.svg', 'jitter.svg', 'throughput.svg']);
  for (const name of names) {
    const svg = await readFile(new URL(name, plots), 'utf8');
    const root = parseHTML(svg).document.querySelector('svg')!;
    assert.equal(root.getAttribute('xmlns'), 'http://www.w3.org/2000/svg');
    assert(root.querySelectorAll('rect, path').length > 3, `${name} is drawn`);
    assert(!/NaN|undefined|<script|href=/.test(svg), name);
    assert(text.includes(`(bench/plots/${name})`), `the page shows ${name}`);
  }
  assert.deepEqual(drawPlots(REPORTS), drawPlots(REPORTS));
});
