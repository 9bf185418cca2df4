/**
 * device: a durable queue on disk, and the loop that drains it to a gateway.
 *
 * Read in this order: device → recorder → sync → cutter → delivery → exchange → outcome.
 */
export { openDevice } from './assembly.ts';
export { askControl } from './control.ts';
export type {
  Device,
  DeviceEvents,
  DeviceStatus,
  Fields,
  RecordOptions,
} from './device.ts';
export { DeviceError, type DeviceErrorCode } from './errors.ts';
export { keepHeapSmall } from './heap.ts';
export type { LinkState, LinkStatus } from './link.ts';
export type { DeviceOptions } from './options.ts';
export type { QuarantinedEvent } from './quarantine.ts';
export type { Mark, Receipt } from './recorder.ts';
export type { SessionCounters } from './session.ts';
export type { TallyReport } from './tally.ts';
export type { Timer } from './timer.ts';
export type { Transport, TransportAnswer, TransportRequest } from './transport.ts';
