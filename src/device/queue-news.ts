/**
 * What a queue finds out about its disk, on its way to the device.
 *
 * Owns what is found out while the queue is opened, when there is no device yet. Promises that it is told once
 * listeners can be there. The gaps of an opening are on disk, so that the device has counted them by then.
 */
import type { Gap, QueueOptions, StoreError } from '../store/index.ts';
import type { Device } from './device.ts';
import type { Gaps } from './gaps.ts';

interface Told extends Pick<Device, 'emit'> {
  damaged(gap: Gap): void;
  late(): void;
}

export interface QueueNews {
  readonly callbacks: Pick<QueueOptions, 'onDamage' | 'onLate' | 'onRot'>;
  /** From now on everything goes to the device. */
  handTo(device: Told, gaps: Gaps): void;
}

export function createQueueNews(): QueueNews {
  let told: Told | undefined;
  const lost: Gap[] = [];
  const rotten: StoreError[] = [];
  return {
    callbacks: {
      onDamage: (gap) => (told === undefined ? void lost.push(gap) : told.damaged(gap)),
      onLate: () => told?.late(),
      onRot: (error) => void (told === undefined ? rotten.push(error) : told.emit('fault', error)),
    },
    handTo(device, gaps) {
      told = device;
      const declared = lost.map((gap) => gaps.add(gap).declared);
      // Whoever opens the device listens once that has resolved.
      setImmediate(() => {
        for (const error of rotten) device.emit('fault', error);
        for (const gap of declared) device.emit('gap', gap);
      });
    },
  };
}
