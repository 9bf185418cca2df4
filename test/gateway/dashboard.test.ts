/** The page in a real browser, where there is one. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { Script } from 'node:vm';
import { chromium } from 'playwright-core';
import { DASHBOARD_SCRIPT } from '../../src/gateway/dashboard-script.ts';
import { exactSum } from './exact-sum.ts';
import { DEVICE, eventsFrom, post, testGateway } from './gateway-fixture.ts';

const BROWSER = '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'];
const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];

test('its script is one, and cannot end its own element', () => {
  new Script(DASHBOARD_SCRIPT);
  assert.doesNotMatch(DASHBOARD_SCRIPT, /<\/script|<!--/i);
});

test('it asks for the token, then shows totals, devices and a chart', {
  skip: existsSync(BROWSER) ? false : 'no browser here',
}, async (t) => {
  const gateway = await testGateway(t, { adminToken: 'open-sesame-0123' });
  await post(gateway, { batch: { count: 500 } });
  await post(gateway, { batch: { count: 500 } });
  const browser = await chromium.launch({ executablePath: BROWSER, args: [...FLAGS, ...QUIET] });
  t.after(() => browser.close());
  const page = await browser.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('401')) faults.push(message.text());
  });
  await page.goto(gateway.url);
  await page.fill('#token', 'open-sesame-0123');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#chart rect');
  const sum = exactSum(eventsFrom(1, 500), 'volume');
  assert.equal(await page.getAttribute('#volume', 'title'), sum);
  assert.equal((await page.textContent('#events'))?.replace(/\D/g, ''), '500');
  assert.equal((await page.textContent('#duplicates'))?.replace(/\D/g, ''), '500');
  assert.equal(await page.textContent('tbody button'), DEVICE);
  assert.equal(await page.locator('#chart rect').count(), Math.ceil(501 / 60));
  assert.deepEqual(faults, []);
});
