import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { Scene } from '../../demo/demo.ts';
import { type DemoOptions, readOptions } from '../../demo/options.ts';
import { isSuccess, liveText, paintFor, progressLine, reconciliationText } from '../../demo/screen.ts';
import { createView, type Terminal } from '../../demo/view.ts';
import { scene } from './scene.ts';

const plain = paintFor(false);

test('the live table has every figure of every device', () => {
  assert.equal(
    liveText(scene(), plain, 80),
    `tidegate  the gateway’s page: http://127.0.0.1:4000/

device recorded queued delivered dupli- retries device gateway      link   
                                  cates         volume  volume             
pump-1    1,000      0     1,000     40       3   12.5    12.5    ✓ online 
pump-2    1,000    200       800     40       3    0.3     0.1 +0.2 offline
all       2,000    200     1,800     80       6   12.8    12.6 +0.2        

faults injected: 12: lost answers 7, delays 3, resets 2

Ctrl-C heals the link, drains and reconciles`,
  );
});

test('a wide terminal also shows why a link is down', () => {
  assert.match(liveText(scene(), plain, 140), /offline: ECONNRESET$/m);
  assert.doesNotMatch(liveText(scene(), plain, 119), /ECONNRESET/);
});

test('kills, a gateway that is down and the drain are told', () => {
  const text = liveText(scene({ kills: ['gateway', 'pump-2'], gatewayAnswers: false, phase: 'draining' }), plain, 80);
  assert.match(text, /4000\/ {2}down$/m);
  assert.match(text, /^kill -9: 2, the last to pump-2$/m);
  assert.match(text, /the link is healed; draining …$/);
});

test('no line of text is wider than the terminal', () => {
  const faults = {
    'answer-503-retry-after': 11,
    'corrupt-request': 10,
    'outage-silence': 9,
    'portal-302': 8,
    'twice-at-once': 7,
    'truncate-answer': 6,
    'reset-during': 5,
    delay: 4,
  };
  const crowded = scene({ link: { requests: 1, faultsInjected: 60, faults, broken: 0 } });
  for (const text of [liveText(crowded, plain, 80), reconciliationText(crowded, plain, 80)]) {
    for (const line of text.split('\n')) assert(line.length <= 80, line);
    assert.match(text, /delay/);
  }
  assert.match(reconciliationText(crowded, plain, 80), /answer-503-retry-after 11, corrupt-request 10/);
  assert.match(
    liveText(crowded, plain, 80),
    /errors 11, corrupted 10, outages 9, captive portals 8,\n {2}sent twice 7,/,
  );
});

test('whatever the size of the terminal, the picture fits, with the figures in it', () => {
  const [one] = scene().devices;
  const long = { deviceVolume: '123456789012345678.123456', gatewayVolume: '-123456789012345678.654321' };
  const rows = Array.from({ length: 20 }, (_, i) => ({ ...scene().balance.rows[0]!, id: `pump-${i + 1}`, ...long }));
  const many = scene({ devices: rows.map(() => one!), balance: { ...scene().balance, rows } });
  for (const crowd of [scene(), many, scene({ kills: ['gateway'], gatewayAnswers: false })]) {
    for (const [columns, height] of [
      [80, 24],
      [120, 40],
      [40, 10],
      [60, 16],
      [20, 5],
      [200, 60],
    ] as const) {
      const lines = stripVTControlCharacters(liveText(crowd, paintFor(true), columns, height)).split('\n');
      for (const line of lines) assert(line.length <= columns, `${columns} by ${height}: ${line}`);
      assert(lines.length < height, `${lines.length} lines on ${height}`);
      assert(lines.some((line) => line.startsWith('pump-1 ')));
    }
  }
  assert.match(liveText(many, plain, 40, 40), /recorded +delivered/);
});

test('a run that recorded nothing, or refused rows, is no success, and says what may help', () => {
  const { total } = scene().balance;
  const of = (change: Partial<Scene>, recorded = 2_000) => {
    const balance = { ...scene().balance, total: { ...total, recorded, match: true } };
    return scene({ isComplete: true, balance, ...change });
  };
  assert.equal(isSuccess(of({})), true);
  const refused = of({ refused: 5, refusal: 'no time \u009b31m (event-time)' }, 0);
  for (const failed of [of({}, 0), refused, of({ refused: 1 }), of({ leftBytes: 1 }), of({ isComplete: false })])
    assert.equal(isSuccess(failed), false);
  const text = reconciliationText(refused, plain, 80);
  assert.match(
    text,
    /5 rows were refused\. Nothing was recorded\.\nThe first: no time \\u009b31m \(event-time\)\n.*--map/,
  );
  assert.doesNotMatch(text, /exactly once/);
  assert.match(reconciliationText(of({ refused: 1 }), plain, 80), /1 row was refused\. 2,000 events were recorded/);
  assert.match(reconciliationText(of({}, 0), plain, 80), /Nothing was recorded/);
  assert.match(reconciliationText(of({ leftBytes: 9 }), plain, 80), /9 bytes behind the last line end.*--last-line/);
});

test('a terminal that changes its size is cleared and drawn anew', () => {
  const { streams, out } = terminal(true);
  const view = createView(options(), streams);
  view.show(scene());
  out();
  Object.assign(streams.stdout, { columns: 40, rows: 12 });
  streams.stdout.emit('resize');
  const text = out();
  assert(text.includes('\x1b[2J\x1b[H'));
  const drawn = stripVTControlCharacters(text).split('\n');
  for (const line of drawn) assert(line.length <= 40, line);
  view.close();
  assert.equal(streams.stdout.listenerCount('resize'), 0);
});

test('the reconciliation says whether both sides agree', () => {
  const balanced = scene();
  const { total } = balanced.balance;
  const agreeing = { ...balanced.balance, total: { ...total, match: true } };
  const last = (change: Partial<Scene>) => reconciliationText(scene(change), plain, 80).split('\n').at(-1);
  assert.match(last({ balance: agreeing, isComplete: true })!, /exactly once/);
  assert.match(last({ balance: agreeing, isComplete: false })!, /time was up/);
  assert.match(last({ isComplete: true })!, /do not agree/);
  assert.match(last({ isComplete: false })!, /time was up/);
  assert.match(last({ isComplete: false, gatewayAnswers: false })!, /does not answer/);
});

test('a link without faults says so', () => {
  const calm = scene({ link: { requests: 90, faultsInjected: 0, faults: {}, broken: 0 } });
  assert.match(liveText(calm, plain, 80), /^faults injected: none$/m);
});

test('colours are there only where they are wanted, and change no text', () => {
  const coloured = liveText(scene(), paintFor(true), 80);
  assert.notEqual(coloured, liveText(scene(), plain, 80));
  assert.equal(stripVTControlCharacters(coloured), liveText(scene(), plain, 80));
});

function terminal(isTTY: boolean) {
  const stdout = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY, columns: 80, rows: 30 });
  const stderr = new PassThrough({ encoding: 'utf8' });
  const streams = { stdout, stderr } as unknown as Terminal;
  return { streams, out: () => String(stdout.read() ?? ''), err: () => String(stderr.read() ?? '') };
}

const options = (...argv: string[]): DemoOptions => readOptions(argv);

test('without a terminal progress goes to standard error, one line a second, and the result to standard output', () => {
  const { streams, out, err } = terminal(false);
  const view = createView(options(), streams);
  for (const elapsedMs of [0, 300, 900, 1_000, 1_900, 2_100]) view.show(scene({ elapsedMs }));
  view.show(scene({ elapsedMs: 2_200, phase: 'done', kills: ['gateway'] }));
  assert.equal(out(), '');
  const lines = err().trimEnd().split('\n');
  assert.deepEqual(lines, [
    '   0.0 s recording: 2,000 recorded, 200 queued, 1,800 delivered, 80 duplicates refused, 12 faults',
    '   1.0 s recording: 2,000 recorded, 200 queued, 1,800 delivered, 80 duplicates refused, 12 faults',
    '   2.1 s recording: 2,000 recorded, 200 queued, 1,800 delivered, 80 duplicates refused, 12 faults',
    '   2.2 s done: 2,000 recorded, 200 queued, 1,800 delivered, 80 duplicates refused, 12 faults, 1 kills',
  ]);
  assert.equal(lines[0], progressLine(scene({ elapsedMs: 0 })));
  view.end(scene());
  view.close();
  assert.match(out(), /^device +recorded[\s\S]*time was up[^\n]*\n$/);
  assert.equal(err(), 'pump-1 is online, 0 queued\npump-2 is offline (ECONNRESET), 200 queued\n');
});

test('with --json the result is one line that scripts can rely on', () => {
  const { streams, out } = terminal(true);
  createView(options('--json', '--seed', '9'), streams).end(scene({ kills: ['gateway'] }));
  const text = out();
  assert.match(text, /^[^\n]+\n$/);
  const { devices, ...result } = JSON.parse(text);
  assert.deepEqual(result, {
    recorded: 2_000,
    queued: 200,
    delivered: 1_800,
    duplicatesRefused: 80,
    retries: 6,
    deviceVolume: '12.8',
    gatewayVolume: '12.6',
    match: false,
    refused: 0,
    refusal: null,
    leftBytes: 0,
    faultsInjected: 12,
    faults: { 'drop-answer': 7, delay: 3, 'reset-answer': 2 },
    kills: 1,
    isComplete: false,
    seconds: 12.346,
    eventsPerSecond: 146,
    seed: 9,
  });
  assert.deepEqual(devices, scene().balance.rows);
});

test('on a terminal one picture follows the other in place, however many lines it has', () => {
  const { streams, out } = terminal(true);
  const view = createView(options(), streams);
  view.show(scene());
  const first = out();
  assert(stripVTControlCharacters(first).includes(liveText(scene(), plain, 80)));
  view.show(scene());
  assert.equal(out(), '', 'the same picture is drawn once');
  view.show(scene({ kills: ['pump-1'] }));
  // A picture of another height is drawn whole.
  assert(stripVTControlCharacters(out()).includes(liveText(scene({ kills: ['pump-1'] }), plain, 80)));
  view.end(scene({ isComplete: true }));
  view.close();
  assert(stripVTControlCharacters(out()).includes('do not agree'));
});

test('a bounded run has no end of its own but the one it is given', () => {
  const { events, rate, once, json, devices, seed, faults, kills, timeoutMs, dir, data } = options();
  assert.deepEqual(
    { events, rate, once, json, devices, seed, faults, kills, timeoutMs, dir, data },
    {
      events: undefined,
      rate: 100,
      once: false,
      json: false,
      devices: 3,
      seed: 1,
      faults: true,
      kills: false,
      timeoutMs: 180_000,
      dir: undefined,
      data: undefined,
    },
  );
  const once200 = options('--once');
  assert.deepEqual([once200.events, once200.rate, once200.json], [200_000, 0, false]);
  const json9 = options('--json', '--events', '9', '--rate', '5', '--no-faults', '--kills', '--timeout', '2m');
  assert.deepEqual(
    [json9.once, json9.events, json9.rate, json9.faults, json9.kills, json9.timeoutMs],
    [true, 9, 5, false, true, 120_000],
  );
});
