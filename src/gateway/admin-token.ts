/**
 * The admin token on its way into a command.
 *
 * Owns where it comes from: a file or the environment, never an argument. What one may be, and whether it is the right
 * one, is for `admin.ts` to say.
 */
import { CommandError, readSecret } from '../cli/index.ts';
import { type AdminTokenError, assertAdminToken } from './admin.ts';

const VARIABLE = 'TIDEGATE_ADMIN_TOKEN';

/** Undefined where there is none: then only this machine can read. `@throws CommandError` */
export async function readAdminToken(file: string | undefined): Promise<string | undefined> {
  if (file === undefined && !process.env[VARIABLE]) return undefined;
  const token = await readSecret({ name: 'admin token', flag: '--admin-token-file', file, variable: VARIABLE });
  try {
    assertAdminToken(token);
  } catch (error) {
    const { code, message } = error as AdminTokenError;
    throw new CommandError(code, `${file ?? VARIABLE}: ${message}`);
  }
  return token;
}
