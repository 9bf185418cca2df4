/**
 * Screen: the demo as a person sees it.
 *
 * Owns the tables and the words. Promises that no line is wider than the terminal, and colours only on one. Never
 * changes anything.
 */
import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';
import type { FaultName } from '../rig/link/faults.ts';
import { printable, widthOf } from '../src/cli/index.ts';
import { type BalanceRow, difference } from './balance.ts';
import type { Scene } from './demo.ts';
import type { DeviceFigures } from './device-program.ts';

interface Column {
  readonly title: string;
  readonly alignment: 'left' | 'right';
  /** The least important is left out first where the terminal is narrow; 0 is always there. */
  readonly rank: number;
  readonly cell: (row: BalanceRow, paint: Paint) => string;
}

const COLUMNS: readonly Column[] = [
  { title: 'device', alignment: 'left', rank: 0, cell: ({ id }) => id },
  { title: 'recorded', alignment: 'right', rank: 0, cell: ({ recorded }) => number(recorded) },
  { title: 'queued', alignment: 'right', rank: 4, cell: ({ queued }) => number(queued) },
  { title: 'delivered', alignment: 'right', rank: 0, cell: ({ delivered }) => number(delivered) },
  { title: 'dupli-\ncates', alignment: 'right', rank: 6, cell: (row) => number(row.duplicatesRefused) },
  { title: 'retries', alignment: 'right', rank: 7, cell: ({ retries }) => number(retries) },
  { title: 'device\nvolume', alignment: 'right', rank: 5, cell: ({ deviceVolume }) => deviceVolume },
  { title: 'gateway\nvolume', alignment: 'right', rank: 3, cell: ({ gatewayVolume }) => gatewayVolume },
  { title: '', alignment: 'right', rank: 1, cell: openText },
];
const LINK_RANK = 2;
const RANK_MAX = 7;

/** From here on there is room for why a link is down. */
const WIDE_COLUMNS = 120;
const REASON_CHARS_MAX = 30;

const NO_LINES = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
    ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
  ].map((place) => [place, '']),
);

export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly bold: (text: string) => string;
}

export function paintFor(colours: boolean): Paint {
  const style = (on: number, off: number) => (text: string) => (colours ? `\x1b[${on}m${text}\x1b[${off}m` : text);
  return { good: style(32, 39), bad: style(31, 39), faint: style(2, 22), bold: style(1, 22) };
}

/** A picture that fits the terminal: its lines are never folded, and there is room for the cursor below them. */
export function liveText(scene: Scene, paint: Paint, columns: number, rows = Number.POSITIVE_INFINITY): string {
  const hint =
    scene.phase === 'draining' ? 'the link is healed; draining …' : 'Ctrl-C heals the link, drains and reconciles';
  const title =
    `${paint.bold('tidegate')}  the gateway’s page: ${scene.pageUrl}` +
    `${scene.gatewayAnswers ? '' : paint.bad('  down')}`;
  const table = figuresTable(scene, paint, columns);
  const faults = [...folded(faultText(scene, groupOf), columns), ...killLines(scene)];
  // The most complete that fits; the figures of the first devices where nothing does.
  const pictures = [
    [title, '', ...table, '', ...faults, '', paint.faint(hint)],
    [title, ...table, ...faults, paint.faint(hint)],
    [title, ...table, paint.faint(hint)],
    [...table],
  ];
  const picture = pictures.find((lines) => lines.length < rows) ?? table.slice(0, Math.max(1, rows - 1));
  return picture.map((line) => cut(line, columns)).join('\n');
}

/** Nothing is missing, nothing was refused or left, something was recorded, and both sides agree. */
export function isSuccess({ isComplete, refused, leftBytes, balance: { total } }: Scene): boolean {
  return isComplete && total.match && refused === 0 && leftBytes === 0 && total.recorded > 0;
}

/** What the demo ends with. */
export function reconciliationText(scene: Scene, paint: Paint, columns: number): string {
  const { total } = scene.balance;
  return [
    ...figuresTable(scene, paint, columns).map((line) => cut(line, columns)),
    '',
    ...folded(
      faultText(scene, (name) => name),
      columns,
    ),
    ...killLines(scene),
    `${number(total.delivered)} events in ${(scene.elapsedMs / 1_000).toFixed(1)} s`,
    '',
    ...verdictOn(scene, paint),
  ].join('\n');
}

/** One line for each device that has not come to its end. */
export function stragglerLines({ devices }: Scene): string[] {
  return devices
    .filter(({ link }) => link !== 'done')
    .map(
      ({ id, link, reason, queued }) =>
        `${id} is ${link}${reason === null ? '' : ` (${reason})`}, ${number(queued)} queued`,
    );
}

function verdictOn(scene: Scene, paint: Paint): string[] {
  const { isComplete, gatewayAnswers, balance, refused, refusal, leftBytes } = scene;
  const { total } = balance;
  if (!gatewayAnswers) return [paint.bad('The gateway does not answer.')];
  if (!isComplete) return [paint.bad('The time was up before everything was delivered.')];
  if (!total.match) return [paint.bad('The two sides do not agree.')];
  if (isSuccess(scene)) {
    return [paint.good('Every event was counted exactly once, and every sum agrees to the last digit.')];
  }
  const rest =
    total.recorded === 0
      ? 'Nothing was recorded'
      : `${number(total.recorded)} events were recorded and counted exactly once`;
  const left =
    leftBytes === 0
      ? []
      : [`${number(leftBytes)} bytes behind the last line end are not recorded: --last-line if they are a whole row.`];
  if (refused === 0) return [paint.bad(`${rest}.`), ...left];
  return [
    paint.bad(`${number(refused)} ${refused === 1 ? 'row was' : 'rows were'} refused. ${rest}.`),
    ...(refusal === null ? [] : [`The first: ${printable(refusal)}`]),
    'Say what its columns are with --map ts=time,sensor=meter,volume=flow_m3; --help lists the flags for rows.',
    ...left,
  ];
}

/** One line of progress, where there is no terminal to draw on. */
export function progressLine({ phase, balance, link, kills, elapsedMs }: Scene): string {
  const { recorded, queued, delivered, duplicatesRefused } = balance.total;
  return [
    `${(elapsedMs / 1_000).toFixed(1).padStart(6)} s ${phase}: ${number(recorded)} recorded`,
    `${number(queued)} queued`,
    `${number(delivered)} delivered`,
    `${number(duplicatesRefused)} duplicates refused`,
    `${number(link.faultsInjected)} faults`,
    ...(kills.length > 0 ? [`${kills.length} kills`] : []),
  ].join(', ');
}

/** With as many columns as the terminal has room for; its lines. */
function figuresTable(scene: Scene, paint: Paint, columns: number): string[] {
  let lines: string[] = [];
  for (let rank = RANK_MAX + 1; rank >= 0; rank--) {
    lines = tableOf(scene, paint, columns >= WIDE_COLUMNS && rank > RANK_MAX, rank);
    if (lines.every((line) => textWidth(line) <= columns)) break;
  }
  return lines;
}

function tableOf({ devices, balance }: Scene, paint: Paint, isWide: boolean, rankMax: number): string[] {
  const shown = COLUMNS.filter(({ rank }) => rank <= rankMax);
  const hasLink = LINK_RANK <= rankMax;
  const table = new Table({
    head: [...shown.map(({ title }) => title), ...(hasLink ? ['link'] : [])].map((title) => paint.faint(title)),
    colAligns: [...shown.map(({ alignment }) => alignment), 'left'],
    chars: { ...NO_LINES, middle: isWide ? '   ' : ' ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  const cellsOf = (row: BalanceRow, link: string) => [
    ...shown.map(({ cell }) => cell(row, paint)),
    ...(hasLink ? [link] : []),
  ];
  table.push(...balance.rows.map((row, at) => cellsOf(row, linkText(devices[at]!, paint, isWide))));
  if (balance.rows.length > 1) table.push(cellsOf(balance.total, '').map(paint.bold));
  return table.toString().split('\n');
}

function openText({ deviceVolume, gatewayVolume, match }: BalanceRow, paint: Paint): string {
  const open = difference(deviceVolume, gatewayVolume);
  return match ? paint.good('✓') : paint.faint(open.startsWith('-') ? open : `+${open}`);
}

function linkText({ link, reason }: DeviceFigures, paint: Paint, isWide: boolean): string {
  const text = isWide && reason !== null ? `${link}: ${printable(reason).slice(0, REASON_CHARS_MAX)}` : link;
  if (link === 'online' || link === 'done') return paint.good(text);
  return link === 'connecting' ? paint.faint(text) : paint.bad(text);
}

function faultText({ link }: Scene, kindOf: (name: FaultName) => string): string {
  if (link.faultsInjected === 0) return 'faults injected: none';
  const kinds = new Map<string, number>();
  for (const [name, count] of Object.entries(link.faults) as [FaultName, number][]) {
    kinds.set(kindOf(name), (kinds.get(kindOf(name)) ?? 0) + count);
  }
  const named = [...kinds].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${kind} ${number(count)}`);
  return `faults injected: ${number(link.faultsInjected)}: ${named.join(', ')}`;
}

/** In a word or two. */
function groupOf(name: FaultName): string {
  switch (name.split('-')[0]) {
    case 'reset':
      return 'resets';
    case 'drop':
    case 'truncate':
      return 'lost answers';
    case 'twice':
      return 'sent twice';
    case 'corrupt':
      return 'corrupted';
    case 'answer':
      return 'errors';
    case 'portal':
      return 'captive portals';
    case 'outage':
      return 'outages';
    default:
      return 'delays';
  }
}

function killLines({ kills }: Scene): string[] {
  return kills.length === 0 ? [] : [`kill -9: ${kills.length}, the last to ${kills.at(-1)}`];
}

/** At commas; a terminal would fold anywhere. */
function folded(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const part of text.split(/(?<=, )/)) {
    if (line !== '' && line.length + part.trimEnd().length > columns) {
      lines.push(line.trimEnd());
      line = '  ';
    }
    line += part;
  }
  return [...lines, line];
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function textWidth(line: string): number {
  return widthOf(stripVTControlCharacters(line));
}

/** A line that is too long, without its colours. */
function cut(line: string, columns: number): string {
  if (textWidth(line) <= columns) return line;
  return `${stripVTControlCharacters(line).slice(0, Math.max(0, columns - 1))}…`;
}
