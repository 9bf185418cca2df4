/**
 * KeyRing: the keys that a gateway checks signatures with.
 *
 * Owns the port between ingest and wherever keys are kept. Promises look-ups that never wait. Never makes or changes a
 * key.
 */

export interface Key {
  readonly secret: Uint8Array;
  /** Kept, so that the device can be told so in an answer that it can verify. */
  readonly revoked: boolean;
}

export interface KeyRing {
  lookup(deviceId: string, keyId: string): Key | undefined;
}
