/**
 * CertificateFiles: a certificate and its key that follow their files.
 *
 * Owns when they are read. Promises that a renewed certificate is shown within about a second, that one which does not
 * fit its key, as between the writing of two files, leaves the one before in place and is tried again, that this is
 * said once for each reason, and that one which devices refuse for its dates, or soon will, is spoken of. Never shows
 * one that it could not read whole.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { CommandError, certificateProblem, type Logger, readPlainFile, unreadable } from '../cli/index.ts';
import type { TlsIdentity } from './http-server.ts';

export interface CertificateFiles {
  /** PEM, a chain. */
  readonly cert: string;
  readonly key: string;
}

export interface FollowedCertificate {
  /** Reads the files now, changed or not. */
  reload(): Promise<void>;
  /** Stops following. */
  close(): void;
}

export interface FollowOptions {
  readonly files: CertificateFiles;
  /** What was read of them last. */
  readonly shown: TlsIdentity;
  readonly show: (identity: TlsIdentity) => void;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly clock?: () => number;
  /** How often to look; those who renew certificates put a link to another place, which no file system tells of. */
  readonly pollMs?: number;
}

const POLL_MS = 1_000;
const DAY_MS = 24 * 3_600_000;
/** Time enough for whoever renews it by hand. */
const EXPIRES_SOON_MS = 14 * DAY_MS;

/** @throws CommandError `tls-unreadable`, or `tls-invalid` where they are no certificate and its key */
export async function readIdentity({ cert, key }: CertificateFiles): Promise<TlsIdentity> {
  const read = (flag: string, path: string) =>
    readPlainFile(path).catch((cause: unknown) => {
      throw new CommandError('tls-unreadable', `${flag}: ${unreadable(path, cause)}`, { cause });
    });
  const identity = { cert: await read('--tls-cert', cert), key: await read('--tls-key', key) };
  const problem = certificateProblem(identity.cert);
  if (problem !== undefined) throw new CommandError('tls-invalid', `--tls-cert: ${cert} ${problem}`);
  try {
    // A file that is just being written is empty, and a context without a certificate is one all the same.
    const fits = new X509Certificate(identity.cert).checkPrivateKey(createPrivateKey(identity.key));
    if (!fits) throw new Error('the key is that of another certificate');
    createSecureContext(identity);
  } catch (cause) {
    throw new CommandError('tls-invalid', `${cert} and ${key} are no certificate and its key`, { cause });
  }
  return identity;
}

export function followCertificate(options: FollowOptions): FollowedCertificate {
  const { files, show, logger, pollMs = POLL_MS, clock = Date.now } = options;
  let { shown } = options;
  // They may have changed since, so the first look reads them.
  let version = '';
  let failure = '';
  let looking: Promise<void> | undefined;
  /** When, and of which certificate, its dates were spoken of. */
  let told = { cert: '', at: 0 };
  speakOfDates();
  const timer = setInterval(() => {
    speakOfDates();
    looking ??= look().finally(() => {
      looking = undefined;
    });
  }, pollMs);
  timer.unref();

  /** Once a day at most, unless it is another one. */
  function speakOfDates(): void {
    const now = clock();
    if (told.cert === shown.cert && Math.abs(now - told.at) < DAY_MS) return;
    told = { cert: shown.cert, at: now };
    const trouble = troubleWithDates(shown.cert, now);
    if (trouble === undefined) return;
    const { code, said } = trouble;
    const { subject, validFrom, validTo } = new X509Certificate(shown.cert);
    logger.warn({ code, subject, validFrom, validTo, file: files.cert }, said);
  }

  async function look(): Promise<void> {
    if ((await versionOf(files)) !== version) await reload();
  }

  async function reload(): Promise<void> {
    // In this order: a change between the two is seen as one at the next look. Remembered only once it was read.
    const found = await versionOf(files);
    try {
      const identity = await readIdentity(files);
      show(identity);
      const isNew = identity.cert !== shown.cert;
      [shown, version, failure] = [identity, found, ''];
      speakOfDates();
      if (!isNew) return;
      const { subject, validTo } = new X509Certificate(identity.cert);
      logger.info({ subject, validTo }, 'certificate read anew; new connections are shown it');
    } catch (err) {
      const { code, message } = err as CommandError;
      if (message === failure) return;
      failure = message;
      logger.error({ code, err }, 'the certificate stays as it was, and its files are tried again');
    }
  }

  return {
    async reload() {
      await looking;
      await reload();
    },
    close: () => clearInterval(timer),
  };
}

function troubleWithDates(cert: string, now: number): { code: string; said: string } | undefined {
  const { validFrom, validTo } = new X509Certificate(cert);
  const renew = 'put a renewed one and its key in place of the files: they are read by themselves';
  if (now >= Date.parse(validTo))
    return { code: 'tls-expired', said: `the certificate has expired, and devices refuse it: ${renew}` };
  if (now < Date.parse(validFrom))
    return {
      code: 'tls-not-yet',
      said: 'the certificate is not valid yet, and devices refuse it: is the clock right?',
    };
  if (now >= Date.parse(validTo) - EXPIRES_SOON_MS)
    return { code: 'tls-expires', said: `the certificate expires soon, and devices will refuse it: ${renew}` };
  return undefined;
}

async function versionOf(files: CertificateFiles): Promise<string> {
  const versions = [files.cert, files.key].map(async (path) => {
    const found = await stat(path, { bigint: true }).catch(() => undefined);
    return found === undefined ? '' : `${found.dev} ${found.ino} ${found.mtimeNs} ${found.ctimeNs} ${found.size}`;
  });
  return (await Promise.all(versions)).join(', ');
}
