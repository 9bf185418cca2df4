/**
 * Heap: what a process takes for objects that live a moment.
 *
 * Owns the size of V8's young generation in a process that is nothing but a device. Promises some 20 MB less at full
 * speed, at no cost that could be measured: what a device throws away is mostly columns, and those lie elsewhere
 * (`arena.ts`).
 */
import { setFlagsFromString } from 'node:v8';

/** To be called before anything else is done; a program that does other things besides may be better off without. */
export function keepHeapSmall(): void {
  // It would be doubled up to 16 MB whenever a good part of it survives, and take three times that.
  setFlagsFromString('--semi-space-growth-factor=1');
}
