/** What can be wrong with the file of keys, or with what is to be changed in it. */

/**
 * - `keys-not-found`: there is no file, where a command is to read or change one.
 * - `keys-unreadable`: the file does not hold keys, or is gone where there was one or beside a database that has
 *   devices.
 * - `keys-locked`: another process is changing the file, and does not come to an end.
 * - `keys-foreign`: the file is another user's, who could not read it after the change.
 * - `keys-unwritable`: the disk did not take the change, and the keys are as they were.
 * - `device-id-invalid`: no text that can be an id.
 * - `device-exists`, `device-unknown`, `key-unknown`: as they say.
 * - `two-keys-live`: the device has as many as it may. `no-live-key`: there is nothing left to revoke.
 */
export type KeyFileErrorCode =
  | 'keys-not-found'
  | 'keys-unreadable'
  | 'keys-locked'
  | 'keys-foreign'
  | 'keys-unwritable'
  | 'device-id-invalid'
  | 'device-exists'
  | 'device-unknown'
  | 'key-unknown'
  | 'two-keys-live'
  | 'no-live-key';

export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
  readonly code: KeyFileErrorCode;

  constructor(code: KeyFileErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
