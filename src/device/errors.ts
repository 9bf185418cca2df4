/**
 * DeviceError: what a device tells the program that uses it.
 *
 * Owns the codes that are neither about an event's form (`CodecError`) nor about the disk (`StoreError`). Promises that
 * an event whose `record()` was refused is not in the queue. Never thrown for the network: that is data, see `Outcome`.
 */

/**
 * - `options-invalid`: an option is missing or out of range.
 * - `overloaded`: more events wait for their commit than memory should hold; record more slowly or await `record()`.
 * - `queue-full`: the queue has reached `queueBytesMax` and may not drop events.
 * - `closed`: the device is closed.
 * - `no-answer`: a device runs and does not answer a second command.
 */
export type DeviceErrorCode = 'options-invalid' | 'overloaded' | 'queue-full' | 'closed' | 'no-answer';

export class DeviceError extends Error {
  override readonly name = 'DeviceError';
  readonly code: DeviceErrorCode;

  constructor(code: DeviceErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
