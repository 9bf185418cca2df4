/**
 * Settings: the flags of `tidegate-gateway`.
 *
 * Owns their names, bounds and defaults; each can also come from the environment or the config file. Never reads
 * secrets.
 */
import { duration, httpUrl, integer, listenAddress, settings, size, text, toggle } from '../cli/index.ts';
import { BATCH_EVENTS_MAX } from '../codec/index.ts';

export const dataSettings = settings({
  data: ['--data <dir>', 'directory of the database and the keys', text()],
});

export const jsonSettings = settings({
  json: ['--json', 'as JSON', toggle().prefault(false)],
});

const tokenSettings = settings({
  adminTokenFile: [
    '--admin-token-file <file>',
    'token of the read routes; or TIDEGATE_ADMIN_TOKEN holds it',
    text().optional(),
  ],
});

export const serveSettings = settings({
  ...dataSettings,
  ...tokenSettings,
  listen: ['--listen <address>', 'HOST:PORT; port 0 takes a free one', listenAddress().prefault('127.0.0.1:8787')],
  tlsCert: ['--tls-cert <file>', 'PEM certificate chain; with --tls-key', text().optional()],
  tlsKey: ['--tls-key <file>', 'PEM private key', text().optional()],
  retainBytes: ['--retain-bytes <size>', 'accepted batches to keep', size().prefault('1GiB')],
  retainAge: ['--retain-age <time>', 'how long to keep accepted batches', duration().prefault('30d')],
  eventsMax: [
    '--events-max <count>',
    'events of one batch',
    integer({ min: 1, max: BATCH_EVENTS_MAX }).prefault(String(BATCH_EVENTS_MAX)),
  ],
  bodyBytesMax: ['--body-bytes-max <size>', 'bytes of one body', size({ min: '1KiB', max: '4MiB' }).prefault('4MiB')],
  sensorsMax: ['--sensors-max <count>', 'sensors of one device', integer({ min: 1 }).prefault('10000')],
  rangesMax: [
    '--ranges-max <count>',
    'separate ranges of counted events of one device',
    integer({ min: 1 }).prefault('50000'),
  ],
  streamsMax: ['--streams-max <count>', 'streams that a new device may have', integer({ min: 1 }).prefault('10000')],
  streamsPerDay: [
    '--streams-per-day <count>',
    'streams of one device, more with each day',
    integer({ min: 0 }).prefault('2000'),
  ],
  pageBytes: [
    '--page-bytes <size>',
    'bytes of stored sums that a new device may have',
    size({ min: '1MiB' }).prefault('8GiB'),
  ],
  pageBytesPerDay: ['--page-bytes-per-day <size>', 'bytes of stored sums, more with each day', size().prefault('1GiB')],
  window: ['--window <time>', 'how far a device’s clock may be off', duration({ min: '1s' }).prefault('5m')],
  bytesInFlight: [
    '--bytes-in-flight <size>',
    'requests taken on at once, before devices are asked to wait',
    size({ min: '8MiB' }).prefault('64MiB'),
  ],
  connectionsMax: ['--connections-max <count>', 'open connections', integer({ min: 1 }).prefault('10000')],
});

export const addKeySettings = settings({
  ...dataSettings,
  ...jsonSettings,
  secretFile: [
    '--secret-file <file>',
    'write the credential to this new file instead of standard output',
    text().optional(),
  ],
});

export const keySettings = settings({ ...dataSettings, ...jsonSettings });

export const totalsSettings = settings(
  {
    ...tokenSettings,
    ...jsonSettings,
    data: ['--data <dir>', 'directory of a gateway on this machine, running or not', text().optional()],
    url: ['--url <url>', 'address of a gateway that runs, here or elsewhere', httpUrl().optional()],
    ca: ['--ca <file>', 'PEM certificates to trust for --url, instead of the usual ones', text().optional()],
  },
  [['data', 'url']],
);
