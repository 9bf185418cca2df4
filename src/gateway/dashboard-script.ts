/**
 * What the page at `/` does.
 *
 * Owns its script, which runs in the browser and asks the read routes like anybody else. Promises that whatever devices
 * call themselves stays text. Never sends anything but questions.
 */
export const DASHBOARD_SCRIPT = String.raw`
'use strict';
const REFRESH_MS = 2000, SEEN_LATELY_MS = 60000, MINUTES = 60, MINUTE_MS = 60000, LISTED = 100;
const $ = (id) => document.getElementById(id);
let token = sessionStorage.getItem('tidegate-token') || '';
let chosen = null, before = null;

async function ask(path) {
  const answer = await fetch(path, { headers: token ? { authorization: 'Bearer ' + token } : {}, cache: 'no-store' });
  if (answer.status === 401) throw Object.assign(new Error('token'), { code: 'token' });
  if (!answer.ok) throw new Error(answer.status + ' ' + path);
  return answer.json();
}

const whole = (count) => count.toLocaleString('en').replaceAll(',', '\u202f');
/* A decimal text, grouped, with at most so many places shown; all of them are in the title. */
function decimal(text, places = 3) {
  const [, sign, integer, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  const shown = fraction.slice(0, places);
  return sign + integer.replace(/\B(?=(\d{3})+$)/g, '\u202f') + (shown ? '.' + shown : '') + (fraction.length > places ? '…' : '');
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
  element.title = title;
}
function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function showTotals(totals) {
  const now = performance.now();
  const volume = totals.measures.volume;
  put('volume', volume ? decimal(volume.sum) : '0', volume ? volume.sum : '');
  put('values', volume ? 'exact sum of ' + whole(volume.count) + ' values' : 'no values yet');
  put('events', whole(totals.events));
  put('rate', before ? whole(Math.max(0, Math.round((totals.events - before.events) / ((now - before.at) / 1000)))) + ' a second' : ' ');
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
function rowOf(device) {
  const volume = device.measures.volume;
  const cell = (text, className = '', title = '') => make('td', { className, title }, text);
  const some = (count, className = '') => cell(whole(count), count === 0 ? 'quiet' : className);
  const row = make('tr', { className: device.id === chosen ? 'chosen' : '' },
    make('td', {}, make('span', { className: 'dot ' + stateOf(device) }), make('button', { type: 'button' }, device.id)),
    some(device.recorded), some(device.queued, 'wait'), some(device.delivered), some(device.duplicates),
    some(device.gaps + device.missing, 'bad'), cell(ago(device.lastReceivedAt), 'quiet', device.lastReceivedAt || ''),
    cell(volume ? decimal(volume.sum) : '–', volume ? '' : 'quiet', volume ? volume.sum : ''));
  row.onclick = () => { chosen = device.id; refresh(); };
  return row;
}
function showDevices({ devices, next }) {
  const focused = document.activeElement && document.activeElement.closest('tbody') ? document.activeElement.textContent : null;
  $('rows').replaceChildren(...devices.map(rowOf));
  if (focused) for (const button of $('rows').querySelectorAll('button')) if (button.textContent === focused) button.focus();
  $('table').hidden = devices.length === 0;
  $('nobody').hidden = devices.length > 0;
  put('more', next ? ', here the first ' + LISTED + ' by name' : '');
}

function showChart(device, buckets) {
  const chart = $('chart'), width = 600, height = 100, step = width / MINUTES;
  const values = buckets.map((bucket) => ({ at: Date.parse(bucket.start), events: bucket.events, volume: bucket.measures.volume }))
    .filter(({ volume }) => volume);
  const last = Math.floor(Date.parse(device.lastEventAt) / MINUTE_MS) * MINUTE_MS;
  const first = last - (MINUTES - 1) * MINUTE_MS;
  const most = Math.max(0, ...values.map(({ volume }) => Number(volume.sum)));
  const marks = [.25, .5, .75, 1].map((part) => svg('line', { x1: 0, x2: width, y1: height * (1 - part) + .5, y2: height * (1 - part) + .5, 'vector-effect': 'non-scaling-stroke' }));
  const bars = values.map(({ at, events, volume }) => {
    const tall = most > 0 ? Math.max(.8, Number(volume.sum) / most * (height - 4)) : .8;
    const bar = svg('rect', { x: (at - first) / MINUTE_MS * step + step * .12, y: height - tall, width: step * .76, height: tall, rx: 1 });
    bar.append(svg('title', {}, new Date(at).toLocaleString() + '\n' + volume.sum + ' in ' + events + ' events'));
    return bar;
  });
  chart.replaceChildren(...marks, ...bars);
  $('chartpanel').hidden = values.length === 0;
  const clock = (ms) => new Date(ms).toLocaleString([], { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
  put('charted', device.id);
  put('peak', 'highest ' + decimal(String(Math.max(0, most).toFixed(3))));
  put('since', clock(first));
  put('until', clock(last + MINUTE_MS));
}
function svg(name, attributes, text) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

let running = false, again = false;
async function refresh() {
  if (running) { again = true; return; }
  running = true;
  try {
    const [totals, page] = await Promise.all([ask('/v1/totals'), ask('/v1/devices?limit=' + LISTED)]);
    showTotals(totals);
    const charted = page.devices.find(({ id }) => id === chosen)
      || page.devices.reduce((most, one) => (!most || one.delivered > most.delivered ? one : most), null);
    if (charted && charted.lastEventAt) {
      const to = Date.parse(charted.lastEventAt) + 1;
      const query = '?granularity=minute&measure=volume&from=' + (to - 1 - (MINUTES - 1) * MINUTE_MS) + '&to=' + to;
      showChart(charted, (await ask('/v1/devices/' + encodeURIComponent(charted.id) + '/buckets' + query)).buckets);
    }
    showDevices(page);
    $('state').className = 'dot good';
    put('link-text', 'live');
  } catch (error) {
    $('state').className = 'dot bad';
    put('link-text', error.code === 'token' ? 'needs the admin token' : 'no answer; trying again');
    if (error.code === 'token' && !$('ask').open) $('ask').showModal();
  } finally {
    running = false;
    if (again) { again = false; refresh(); }
  }
}
$('ask').querySelector('form').onsubmit = (event) => {
  event.preventDefault();
  token = $('token').value.trim();
  sessionStorage.setItem('tidegate-token', token);
  $('ask').close();
  refresh();
};
refresh();
setInterval(() => { if (!document.hidden && !$('ask').open) refresh(); }, REFRESH_MS);
`;
