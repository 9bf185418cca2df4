/**
 * What the page at `/` does.
 *
 * Owns its script, which runs in the browser and asks the read routes like anybody else. Promises that whatever devices
 * call themselves stays text and turns no other text around, and that numbers are shown from their decimal texts, never
 * from doubles. Never sends anything but questions.
 */
export const DASHBOARD_SCRIPT = String.raw`
'use strict';
const REFRESH_MS = 2000, SEEN_LATELY_MS = 60000, NAMES_MS = 30000, MINUTES = 60, MINUTE_MS = 60000;
const LISTED = 100, HEADLINE = 'volume';
const $ = (id) => document.getElementById(id);
let token = remembered(), chosen = null, measure = null, after = '', before = null, answeredAt = null, listsAll = false;
const pagesBefore = [];
let offered = [];

function remembered() {
  try { return sessionStorage.getItem('tidegate-token') || ''; } catch { return ''; }
}
function remember() {
  try { sessionStorage.setItem('tidegate-token', token); } catch { /* Some browsers keep nothing. */ }
}

/* An answer may be so many seconds old, and some say after how many it is worth while to ask again. */
async function ask(path, age = 0) {
  const headers = { 'cache-control': 'max-age=' + age };
  if (token) headers.authorization = 'Bearer ' + token;
  const answer = await fetch(path, { headers, cache: 'no-store' });
  if (answer.ok) {
    const [, pause = 0] = /max-age=(\d+)/.exec(answer.headers.get('cache-control') || '') || [];
    return { ...await answer.json(), pause: Number(pause) };
  }
  const { detail } = await answer.json().catch(() => ({}));
  const code = answer.status === 401 ? 'token' : 'refused';
  const said = 'it answers ' + answer.status + (detail ? ': ' + clean(detail) : '');
  throw Object.assign(new Error(said), { code, detail });
}

/* What would be drawn as nothing, or turn the text around it, is shown as an escape. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Default_Ignorable_Code_Point}]/gu;
const escaped = (char) => '\\u' + char.codePointAt(0).toString(16).padStart(4, '0');
const clean = (text) => String(text).replace(UNSAFE, escaped);
const own = (object, name) => (object && Object.hasOwn(object, name) ? object[name] : undefined);
const grouped = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, '\u202f');
const whole = (count) => grouped(String(count));

/* A decimal text, grouped, with at most so many places shown; all of them are in the title. */
function decimal(text, places = 3) {
  const parts = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (!parts) return clean(text);
  const [, sign, integer, fraction = ''] = parts;
  if (integer.length > 15) return sign + powerOf(integer + fraction, integer.length - 1);
  const zeros = /^0*/.exec(fraction)[0].length;
  if (/^0+$/.test(integer) && zeros >= places && zeros < fraction.length) {
    return sign + powerOf(fraction.slice(zeros), -zeros - 1);
  }
  const shown = fraction.slice(0, places);
  return sign + grouped(integer) + (shown ? '.' + shown : '') + (fraction.length > places ? '…' : '');
}
/* Digits, the first of them before the point, and a power of ten. */
function powerOf(digits, power) {
  const more = digits.slice(1, 5).replace(/0+$/, '');
  const isWhole = /^0*$/.test(digits.slice(5));
  const raised = [...String(power)].map((sign) => sign === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[sign]).join('');
  return digits[0] + (more ? '.' + more : '') + (isWhole ? '' : '…') + ' × 10' + raised;
}
/* A decimal text as a fraction of one and a power of ten: any of them can be drawn, however large. */
function scaled(text) {
  const [, sign, integer, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) || ['', '', '0'];
  const digits = (integer + fraction).replace(/^0+/, '');
  const power = digits === '' ? -Infinity : digits.length - fraction.length;
  return { part: Number(sign + '0.' + (digits.slice(0, 17) || '0')), power };
}
function ago(iso) {
  if (!iso) return '–';
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(iso)) / 1000));
  if (seconds < 2) return 'now';
  if (seconds < 100) return seconds + ' s ago';
  if (seconds < 6000) return Math.round(seconds / 60) + ' min ago';
  return seconds < 172800 ? Math.round(seconds / 3600) + ' h ago' : Math.round(seconds / 86400) + ' days ago';
}
function put(id, text, title = '') {
  const element = $(id);
  if (element.textContent !== text) element.textContent = text;
  if (element.title !== title) element.title = title;
}
function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function showTotals(totals, name) {
  const now = performance.now();
  const sum = own(totals.measures, name);
  put('headline', clean(name));
  put('column', clean(name));
  put('volume', sum ? decimal(sum.sum) : '0', sum ? sum.sum : '');
  put('values', sum ? 'exact sum of ' + whole(sum.count) + ' values' : 'no values yet');
  put('events', whole(totals.events));
  const rate = before && Math.max(0, Math.round((totals.events - before.events) / ((now - before.at) / 1000)));
  put('rate', before ? whole(rate) + ' a second' : '\u00a0');
  put('devices', whole(totals.devices));
  put('duplicates', whole(totals.duplicates));
  put('queued', whole(totals.queued));
  put('gaps', whole(totals.gaps));
  put('lost', totals.missing ? whole(totals.missing) + ' unaccounted for' : 'given up by devices');
  before = { events: totals.events, at: now };
}

function stateOf(device) {
  if (device.missing > 0) return 'bad';
  if (Date.now() - Date.parse(device.lastReceivedAt) > SEEN_LATELY_MS) return '';
  return device.queued > 0 ? 'wait' : 'good';
}
function rowOf(device, name) {
  const sum = own(device.measures, name);
  const cell = (text, className = '', title = '') => make('td', { className, title }, text);
  const some = (count, className = '') => cell(whole(count), count === 0 ? 'quiet' : className);
  const row = make('tr', { className: device.id === chosen ? 'chosen' : '' },
    make('td', {}, make('span', { className: 'dot ' + stateOf(device) }),
      make('button', { type: 'button' }, clean(device.id))),
    some(device.recorded), some(device.queued, 'wait'), some(device.delivered), some(device.duplicates),
    some(device.gaps + device.missing, 'bad'), cell(ago(device.lastReceivedAt), 'quiet', device.lastReceivedAt || ''),
    cell(sum ? decimal(sum.sum) : '–', sum ? '' : 'quiet', sum ? sum.sum : ''));
  row.onclick = () => { chosen = device.id; measure = null; refresh(); };
  return row;
}
function showDevices({ devices, next }, name) {
  const active = document.activeElement;
  const focused = active && active.closest('tbody') ? active.textContent : null;
  $('rows').replaceChildren(...devices.map((device) => rowOf(device, name)));
  const buttons = focused ? $('rows').querySelectorAll('button') : [];
  for (const button of buttons) if (button.textContent === focused) button.focus();
  $('table').hidden = devices.length === 0;
  $('nobody').hidden = devices.length > 0 || after !== '';
  $('pager').hidden = !next && after === '';
  $('next').disabled = !next;
  $('previous').disabled = after === '';
  $('next').onclick = () => { pagesBefore.push(after); after = next; refresh(); };
  const isPart = (next || after) && devices.length > 0;
  put('more', isPart ? 'here ' + clean(devices[0].id) + ' to ' + clean(devices[devices.length - 1].id) : '');
}
$('previous').onclick = () => { after = pagesBefore.pop() || ''; refresh(); };

/* What can be charted of a device. */
function showMeasures(names, name) {
  const select = $('measure');
  if (offered.length !== names.length || names.some((one, at) => offered[at] !== one)) {
    select.replaceChildren(...names.map((one) => make('option', {}, clean(one))));
    offered = names;
  }
  if (select.selectedIndex !== names.indexOf(name)) select.selectedIndex = names.indexOf(name);
  select.hidden = names.length < 2;
}
$('measure').onchange = () => { measure = offered[$('measure').selectedIndex]; refresh(); };

function showChart(device, name, buckets, last) {
  const chart = $('chart'), width = 600, height = 100, step = width / MINUTES;
  const first = last - (MINUTES - 1) * MINUTE_MS;
  const values = buckets
    .map(({ start, events, measures }) => ({ at: Date.parse(start), events, sum: own(measures, name) }))
    .filter(({ at, sum }) => sum && at >= first && at <= last)
    .map(({ at, events, sum }) => ({ at, events, text: sum.sum, ...scaled(sum.sum) }));
  const power = Math.max(...values.map((value) => value.power));
  for (const value of values) value.size = value.part === 0 ? 0 : value.part * 10 ** (value.power - power);
  const high = Math.max(0, ...values.map(({ size }) => size)), low = Math.min(0, ...values.map(({ size }) => size));
  const span = high - low || 1, room = height - 4, zero = 2 + (high - low ? high / span : 1) * room;
  const heights = [0, .25, .5, .75].map((part) => 2 + part * room).concat(zero);
  const line = { x1: 0, x2: width, 'vector-effect': 'non-scaling-stroke' };
  const marks = heights.map((y) => svg('line', { ...line, y1: y, y2: y }));
  const bars = values.map(({ at, events, text, size }) => {
    const tall = Math.max(.8, Math.abs(size) / span * room);
    const x = (at - first) / MINUTE_MS * step + step * .12;
    const y = size < 0 ? zero : zero - tall;
    const bar = svg('rect', { x, y, width: step * .76, height: tall, rx: 1 });
    bar.append(svg('title', {}, new Date(at).toLocaleString() + '\n' + text + ' in ' + whole(events) + ' events'));
    return bar;
  });
  chart.replaceChildren(...marks, ...bars);
  chart.setAttribute('aria-label', clean(name) + ' per minute of ' + clean(device.id));
  const highest = values.reduce((most, one) => (!most || one.size > most.size ? one : most), null);
  const date = { year: 'numeric', month: 'short', day: 'numeric' }, time = { hour: '2-digit', minute: '2-digit' };
  const clock = (ms) => new Date(ms).toLocaleString([], { ...date, ...time });
  put('charted', clean(device.id));
  put('charting', clean(name) + ' per minute');
  put('peak', highest ? 'highest ' + decimal(highest.text) : 'no values in this hour', highest ? highest.text : '');
  put('since', clock(first));
  put('until', clock(last + MINUTE_MS));
}
function svg(name, attributes, text) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

/* What can be charted, and what is; what was dear to make is asked for less often. */
let listed = { id: null, names: [], at: 0 }, drawn = { what: '', at: 0, pause: 0 };
async function namesOf(device) {
  if (listed.id !== device.id || Date.now() - listed.at > NAMES_MS) {
    const { measures } = await ask('/v1/devices/' + encodeURIComponent(device.id) + '/measures');
    listed = { id: device.id, names: measures, at: Date.now() };
  }
  return listed.names;
}
async function chart(device, headline) {
  $('chartpanel').hidden = !device || !device.lastEventAt;
  if ($('chartpanel').hidden) return;
  const names = await namesOf(device);
  const usual = names.includes(headline) ? headline : names[0] || headline;
  const name = measure !== null && names.includes(measure) ? measure : usual;
  const what = JSON.stringify([device.id, name]);
  if (drawn.what === what && Date.now() - drawn.at < 1000 * drawn.pause) return;
  const age = drawn.what === what ? drawn.pause : 0;
  const query = '?granularity=minute&measure=' + encodeURIComponent(name);
  const answer = await ask('/v1/devices/' + encodeURIComponent(device.id) + '/buckets' + query, age);
  drawn = { what, at: Date.now(), pause: answer.pause };
  const end = Date.parse(answer.to || '') - 1 || Date.parse(device.lastEventAt);
  showMeasures(names, name);
  showChart(device, name, answer.buckets, Math.floor(end / MINUTE_MS) * MINUTE_MS);
}

function say(state, text) {
  $('state').className = 'dot ' + state;
  document.body.classList.toggle('stale', state === 'bad');
  put('link-text', text);
}
function explain(text, isWrong) {
  put('ask-why', text);
  $('ask-why').className = isWrong ? 'wrong' : '';
}
function askForToken({ detail }) {
  if ($('ask').open) return;
  if (token) explain('This gateway refused that token. Is it of another gateway, or was it changed?', true);
  else explain(detail ? 'It says: ' + clean(detail) : '', false);
  token = '';
  remember();
  $('ask').showModal();
  $('token').select();
}

let running = false, again = false;
async function refresh() {
  if (running) { again = true; return; }
  running = true;
  try {
    let totals = await ask('/v1/totals' + (listsAll ? '' : '?measure=' + HEADLINE));
    if (!listsAll && !own(totals.measures, HEADLINE)) totals = await ask('/v1/totals');
    listsAll = !own(totals.measures, HEADLINE);
    remember();
    const headline = listsAll ? Object.keys(totals.measures)[0] || HEADLINE : HEADLINE;
    const query = '?limit=' + LISTED + '&measure=' + encodeURIComponent(headline);
    const page = await ask('/v1/devices' + query + (after ? '&after=' + encodeURIComponent(after) : ''));
    showTotals(totals, headline);
    showDevices(page, headline);
    await chart(page.devices.find(({ id }) => id === chosen)
      || page.devices.reduce((most, one) => (!most || one.delivered > most.delivered ? one : most), null), headline);
    answeredAt = new Date();
    say('good', 'live');
  } catch (error) {
    if (error.code === 'token') { say('bad', 'needs the admin token'); askForToken(error); }
    else if (error.code === 'refused') say('bad', error.message + '; trying again');
    else say('bad', 'no answer' + (answeredAt ? ' since ' + answeredAt.toLocaleTimeString() : '') + '; trying again');
  } finally {
    running = false;
    if (again) { again = false; refresh(); }
  }
}
$('ask').oncancel = (event) => event.preventDefault();
$('ask').querySelector('form').onsubmit = (event) => {
  event.preventDefault();
  const given = $('token').value.trim();
  if (!/^[!-~]+$/.test(given)) {
    explain('A token is of ASCII letters, digits and signs, without spaces.', true);
    return;
  }
  token = given;
  $('ask').close();
  refresh();
};
refresh();
setInterval(() => { if (!document.hidden && !$('ask').open) refresh(); }, REFRESH_MS);
`;
