/**
 * codec: events, batches, bodies and signatures as bytes. Pure: no I/O, no clock, no randomness.
 *
 * Read in this order: event → table → columns → batch → compression → signature → answer.
 */

export * from './answer.ts';
export * from './arena.ts';
export * from './batch.ts';
export { decodeColumns, decodeColumnsInSteps, encodeColumns, encodeColumnsInSteps } from './columns.ts';
export * from './compression.ts';
export * from './credential.ts';
export * from './decimal.ts';
export * from './description.ts';
export * from './digest.ts';
export * from './errors.ts';
export * from './event.ts';
export * from './limits.ts';
export { type Measures, sumMeasures } from './measures.ts';
export * from './signature.ts';
export * from './steps.ts';
export * from './table.ts';
export * from './table-builder.ts';
