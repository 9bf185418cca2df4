/**
 * Steps of a start, and of its end: the failpoints from the lock of a folder to its release.
 *
 * Owns on which side each lies. A test holds the list, together with the steps of an event's way, against `src`.
 */

export interface StartStep {
  readonly name: string;
  readonly sides: readonly ('device' | 'gateway')[];
}

export const START_STEPS: readonly StartStep[] = [
  { name: 'queue-locked', sides: ['device'] },
  { name: 'store-locked', sides: ['gateway'] },
  { name: 'files-checked', sides: ['device', 'gateway'] },
  { name: 'queue-opened', sides: ['device'] },
  { name: 'store-opened', sides: ['gateway'] },
  { name: 'queue-closed', sides: ['device'] },
  { name: 'store-closed', sides: ['gateway'] },
];
