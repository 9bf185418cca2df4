/**
 * Limits: every bound of the wire format in one place, each with its reason (proto-spec/batch.md, "Limits").
 *
 * Owns the numbers. Promises that a decoder checks each before it allocates for it. Never depends on configuration:
 * a gateway may be stricter, never laxer.
 */

/** Events in one batch. Four default batches: room to tune, while one request stays some ten milliseconds of work. */
export const BATCH_EVENTS_MAX = 65_536;

/** Events that one block, and so by default one batch, holds: beyond this what a request costs hardly counts. */
export const BLOCK_EVENTS_MAX = 16_384;

/** Bytes of one request body as sent. A minute of a slow cellular link. */
export const BODY_BYTES_MAX = 4 * 1024 * 1024;

/** Bytes of an answer's body. Ours take hundreds, 64 collisions 3,000; a captive portal's page may be cut off. */
export const ANSWER_BYTES_MAX = 64 * 1024;

/**
 * Bytes of one batch after inflating. Bounds what a hostile body can make a gateway allocate; whatever keeps to the
 * other limits stays below it.
 */
export const BATCH_BYTES_MAX = 32 * 1024 * 1024;

/**
 * Values over all columns of one batch. A constant column takes ten bytes on the wire whatever its length, so the
 * inflated size alone does not bound the memory that decoding takes; this does, at twenty bytes a value.
 */
export const BATCH_CELLS_MAX = 2 * 1024 * 1024;

/** Distinct texts over all columns of one batch, and their UTF-8 bytes: with the values, what a batch may weigh. */
export const BATCH_TEXTS_MAX = 65_536;
export const BATCH_TEXT_BYTES_MAX = 4 * 1024 * 1024;

/** Columns of one batch. Enough for devices with hundreds of channels, few enough to set up in a millisecond. */
export const COLUMNS_MAX = 512;

/** Sensors of one batch. Each costs a dictionary entry and, at the gateway, a few records. */
export const SENSORS_MAX = 4_096;

/** Fields of one event. */
export const FIELDS_MAX = 128;

/** UTF-8 bytes of a sensor's or field's name: they become parts of keys at the gateway. */
export const NAME_BYTES_MAX = 128;

/** UTF-8 bytes of one text value. Telemetry carries states and codes, not documents. */
export const TEXT_BYTES_MAX = 4_096;

/** Gaps declared by one batch, with a sum for each measure; a device with more sends them over several batches. */
export const GAPS_MAX = 16;

/** msgpack containers inside one another: batch → columns → fields → field → dictionary. */
export const DEPTH_MAX = 5;

/** msgpack values in one batch: all that the other limits allow, with a third to spare. */
export const NODES_MAX = 2 * BATCH_EVENTS_MAX;

/** Integers in columns, and epoch milliseconds: below 2^52, so that zigzag stays exact in a double. */
export const INTEGER_MAX = 2 ** 52 - 1;

/** Sequence numbers. */
export const SEQUENCE_MAX = Number.MAX_SAFE_INTEGER;

/** Powers of ten that a double holds exactly; beyond them a division would round twice. */
export const SCALE_MAX = 22;

/** Device ids, key ids: they stand in headers, signatures and keys, so nothing in them needs quoting. */
export const ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;
