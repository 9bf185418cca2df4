/**
 * Serve: the command `tidegate-gateway serve`.
 *
 * Owns the life of one gateway process. Promises that SIGTERM answers what was accepted before the process ends. Never
 * handles a request.
 */
import { readFile } from 'node:fs/promises';
import { CommandError, createLogger, onShutdown, type ProgramValues, type SettingValues } from '../cli/index.ts';
import { readAdminToken } from './admin-token.ts';
import { createGateway } from './gateway.ts';
import type { serveSettings } from './settings.ts';

export async function serve(values: SettingValues<typeof serveSettings>, program: ProgramValues): Promise<void> {
  const log = createLogger('tidegate-gateway', program);
  const app = await createGateway({
    data: values.data,
    adminToken: await readAdminToken(values.adminTokenFile),
    tls: await readTls(values.tlsCert, values.tlsKey),
    logger: log,
    limits: {
      eventsMax: values.eventsMax,
      bodyBytesMax: values.bodyBytesMax,
      sensorsMax: values.sensorsMax,
      rangesMax: values.rangesMax,
      streamsMax: values.streamsMax,
      streamsPerDay: values.streamsPerDay,
      pageBytesMax: values.pageBytes,
      pageBytesPerDay: values.pageBytesPerDay,
      windowMs: values.window,
      bytesInFlightMax: values.bytesInFlight,
      connectionsMax: values.connectionsMax,
      retainBytesMax: values.retainBytes,
      retainAgeMaxMs: values.retainAge,
    },
  });
  const shutdown = onShutdown(async (signal) => {
    log.info({ signal }, 'stopping; answering what was accepted');
    await app.close();
    log.info('stopped');
  });
  try {
    log.info({ url: await app.listen(values.listen) }, 'listening');
    await shutdown.done;
  } finally {
    await app.close();
    shutdown.release();
  }
}

async function readTls(cert: string | undefined, key: string | undefined) {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new CommandError('missing-value', '--tls-cert and --tls-key are needed together');
  }
  return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
}
