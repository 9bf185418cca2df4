/**
 * Screen: the demo as a person sees it.
 *
 * Owns the tables and the words. Promises 80 columns for usual figures, and colours only on a terminal. Never changes
 * anything.
 */
import Table from 'cli-table3';
import type { FaultName } from '../rig/link/faults.ts';
import { type BalanceRow, difference } from './balance.ts';
import type { Scene } from './demo.ts';
import type { DeviceFigures } from './device-program.ts';

const COLUMNS: readonly (readonly [title: string, alignment: 'left' | 'right'])[] = [
  ['device', 'left'],
  ['recorded', 'right'],
  ['queued', 'right'],
  ['delivered', 'right'],
  ['dupli-\ncates', 'right'],
  ['retries', 'right'],
  ['device\nvolume', 'right'],
  ['gateway\nvolume', 'right'],
  ['', 'right'],
  ['link', 'left'],
];

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

export function liveText(scene: Scene, paint: Paint, columns: number): string {
  const hint =
    scene.phase === 'draining' ? 'the link is healed; draining …' : 'Ctrl-C heals the link, drains and reconciles';
  return [
    `${paint.bold('tidegate')}  the gateway’s page: ${scene.pageUrl}${scene.gatewayAnswers ? '' : paint.bad('  down')}`,
    '',
    figuresTable(scene, paint, columns),
    '',
    ...folded(faultText(scene, groupOf), columns),
    ...killLines(scene),
    '',
    paint.faint(hint),
  ].join('\n');
}

/** What the demo ends with. */
export function reconciliationText(scene: Scene, paint: Paint, columns: number): string {
  const { total } = scene.balance;
  return [
    figuresTable(scene, paint, columns),
    '',
    ...folded(
      faultText(scene, (name) => name),
      columns,
    ),
    ...killLines(scene),
    `${number(total.delivered)} events in ${(scene.elapsedMs / 1_000).toFixed(1)} s`,
    '',
    verdictOn(scene, paint),
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

function verdictOn({ isComplete, gatewayAnswers, balance }: Scene, paint: Paint): string {
  if (!gatewayAnswers) return paint.bad('The gateway does not answer.');
  if (!isComplete) return paint.bad('The time was up before everything was delivered.');
  return balance.total.match
    ? paint.good('Every event was counted exactly once, and every sum agrees to the last digit.')
    : paint.bad('The two sides do not agree.');
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

function figuresTable({ devices, balance }: Scene, paint: Paint, columns: number): string {
  const isWide = columns >= WIDE_COLUMNS;
  const table = new Table({
    head: COLUMNS.map(([title]) => paint.faint(title)),
    colAligns: COLUMNS.map(([, alignment]) => alignment),
    chars: { ...NO_LINES, middle: isWide ? '   ' : ' ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  table.push(...balance.rows.map((row, at) => cellsOf(row, linkText(devices[at]!, paint, isWide), paint)));
  if (balance.rows.length > 1) table.push(cellsOf(balance.total, '', paint).map(paint.bold));
  return table.toString();
}

function cellsOf(row: BalanceRow, link: string, paint: Paint): string[] {
  const { id, recorded, queued, delivered, duplicatesRefused, retries, deviceVolume, gatewayVolume, match } = row;
  const open = difference(deviceVolume, gatewayVolume);
  return [
    id,
    ...[recorded, queued, delivered, duplicatesRefused, retries].map(number),
    deviceVolume,
    gatewayVolume,
    match ? paint.good('✓') : paint.faint(open.startsWith('-') ? open : `+${open}`),
    link,
  ];
}

function linkText({ link, reason }: DeviceFigures, paint: Paint, isWide: boolean): string {
  const text = isWide && reason !== null ? `${link}: ${reason.slice(0, REASON_CHARS_MAX)}` : link;
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
