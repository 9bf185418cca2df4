/**
 * How a write is handed over to RocksDB, which copies it, before it is made at once.
 *
 * A large one is handed over in pieces, and the event loop runs in between. It is one write all the same.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Operation } from './rocks-range.ts';

/** What is handed over between two turns of the event loop. */
const OPERATIONS_AT_ONCE = 512;
const BYTES_AT_ONCE = 1 << 20;

/** Gathers operations. */
export interface OperationBatch {
  put(key: Buffer, value: Buffer): unknown;
  del(key: Buffer): unknown;
}

export function isInOnePiece(operations: readonly Operation[]): boolean {
  if (operations.length > OPERATIONS_AT_ONCE) return false;
  let bytes = 0;
  for (const operation of operations) bytes += bytesOf(operation);
  return bytes <= BYTES_AT_ONCE;
}

export async function handOver(operations: readonly Operation[], batch: OperationBatch): Promise<void> {
  let count = 0;
  let bytes = 0;
  for (const operation of operations) {
    if (operation.type === 'put') batch.put(operation.key, operation.value);
    else batch.del(operation.key);
    count += 1;
    bytes += bytesOf(operation);
    if (count < OPERATIONS_AT_ONCE && bytes < BYTES_AT_ONCE) continue;
    count = 0;
    bytes = 0;
    await nextTurn();
  }
}

function bytesOf(operation: Operation): number {
  return operation.type === 'put' ? operation.key.length + operation.value.length : operation.key.length;
}
