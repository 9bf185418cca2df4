/**
 * The page at `/`: the fleet at a glance, for a person.
 *
 * Owns its markup and the headers around it. Promises one self-contained document that no other site can frame, and
 * that runs nothing but its own script. Never holds data: the page asks the read routes for it, with the admin token if
 * need be.
 */
import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { DASHBOARD_SCRIPT } from './dashboard-script.ts';
import { DASHBOARD_STYLE } from './dashboard-style.ts';

const GATE = `<svg viewBox="0 0 32 32" fill="none" stroke="currentColor"
stroke-width="2.4" stroke-linecap="round" aria-hidden="true">
<path d="M6 4v13M26 4v13M6 8h20"/><path d="M16 8v7" stroke-dasharray="1 4"/>
<path d="M3 21c2.2-2 4.4-2 6.5 0s4.3 2 6.5 0 4.4-2 6.5 0 4.3 2 6.5 0"/>
<path d="M3 27c2.2-2 4.4-2 6.5 0s4.3 2 6.5 0 4.4-2 6.5 0 4.3 2 6.5 0" opacity=".5"/></svg>`;

const HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tidegate</title>
<link rel="icon" href="data:,">
<style>${DASHBOARD_STYLE}</style>
</head>
<body>
<main>
<header>${GATE}<div><h1>Tidegate</h1><p>every event counted exactly once</p></div>
<div id="link" role="status"><span class="dot" id="state"></span><span id="link-text">asking…</span></div></header>
<section class="tiles" aria-label="Fleet">
<div class="tile wide"><span id="headline">volume</span><b id="volume">–</b><small id="values">&nbsp;</small></div>
<div class="tile"><span>Events counted</span><b id="events">–</b><small id="rate">&nbsp;</small></div>
<div class="tile"><span>Duplicates refused</span><b id="duplicates">–</b><small>since the start</small></div>
<div class="tile"><span>Still queued</span><b id="queued">–</b><small>on devices</small></div>
<div class="tile"><span>Gaps</span><b id="gaps">–</b><small id="lost">given up by devices</small></div>
</section>
<section class="panel" id="chartpanel" hidden>
<h2><span id="charting"></span> <small><span id="charted"></span> · <span id="peak"></span></small>
<select id="measure" aria-label="Measure" hidden></select></h2>
<svg id="chart" viewBox="0 0 600 100" preserveAspectRatio="none" role="img"></svg>
<div class="axis"><span id="since"></span><span id="until"></span></div>
</section>
<section class="panel">
<h2>Devices <small><span id="devices"></span><span id="more"></span></small></h2>
<table id="table" hidden>
<thead><tr><th>device</th><th>recorded</th><th>queued</th><th>delivered</th>
<th>duplicates</th><th>gaps</th><th>last seen</th><th id="column">volume</th></tr></thead>
<tbody id="rows"></tbody>
</table>
<nav id="pager" aria-label="Pages" hidden><button type="button" id="previous">← previous</button>
<button type="button" id="next">next →</button></nav>
<p class="empty" id="nobody" hidden>No device has delivered anything yet.
Make one with <code>tidegate-gateway keys add</code>.</p>
</section>
</main>
<dialog id="ask"><form>
<h2>Admin token</h2><p>This gateway shows its numbers to those who have its token.</p>
<p id="ask-why" role="alert"></p>
<input id="token" type="password" autocomplete="current-password" aria-label="Admin token" required autofocus>
<button>Show</button>
</form></dialog>
<script>${DASHBOARD_SCRIPT}</script>
</body>
</html>
`;

const POLICY = [
  "default-src 'none'",
  `script-src '${digestOf(DASHBOARD_SCRIPT)}'`,
  `style-src '${digestOf(DASHBOARD_STYLE)}'`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export function addDashboardRoute(app: FastifyInstance): void {
  app.get('/', async (_request, reply) =>
    reply
      .headers({
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': POLICY,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-cache',
      })
      .send(HTML),
  );
}

function digestOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
