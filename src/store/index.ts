/**
 * The front door of the store: a device's queue and a gateway's store, what can go wrong between them and the disk, and
 * directories that last.
 */
export type {
  AppendExtras,
  Appended,
  BlockName,
  Damaged,
  Drop,
  Mark,
  NewBlock,
  Queue,
  QueueOptions,
  QueueView,
  Release,
} from './device-queue.ts';
export { makeDirectory, syncDirectory } from './directories.ts';
export { isNotFound, StoreError, type StoreErrorCode } from './errors.ts';
export { type FileLock, lockFile, ownerPid, runningOwner } from './folder-lock.ts';
export {
  type AcceptedBatch,
  type Admission,
  type BatchBody,
  type BatchExtent,
  type BatchTally,
  type Decide,
  type GatewayStore,
  type GatewayStoreStats,
  type GatewayStoreView,
  type PageKey,
  type PageKind,
  type PageOperator,
  type PageRange,
  type RetainedBatch,
  type RetentionLimits,
  SENSOR_BYTES_MAX,
  type StoredLedger,
  type StoredPage,
  type StreamKey,
  type TimeRange,
} from './gateway-store.ts';
export { type Holdings, NOTHING_HELD } from './holdings.ts';
export type { Range } from './intervals.ts';
export type { Comparison, Ledger, LedgerView, Segment } from './ledger.ts';
export { decodeLedger, encodeLedger } from './ledger-bytes.ts';
export { openQueue } from './queue.ts';
export { BLOCK_EVENTS_MAX, type Block, type ReadLimit } from './queue-blocks.ts';
export type { Gap, QuarantineEntry } from './queue-records.ts';
export { lookAtQueue } from './queue-view.ts';
export { lookAtGatewayStore, openRocksGatewayStore, type RocksGatewayStoreOptions } from './rocks-gateway-store.ts';
export type { GatewayCondition, StoreCondition, StoreReport } from './rot-watch.ts';
export { createLedger } from './segment-ledger.ts';
export { createWork, inTurns, type Work } from './stepped-work.ts';
export { createTurns, SHARED_TURNS, type Turns } from './time-slicing.ts';
