/** The page in a real browser, where there is one. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { Script } from 'node:vm';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { TelemetryEvent } from '../../src/codec/index.ts';
import { DASHBOARD_SCRIPT } from '../../src/gateway/dashboard-script.ts';
import { exactSum } from './exact-sum.ts';
import { DEVICE, EPOCH_MS, eventsFrom, KEY_ID, post, type TestGateway, testGateway } from './gateway-fixture.ts';

const BROWSER = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'];
const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];
const skip = BROWSER === undefined ? 'NO BROWSER HERE: the page is not tested; apt-get install chromium' : false;
const TOKEN = 'sesame-open-the-gate';

let launched: Promise<Browser> | undefined;
test.after(async () => (await launched)?.close());

/** A page of its own, and what goes wrong in it. */
async function openPage(t: TestContext, url: string): Promise<{ page: Page; faults: string[] }> {
  launched ??= chromium.launch({ executablePath: BROWSER!, args: [...FLAGS, ...QUIET] });
  const context = await (await launched).newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/401|ERR_CONNECTION_REFUSED/.test(message.text())) faults.push(message.text());
  });
  await page.goto(url);
  return { page, faults };
}

/** An hour of a device, one event a minute. */
async function deliver(gateway: TestGateway, deviceId: string, fields: (minute: number) => TelemetryEvent['fields']) {
  gateway.keys.set(deviceId, KEY_ID, {});
  const events = Array.from({ length: 60 }, (_, i) => ({ ts: EPOCH_MS + i * 60_000, sensor: 's', fields: fields(i) }));
  const { status } = await post(gateway, { deviceId, batch: { events } });
  assert.equal(status, 200);
}

test('its script is one, and cannot end its own element', () => {
  new Script(DASHBOARD_SCRIPT);
  assert.doesNotMatch(DASHBOARD_SCRIPT, /<\/script|<!--/i);
});

test('it asks for the token, says that a wrong one is wrong, then shows totals, devices and a chart', {
  skip,
}, async (t) => {
  const gateway = await testGateway(t, { adminToken: TOKEN });
  await post(gateway, { batch: { count: 500 } });
  await post(gateway, { batch: { count: 500 } });
  const { page, faults } = await openPage(t, gateway.url);
  for (const wrong of ['sesame', 'пароль', `${TOKEN}x`]) {
    await page.fill('#token', wrong);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#ask[open] .wrong:not(:empty)');
    await page.evaluate("document.getElementById('ask-why').textContent = ''");
  }
  await page.fill('#token', TOKEN);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#chart rect');
  assert.equal(await page.locator('#ask[open]').count(), 0);
  const sum = exactSum(eventsFrom(1, 500), 'volume');
  assert.equal(await page.getAttribute('#volume', 'title'), sum);
  assert.equal((await page.textContent('#events'))?.replace(/\D/g, ''), '500');
  assert.equal((await page.textContent('#duplicates'))?.replace(/\D/g, ''), '500');
  assert.equal(await page.textContent('tbody button'), DEVICE);
  assert.equal(await page.locator('#chart rect').count(), Math.ceil(501 / 60));
  assert.deepEqual(faults, []);
});

test('it asks for the measure that it shows, and for a chart that an older answer will do', { skip }, async (t) => {
  const gateway = await testGateway(t);
  const asked: { url: string; age: string | undefined }[] = [];
  gateway.app.server.on('request', ({ url, headers }) => asked.push({ url: url!, age: headers['cache-control'] }));
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`!${i}`, 1]));
  await deliver(gateway, 'many', () => many);
  const { page, faults } = await openPage(t, gateway.url);
  await page.waitForSelector('#chart rect');
  assert.equal(await page.textContent('#headline'), '!0', 'no device has the headline');
  await deliver(gateway, 'flow', () => ({ volume: 1 }));
  await page.waitForSelector('#headline:text-is("volume")');
  await page.waitForSelector('tbody td:text-is("60")');
  assert.deepEqual(faults, []);
  const lists = asked.filter(({ url }) => url.startsWith('/v1/devices?'));
  assert(lists.length > 0 && lists.every(({ url }) => /&measure=(volume|!0)$/.test(decodeURIComponent(url))));
  const reads = asked.filter(({ url }) => /^\/v1\/(totals|devices)/.test(url));
  assert(reads.every(({ age }) => /^max-age=\d+$/.test(age ?? '')));
});

test('numbers of any size and sign are shown from their digits, and none breaks the page for others', {
  skip,
}, async (t) => {
  const gateway = await testGateway(t);
  await deliver(gateway, 'huge', (i) => ({ volume: 1e21 * (i + 1) }));
  await deliver(gateway, 'largest', () => ({ volume: Number.MAX_VALUE }));
  await deliver(gateway, 'least', () => ({ volume: 5e-324 }));
  await deliver(gateway, 'mixed', (i) => ({ volume: i % 2 === 0 ? 2 : -3 }));
  await deliver(gateway, 'zero', () => ({ volume: 0 }));
  const { page, faults } = await openPage(t, gateway.url);
  const shown: Record<string, string> = {};
  for (const id of ['huge', 'largest', 'least', 'mixed', 'zero']) {
    await page.click(`tbody button:text-is("${id}")`);
    await page.waitForSelector(`#charted:text-is("${id}")`);
    const bars = await page.evaluate(
      "[...document.querySelectorAll('#chart rect')].map((bar) => " +
        "['y', 'height'].map((name) => Number(bar.getAttribute(name))))",
    );
    assert.equal((bars as number[][]).length, 60, id);
    for (const [y, height] of bars as [number, number][])
      assert(y >= 0 && height > 0 && y + height <= 101, `${id} ${y} ${height}`);
    shown[id] = (await page.textContent('#peak'))!;
  }
  assert.deepEqual(shown, {
    huge: 'highest 6 × 10²²',
    largest: 'highest 1.7976… × 10³⁰⁸',
    least: 'highest 5 × 10⁻³²⁴',
    mixed: 'highest 2',
    zero: 'highest 0',
  });
  assert.equal(await page.textContent('#link-text'), 'live');
  assert.deepEqual(faults, []);
});

test('a device without the fleet’s headline shows what it has, and any of its measures', { skip }, async (t) => {
  const gateway = await testGateway(t);
  await deliver(gateway, 'flow', () => ({ volume: 1 }));
  await deliver(gateway, 'other', (i) => ({ constructor: 1, level: i, '\u202egnp.exe\u009b31m\u200b': 7 }));
  const { page, faults } = await openPage(t, gateway.url);
  await page.click('tbody button:text-is("other")');
  await page.waitForSelector('#charted:text-is("other")');
  const names: string[] = await page.locator('#measure option').allTextContents();
  assert.deepEqual(names.toSorted(), ['\\u202egnp.exe\\u009b31m\\u200b', 'constructor', 'level']);
  for (const name of names) {
    await page.selectOption('#measure', { label: name });
    await page
      .locator('#charting')
      .filter({ hasText: `${name} per minute` })
      .waitFor();
    assert.equal(await page.locator('#chart rect').count(), 60, name);
  }
  const content = (await page.content()).replaceAll('\n', '');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may be there
  assert.equal(content.search(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u200b]/), -1);
  assert.deepEqual(faults, []);
});

test('hundreds of devices turn over by the hundred, a gateway that is gone is told, and no device is said to be none', {
  skip,
}, async (t) => {
  const gateway = await testGateway(t);
  const { page, faults } = await openPage(t, gateway.url);
  await page.waitForSelector('#nobody:not([hidden])');
  assert.equal(await page.isHidden('#pager'), true);
  for (let i = 0; i < 130; i++) {
    const deviceId = `m${String(i).padStart(3, '0')}`;
    gateway.keys.set(deviceId, KEY_ID, {});
    await post(gateway, { deviceId, batch: { count: 2 } });
  }
  await page.waitForSelector('#next:enabled');
  await page.click('#next');
  await page.waitForSelector('tbody button:text-is("m129")');
  assert.equal(await page.locator('tbody tr').count(), 30);
  await page.click('#previous');
  await page.waitForSelector('tbody button:text-is("m000")');
  await gateway.close();
  await page.waitForSelector('#link-text:text-matches("^no answer since ")');
  assert.equal(await page.locator('tbody tr').count(), 100, 'the last that was known stays');
  assert.deepEqual(faults, []);
});

for (const [width, height] of [
  [1280, 800],
  [390, 844],
] as const) {
  test(`at ${width} by ${height} nothing runs off the side`, { skip }, async (t) => {
    const gateway = await testGateway(t);
    await deliver(gateway, `device-${'long-name.'.repeat(5)}x`, () => ({
      ['measure '.repeat(15)]: 1e300,
      volume: 0.1234567890123,
    }));
    const { page } = await openPage(t, gateway.url);
    await page.setViewportSize({ width, height });
    await page.waitForSelector('#chart rect');
    assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true);
  });
}
