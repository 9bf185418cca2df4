/**
 * Serve: the command `tidegate-gateway serve`.
 *
 * Owns the life of one gateway process. Promises that SIGTERM answers what was accepted before the process ends, and
 * that SIGHUP reads keys and certificate anew. Never handles a request.
 */
import type { AddressInfo } from 'node:net';
import { CommandError, createLogger, onShutdown, type ProgramValues, type SettingValues } from '../cli/index.ts';
import { isLoopbackAddress } from './admin.ts';
import { readAdminToken } from './admin-token.ts';
import { type CertificateFiles, followCertificate, readIdentity } from './certificate-files.ts';
import { openGateway } from './gateway.ts';
import { connectionsThatFit } from './open-files.ts';
import type { serveSettings } from './settings.ts';

export async function serve(values: SettingValues<typeof serveSettings>, program: ProgramValues): Promise<void> {
  // Without a listener it ends the process, also one that has only just begun.
  let reload = () => {};
  const onHangUp = () => reload();
  process.on('SIGHUP', onHangUp);
  const log = createLogger('tidegate-gateway', program);
  const connectionsMax = Math.min(values.connectionsMax, await connectionsThatFit());
  if (connectionsMax < values.connectionsMax) {
    const cause = 'since it may open so few files: raise ulimit -n';
    log.warn({ code: 'few-files' }, `this process takes ${connectionsMax} connections only, ${cause}`);
  }
  const adminToken = await readAdminToken(values.adminTokenFile);
  const files = certificateFiles(values.tlsCert, values.tlsKey);
  const tls = files && (await readIdentity(files));
  const { app, showCertificate, reloadKeys } = await openGateway({
    data: values.data,
    adminToken,
    tls,
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
      connectionsMax,
      retainBytesMax: values.retainBytes,
      retainAgeMaxMs: values.retainAge,
    },
  });
  const shutdown = onShutdown(async (signal) => {
    log.info({ signal }, 'stopping; answering what was accepted');
    await app.close();
    log.info('stopped');
  });
  const certificate = files && tls && followCertificate({ files, shown: tls, show: showCertificate, logger: log });
  reload = () => {
    log.info('reading keys and certificate anew');
    void Promise.all([reloadKeys(), certificate?.reload()]);
  };
  try {
    const url = await app.listen(values.listen).catch((cause: NodeJS.ErrnoException) => {
      const { host, port } = values.listen;
      const why = WHY_NOT_LISTENING[cause.code ?? ''] ?? cause.message;
      throw new CommandError('listen-failed', `--listen: cannot listen on ${host} port ${port}: ${why}`);
    });
    const addresses = app.addresses();
    log.info({ url, addresses: addresses.map(addressText) }, 'listening');
    if (adminToken === undefined && !addresses.every(isLoopbackAddress)) {
      const said =
        'others can reach this address and there is no admin token, so nobody can read: give --admin-token-file';
      log.warn({ code: 'no-admin-token' }, said);
    }
    await shutdown.done;
  } finally {
    process.off('SIGHUP', onHangUp);
    certificate?.close();
    await app.close();
    shutdown.release();
  }
}

const WHY_NOT_LISTENING: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process does; is a gateway running already? Else give another port',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not; give a port above 1023',
  ENOTFOUND: 'no such host is known',
};

function certificateFiles(cert: string | undefined, key: string | undefined): CertificateFiles | undefined {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new CommandError('missing-value', '--tls-cert and --tls-key are needed together');
  }
  return { cert, key };
}

/** As it is: for all addresses of the machine Fastify names one of them. */
function addressText(address: AddressInfo | string): string {
  if (typeof address === 'string') return address;
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
