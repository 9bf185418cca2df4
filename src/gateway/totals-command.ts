/**
 * The command `tidegate-gateway totals`.
 *
 * Owns what it prints, and where from: the database itself, or the gateway that runs on it. Promises the same totals
 * either way. Never changes anything, nor makes a file or folder.
 */
import { Agent, request } from 'undici';
import { CommandError, isUntrusted, readCertificates, type SettingValues, tableLines } from '../cli/index.ts';
import { isNotFound } from '../store/index.ts';
import { readAdminToken } from './admin-token.ts';
import { lookAtStore } from './data.ts';
import { createFleet } from './fleet.ts';
import type { totalsSettings } from './settings.ts';
import { type TotalsView, totalsView } from './views.ts';

type TotalsValues = SettingValues<typeof totalsSettings>;

export async function printTotals(values: TotalsValues): Promise<void> {
  const totals = await readTotals(values);
  const { measures, measuresCut, ...counts } = totals;
  if (values.json) {
    process.stdout.write(`${JSON.stringify(totals)}\n`);
    return;
  }
  const rows = [
    ...Object.entries(counts).map(([name, count]) => [name, String(count)]),
    ...Object.entries(measures).map(([name, { count, sum, min, max }]) => {
      return [name, `${sum}  (${count} values from ${min} to ${max})`];
    }),
    ...(measuresCut ? [['…', 'more measures than are listed here']] : []),
  ];
  process.stdout.write(`${tableLines(rows).join('\n')}\n`);
}

async function readTotals({ url, data, ca, adminTokenFile }: TotalsValues): Promise<TotalsView> {
  if (url !== undefined && data !== undefined) {
    throw new CommandError('usage', '--data and --url are both set: give one of them, totals are of one gateway');
  }
  if (url !== undefined) {
    return askGateway(url, await readAdminToken(adminTokenFile), ca && (await readCertificates('--ca', ca)));
  }
  if (data !== undefined) return readStore(data);
  throw new CommandError('missing-value', 'give --data of a gateway on this machine, or --url of one that runs');
}

/** Beside a gateway that runs on it, too. Rejects with `not-found` where no gateway was. */
async function readStore(folder: string): Promise<TotalsView> {
  try {
    return await lookAtStore(folder, async (store) => totalsView(await createFleet(store).totals(), 0));
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const said = `there is no database of a gateway in ${folder}: --data names the folder that \`serve\` has`;
    throw new CommandError('not-found', said);
  }
}

async function askGateway(url: URL, token: string | undefined, ca: string | undefined): Promise<TotalsView> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const dispatcher = new Agent({
    connect: { timeout: SILENT_MS, ...(ca !== undefined && { ca }) },
    headersTimeout: SILENT_MS,
    bodyTimeout: SILENT_MS,
  });
  try {
    const { statusCode, body } = await request(routeOf(url), { headers, dispatcher }).catch((cause: unknown) => {
      throw unreachable(url, cause as NodeJS.ErrnoException, ca);
    });
    const text = await body.text().catch((cause: unknown) => {
      throw unreachable(url, cause as NodeJS.ErrnoException, ca);
    });
    if (statusCode === 200) return JSON.parse(text) as TotalsView;
    throw new Error(`${url.origin} answered ${statusCode}: ${text.slice(0, 200)}`);
  } finally {
    await dispatcher.destroy();
  }
}

/** Below the path of the address, as devices have it. */
function routeOf(url: URL): URL {
  const route = new URL(url);
  route.pathname = `${url.pathname.replace(/\/$/, '')}/v1/totals`;
  return route;
}

/** A gateway tells its totals at once; one that says nothing for so long hangs, or was stopped. */
const SILENT_MS = 10_000;

function unreachable(url: URL, cause: NodeJS.ErrnoException, ca: string | undefined): Error {
  const code = cause.code ?? 'unreachable';
  if (/^UND_ERR_(?:HEADERS|BODY|CONNECT)_TIMEOUT$/.test(code)) {
    const said = `${url.origin} has not answered for ${SILENT_MS / 1e3} s: it hangs, was stopped, or is no gateway`;
    return Object.assign(new Error(said, { cause }), { code: 'no-answer' });
  }
  if (!isUntrusted(code)) return Object.assign(new Error(`cannot reach ${url.origin}`, { cause }), { code });
  const advice =
    ca === undefined ? 'give that of its authority with --ca FILE' : 'that of its authority is not in the --ca file';
  return Object.assign(new Error(`the certificate of ${url.origin} is not trusted: ${advice}`, { cause }), { code });
}
