/**
 * The admin token on its way into a command.
 *
 * Owns where it comes from: a file or the environment, never an argument. Never checks one: that is `admin.ts`.
 */
import { readSecret } from '../cli/index.ts';

const VARIABLE = 'TIDEGATE_ADMIN_TOKEN';

/** Undefined where there is none: then only this machine can read. */
export async function readAdminToken(file: string | undefined): Promise<string | undefined> {
  if (file === undefined && !process.env[VARIABLE]) return undefined;
  return readSecret({ name: 'admin token', flag: '--admin-token-file', file, variable: VARIABLE });
}
