/**
 * The looks of the page at `/`.
 *
 * Owns its style sheet. Promises light and dark, small screens and large, and nothing loaded from anywhere. Never holds
 * text or behaviour.
 */
export const DASHBOARD_STYLE = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f4f7f8, #0d1517);
  --panel: light-dark(#ffffff, #142023);
  --line: light-dark(#dce5e7, #23343a);
  --ink: light-dark(#12262b, #e4eef0);
  --soft: light-dark(#5c737a, #8aa3aa);
  --tide: light-dark(#0b7a8c, #3fc3d6);
  --wash: light-dark(#d9eef1, #173238);
  --good: light-dark(#2c8a57, #58c98b);
  --wait: light-dark(#b7791f, #e3b04b);
  --bad: light-dark(#b83a3a, #f07171);
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 2rem clamp(1rem, 4vw, 3.5rem) 3rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums;
}
main { max-width: 74rem; margin: 0 auto; }
header { display: flex; align-items: center; gap: .8rem; margin-bottom: 1.6rem; }
header svg { width: 2.3rem; height: 2.3rem; color: var(--tide); flex: none; }
h1 { font-size: 1.35rem; margin: 0; letter-spacing: -.01em; line-height: 1.2; }
header p { margin: 0; color: var(--soft); font-size: .85rem; }
#link { margin-left: auto; font-size: .82rem; color: var(--soft); display: flex; align-items: center; gap: .45rem; }
.dot { display: inline-block; width: .55rem; height: .55rem; border-radius: 50%; background: var(--soft); flex: none; }
.dot.good { background: var(--good); } .dot.wait { background: var(--wait); } .dot.bad { background: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin-bottom: 1rem; }
.tile, .panel { background: var(--panel); border: 1px solid var(--line); border-radius: .8rem; }
.tile { padding: .85rem 1rem .8rem; min-width: 0; }
.tile.wide { grid-column: span 2; background: linear-gradient(135deg, var(--panel), var(--wash)); }
.tile span { display: block; color: var(--soft); font-size: .78rem; }
.tile b { display: block; font-size: 1.5rem; font-weight: 600; letter-spacing: -.02em; line-height: 1.3;
  overflow-wrap: anywhere; }
.tile.wide b { color: var(--tide); }
.tile small { color: var(--soft); font-size: .76rem; }
.panel { padding: 1rem 1.1rem 1.1rem; margin-bottom: 1rem; overflow-x: auto; }
.panel h2 { font-size: .95rem; margin: 0 0 .7rem; display: flex; gap: .6rem; align-items: baseline; flex-wrap: wrap; }
.panel h2 small { font-weight: 400; color: var(--soft); font-size: .8rem; }
#chart { display: block; width: 100%; height: 11rem; }
#chart rect { fill: var(--tide); } #chart rect:hover { fill: var(--ink); }
#chart line { stroke: var(--line); }
.axis { display: flex; justify-content: space-between; color: var(--soft); font-size: .76rem; margin-top: .35rem; }
table { width: 100%; border-collapse: collapse; white-space: nowrap; }
th { font-weight: 500; color: var(--soft); font-size: .78rem; text-align: right; padding: 0 .7rem .45rem; }
td { text-align: right; padding: .5rem .7rem; border-top: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; padding-left: .2rem; }
th:last-child, td:last-child { padding-right: .2rem; }
tbody tr { cursor: pointer; }
tbody tr:hover, tbody tr.chosen { background: var(--wash); }
tbody button { all: unset; font-weight: 600; margin-left: .5rem; }
tbody button:focus-visible { outline: 2px solid var(--tide); outline-offset: 3px; border-radius: 3px; }
td.quiet { color: var(--soft); } td.wait { color: var(--wait); } td.bad { color: var(--bad); }
td, td button, h2 span, .tile span, .tile b { unicode-bidi: isolate; }
select, nav button { padding: .2rem .55rem; border: 1px solid var(--line); border-radius: .45rem;
  background: var(--ground); color: inherit; font: inherit; font-size: .8rem; }
select { margin-left: auto; max-width: 16rem; }
nav { margin-top: .8rem; } nav button { cursor: pointer; } nav button:disabled { opacity: .45; cursor: default; }
.stale .tiles, .stale .panel { opacity: .55; }
.empty { color: var(--soft); padding: 1.4rem 0 .6rem; text-align: center; }
.empty code { color: var(--ink); }
dialog { border: 1px solid var(--line); border-radius: .8rem; background: var(--panel); color: var(--ink);
  padding: 1.4rem 1.5rem; width: min(26rem, 90vw); }
dialog::backdrop { background: rgb(0 20 25 / .45); backdrop-filter: blur(3px); }
dialog h2 { margin: 0 0 .3rem; font-size: 1.05rem; }
dialog p { margin: 0 0 1rem; color: var(--soft); font-size: .88rem; }
dialog p.wrong { color: var(--bad); } dialog p:empty { display: none; }
dialog input { width: 100%; padding: .55rem .7rem; border-radius: .5rem; border: 1px solid var(--line);
  background: var(--ground); color: inherit; font: inherit; }
dialog button { margin-top: .9rem; padding: .5rem 1.1rem; border: 0; border-radius: .5rem;
  background: var(--tide); color: var(--panel); font: inherit; font-weight: 600; cursor: pointer; }
[hidden] { display: none !important; }
`;
