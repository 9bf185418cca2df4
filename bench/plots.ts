/**
 * Plots: what the figures look like.
 *
 * Owns the drawings, one function each from a report to an SVG that needs no script, no font and no style sheet.
 * Promises the same picture for the same report. Never draws what was not measured.
 */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { FigureReport } from './figure-process.ts';
import { numberText } from './harness.ts';

export type Drawing = readonly [name: string, svg: string];

const OURS = '#0b7285';
const OTHERS = '#ced4da';
const SECOND = '#e8590c';
const INK = '#212529';
const FAINT = '#868e96';
const WIDTH = 760;

const STYLE = { color: INK, fontFamily: 'system-ui, sans-serif', fontSize: '12px', background: 'white' };

/** Those that the reports have something for. */
export function drawPlots(reports: readonly FigureReport[]): Drawing[] {
  const draw = {
    peers: [['throughput', throughput]],
    wire: [['bytes', bytes]],
    jitter: [['jitter', jitter]],
    growth: [['growth', growth]],
  } as const;
  return Object.entries(draw).flatMap(([figure, drawings]) => {
    const report = reports.find((known) => known.figure === figure);
    return report === undefined ? [] : drawings.map(([name, drawing]): Drawing => [name, drawing(report)]);
  });
}

/** Events a second, end to end, of each peer that was there. */
function throughput({ readings }: FigureReport): string {
  const bars = readings
    .filter(({ unit }) => unit === 'events/s')
    .map(({ name, value }) => ({ name, value, label: ` ${numberText(value)}` }));
  return svgOf({
    title: 'Events a second, end to end',
    subtitle: 'one device process to one server, on one machine',
    marginLeft: 20 + 7 * Math.max(...bars.map(({ name }) => name.length)),
    marginRight: 60,
    height: 70 + 26 * bars.length,
    x: { label: 'events/s', tickFormat: numberText, grid: true, nice: true },
    y: { label: null, domain: bars.map(({ name }) => name), tickSize: 0 },
    marks: [
      Plot.barX(bars, { x: 'value', y: 'name', fill: ({ name }) => (name === 'Tidegate' ? OURS : OTHERS) }),
      Plot.text(bars, { x: 'value', y: 'name', text: 'label', textAnchor: 'start', fill: INK }),
      Plot.ruleX([0]),
    ],
  });
}

const FORMATS = [
  'Tidegate',
  'columns as text, xz -9e',
  'JSON rows without ids, gzip',
  'JSON rows with a UUID, gzip',
] as const;

/** Bytes an event, by format within each data set. */
function bytes({ readings }: FigureReport): string {
  const bars = FORMATS.flatMap((format) =>
    readings
      .filter(({ name }) => name.endsWith(`: ${format}`))
      .map(({ name, value }) => ({ set: setOf(name, format), format, value, label: ` ${numberText(value)}` })),
  );
  const sets = [...new Set(bars.map(({ set }) => set))];
  return svgOf({
    title: 'Bytes an event',
    subtitle: 'request bodies of at most 4,096 events',
    marginLeft: 190,
    marginRight: 200,
    height: 70 + 108 * sets.length,
    x: { label: 'bytes an event', grid: true, nice: true },
    y: { label: null, domain: FORMATS, tickSize: 0 },
    fy: { label: null, domain: sets, padding: 0.2 },
    marks: [
      Plot.barX(bars, {
        x: 'value',
        y: 'format',
        fy: 'set',
        fill: ({ format }) => (format === 'Tidegate' ? OURS : OTHERS),
      }),
      Plot.text(bars, { x: 'value', y: 'format', fy: 'set', text: 'label', textAnchor: 'start', fill: INK }),
      Plot.ruleX([0]),
    ],
  });
}

function setOf(name: string, format: string): string {
  return name.slice(0, -`: ${format}`.length);
}

/** How many ticks were how late, with a backlog and without. */
function jitter(report: FigureReport): string {
  const lines = [
    { name: 'lateness without a backlog', label: 'no backlog', color: SECOND },
    { name: 'lateness while a backlog drains', label: 'while a backlog drains', color: OURS },
  ];
  const points = lines.flatMap(({ name, label, color }) => {
    // Up to its end a bucket holds so much; later than that are all that follow.
    let later = 1;
    return pointsOf(report, name).map(([upTo, share]) => {
      later -= share;
      return { x: upTo, y: Math.max(later, 0), label, color };
    });
  });
  const drawn = points.filter(({ x, y }) => x >= SHORTEST_MS && y > SMALLEST_SHARE);
  const keys = lines.map(({ label, color }, at) =>
    Plot.text([label], { frameAnchor: 'bottom-left', fill: color, fontWeight: 600, dx: 10, dy: -10 - 18 * at }),
  );
  return svgOf({
    title: 'Lateness of a 1 kHz timer that records',
    subtitle: 'share of ticks that are later than …',
    marginLeft: 60,
    marginRight: 30,
    height: 380,
    x: { type: 'log', label: 'lateness, ms', grid: true, tickFormat: numberText },
    y: {
      type: 'log',
      label: null,
      grid: true,
      tickFormat: shareText,
      domain: [SMALLEST_SHARE, 1],
    },
    marks: [
      Plot.ruleX([5], { stroke: INK, strokeDasharray: '3,3' }),
      Plot.text([{ x: 5, y: 1 }], { x: 'x', y: 'y', text: () => ' goal for p99.9: 5 ms', textAnchor: 'start', dy: 8 }),
      Plot.ruleY([0.001], { stroke: INK, strokeDasharray: '3,3' }),
      Plot.line(drawn, { x: 'x', y: 'y', z: 'label', stroke: 'color', strokeWidth: 2 }),
      ...keys,
    ],
  });
}

const SHORTEST_MS = 0.1;

/** One tick in ten thousand. */
const SMALLEST_SHARE = 1e-4;

function shareText(share: number): string {
  return `${numberText(share * 100)} %`;
}

/** Ingest, load after load, by what had been stored by then. */
function growth(report: FigureReport): string {
  const points = pointsOf(report, 'ingest by events stored').map(([x, y]) => ({ x, y }));
  return svgOf({
    title: 'Gateway ingest while its database grows',
    subtitle: 'events a second, each dot a load of the fleet; the line is their running median',
    marginLeft: 60,
    marginRight: 30,
    height: 320,
    x: {
      label: 'events stored',
      tickFormat: numberText,
      grid: true,
      domain: [0, Math.max(...points.map(({ x }) => x))],
      nice: true,
    },
    y: { label: null, tickFormat: numberText, grid: true, zero: true, nice: true },
    marks: [
      Plot.ruleY([0]),
      Plot.dot(points, { x: 'x', y: 'y', r: 2.5, fill: OURS, fillOpacity: 0.4 }),
      Plot.line(points, Plot.windowY({ k: 9, reduce: 'median' }, { x: 'x', y: 'y', stroke: OURS, strokeWidth: 2 })),
    ],
  });
}

function pointsOf({ series }: FigureReport, name: string) {
  return series.find((known) => known.name === name)?.points ?? [];
}

function svgOf({
  title,
  subtitle,
  marks,
  ...options
}: Plot.PlotOptions & { title: string; subtitle: string; height: number }): string {
  const { document } = parseHTML('<html></html>');
  const atTop = { frameAnchor: 'top-left', facet: 'super' } as const;
  const heading = [
    Plot.text([title], { ...atTop, dy: -42, fontSize: 15, fontWeight: 600 }),
    Plot.text([subtitle], { ...atTop, dy: -22, fill: FAINT }),
  ];
  const plot = Plot.plot({
    width: WIDTH,
    marginTop: 58,
    marginBottom: 40,
    style: STYLE,
    // Else the name of its class is drawn by lot.
    className: 'plot',
    ...options,
    document: document,
    marks: [...(marks ?? []), ...heading],
  });
  plot.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  plot.setAttribute('role', 'img');
  plot.setAttribute('aria-label', title);
  return `${plot.outerHTML}\n`;
}
