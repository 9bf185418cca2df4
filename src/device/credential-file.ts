/**
 * CredentialFile: a device's key, which follows its file.
 *
 * Owns when it is read. Promises that a key which is put in the place of one that the gateway refuses is used within
 * about a second, that a file which holds none leaves the key in place, and that each reason is said once.
 */
import { CommandError, type Logger, readSecret } from '../cli/index.ts';
import { parseCredential } from '../codec/index.ts';
import type { Device } from './device.ts';
import type { LinkStatus } from './link-status.ts';

const VARIABLE = 'TIDEGATE_SECRET';
const POLL_MS = 1_000;

export interface FollowedCredential {
  /** Reads the file now, changed or not. */
  reload(): Promise<void>;
  /** Stops following. */
  close(): void;
}

export interface FollowOptions {
  /** Undefined where the environment holds the credential: then there is nothing to follow. */
  readonly file: string | undefined;
  /** What was read of it last. */
  readonly used: string;
  readonly device: Pick<Device, 'status' | 'setCredential' | 'on' | 'off'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** How often to look while the gateway refuses the key. */
  readonly pollMs?: number;
}

/** @throws CommandError: those of `readSecret`, and `secret-invalid` where it is no credential */
export async function readCredential(file: string | undefined): Promise<string> {
  const credential = await readSecret({ name: 'device credential', flag: '--secret-file', file, variable: VARIABLE });
  if (parseCredential(credential)) return credential;
  const where = file === undefined ? VARIABLE : `--secret-file: the first line of ${file}`;
  throw new CommandError('secret-invalid', `${where} must be <key id>.<secret>, as tidegate-gateway keys add wrote it`);
}

export function followCredential(options: FollowOptions): FollowedCredential {
  const { file, device, log, pollMs = POLL_MS } = options;
  let { used } = options;
  let failure = '';
  let looking: Promise<boolean> | undefined;
  let timer: NodeJS.Timeout | undefined;

  /** False where the key is the one before. */
  const look = async (): Promise<boolean> => {
    try {
      const found = await readCredential(file);
      failure = '';
      if (found === used) return false;
      used = found;
      device.setCredential(found);
      log.info({ key: parseCredential(found)!.keyId }, `${file} holds another key: it is used from now on`);
      return true;
    } catch (error) {
      const { code, message } = error as CommandError;
      if (message !== failure) log.warn({ code, reason: message }, `the key before stays in use: ${message}`);
      failure = message;
      return true;
    }
  };
  const lookOnce = (): Promise<boolean> => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const follow = ({ code }: Pick<LinkStatus, 'code'>): void => {
    clearInterval(timer);
    if (file === undefined || !isAboutKey(code)) return;
    timer = setInterval(lookOnce, pollMs);
    timer.unref();
  };

  device.on('link', follow);
  follow(device.status().link);
  return {
    async reload() {
      if (file === undefined) {
        const said = `nothing is read anew: the key comes from ${VARIABLE}, and not from a --secret-file`;
        log.warn({ code: 'secret-not-read' }, said);
        return;
      }
      // A look that is under way may have read it before it changed.
      await looking;
      failure = '';
      if (!(await lookOnce())) log.info(`${file} was read anew, and holds the key that is in use`);
    },
    close() {
      clearInterval(timer);
      device.off('link', follow);
    },
  };
}

/** An unknown key, and a wrong secret, can only be refused without a signature. */
function isAboutKey(code: string | null): boolean {
  return code === 'key-revoked' || code === 'key-unknown' || code === 'unsigned-401' || code === 'unsigned-403';
}
