/**
 * The command `tidegate-gateway totals`.
 *
 * Owns what it prints, and where from: the database itself, or the gateway that has it open. Promises the same totals
 * either way. Never changes anything.
 */
import { access } from 'node:fs/promises';
import { CommandError, type SettingValues, tableLines } from '../cli/index.ts';
import { StoreError } from '../store/index.ts';
import { readAdminToken } from './admin-token.ts';
import { openStore } from './data.ts';
import { createFleet } from './fleet.ts';
import type { totalsSettings } from './settings.ts';
import { type TotalsView, totalsView } from './views.ts';

type TotalsValues = SettingValues<typeof totalsSettings>;

export async function printTotals(values: TotalsValues): Promise<void> {
  const totals = await readTotals(values);
  const { measures, ...counts } = totals;
  if (values.json) {
    process.stdout.write(`${JSON.stringify(totals)}\n`);
    return;
  }
  const rows = [
    ...Object.entries(counts).map(([name, count]) => [name, String(count)]),
    ...Object.entries(measures).map(([name, { count, sum, min, max }]) => {
      return [name, `${sum}  (${count} values from ${min} to ${max})`];
    }),
  ];
  process.stdout.write(`${tableLines(rows).join('\n')}\n`);
}

async function readTotals({ url, data, adminTokenFile }: TotalsValues): Promise<TotalsView> {
  if (url !== undefined) return askGateway(url, await readAdminToken(adminTokenFile));
  if (data !== undefined) return readStore(data);
  throw new CommandError('missing-value', 'give --data of a gateway that is not running, or --url of one that is');
}

async function readStore(folder: string): Promise<TotalsView> {
  await access(folder).catch((cause: unknown) => {
    throw new CommandError('bad-value', `there is no gateway's data in ${folder}`, { cause });
  });
  const store = await openStore(folder).catch((cause: unknown) => {
    if (!(cause instanceof StoreError && cause.code === 'locked')) throw cause;
    throw new CommandError('bad-value', `a gateway is running on ${folder}: ask it with --url`);
  });
  try {
    return totalsView(await createFleet(store).totals(), 0);
  } finally {
    await store.close();
  }
}

async function askGateway(url: URL, token: string | undefined): Promise<TotalsView> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await fetch(new URL('/v1/totals', url), { headers });
  if (answer.ok) return (await answer.json()) as TotalsView;
  throw new Error(`${url.origin} answered ${answer.status}: ${(await answer.text()).slice(0, 200)}`);
}
