/**
 * Screen: the demo as a person sees it.
 *
 * Owns the tables and the words. Promises 80 columns for usual figures, and colours only on a terminal. Never changes
 * anything.
 */
import Table from 'cli-table3';
import { type BalanceRow, difference } from './balance.ts';
import type { Scene } from './demo.ts';
import type { DeviceFigures } from './device-program.ts';

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

export function liveText(scene: Scene, paint: Paint): string {
  const hint =
    scene.phase === 'draining' ? 'the link is healed; draining …' : 'Ctrl-C heals the link, drains and reconciles';
  return [
    `${paint.bold('tidegate')}  the gateway’s page: ${scene.pageUrl}`,
    '',
    figuresTable(scene, paint),
    '',
    ...happenings(scene),
    ...reasons(scene.devices).map(paint.faint),
    '',
    paint.faint(hint),
  ].join('\n');
}

/** What the demo ends with. */
export function reconciliationText(scene: Scene, paint: Paint): string {
  const { total } = scene.balance;
  return [
    figuresTable(scene, paint),
    '',
    ...happenings(scene),
    `${number(total.delivered)} events in ${(scene.elapsedMs / 1_000).toFixed(1)} s`,
    '',
    total.match
      ? paint.good('Every event was counted exactly once, and every sum agrees to the last digit.')
      : paint.bad(scene.inTime ? 'The two sides do not agree.' : 'The time was up before everything was delivered.'),
  ].join('\n');
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

function figuresTable({ devices, balance }: Scene, paint: Paint): string {
  const head = [
    'device',
    'recorded',
    'queued',
    'delivered',
    'dupli-\ncates',
    'retries',
    'link',
    'device\nvolume',
    'gateway\nvolume',
    '',
  ];
  const right = [
    'recorded',
    'queued',
    'delivered',
    'dupli-\ncates',
    'retries',
    'device\nvolume',
    'gateway\nvolume',
    '',
  ];
  const places = [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
  ] as const;
  const inner = ['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'] as const;
  const table = new Table({
    head: head.map(paint.faint),
    colAligns: head.map((name) => (right.includes(name) ? 'right' : 'left')),
    chars: { ...Object.fromEntries([...places, ...inner].map((place) => [place, ''])), middle: ' ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  balance.rows.forEach((row, at) => table.push(cellsOf(row, linkText(devices[at]!, paint), paint)));
  if (balance.rows.length > 1) table.push(cellsOf(balance.total, '', paint).map(paint.bold));
  return table.toString();
}

function cellsOf(row: BalanceRow, link: string, paint: Paint): string[] {
  const { id, recorded, queued, delivered, duplicatesRefused, retries, deviceVolume, gatewayVolume, match } = row;
  const open = difference(deviceVolume, gatewayVolume);
  return [
    id,
    number(recorded),
    number(queued),
    number(delivered),
    number(duplicatesRefused),
    number(retries),
    link,
    deviceVolume,
    gatewayVolume,
    match ? paint.good('✓') : paint.faint(open.startsWith('-') ? open : `+${open}`),
  ];
}

function linkText({ link }: DeviceFigures, paint: Paint): string {
  if (link === 'online' || link === 'done') return paint.good(link);
  return link === 'connecting' ? paint.faint(link) : paint.bad(link);
}

function reasons(devices: readonly DeviceFigures[]): string[] {
  return devices.flatMap(({ id, link, reason }) => (reason === null ? [] : [`${id} ${link}: ${reason}`]));
}

function happenings({ link, kills }: Scene): string[] {
  const kinds = Object.entries(link.faults).sort(([, a], [, b]) => b - a);
  const named = kinds.map(([name, count]) => `${name} ${count}`).join(', ');
  return [
    link.faultsInjected === 0 ? 'faults injected: none' : `faults injected: ${number(link.faultsInjected)} (${named})`,
    ...(kills.length > 0 ? [`kill -9: ${kills.length}, the last to ${kills.at(-1)}`] : []),
  ];
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
