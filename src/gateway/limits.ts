/**
 * Limits: every bound and every patience of a gateway in one place, each with its reason.
 *
 * Owns the numbers. Promises that a gateway is never laxer than the wire format's own limits. Never depends on the
 * machine: whoever runs a gateway sets what differs.
 */
import { BATCH_BYTES_MAX, BATCH_EVENTS_MAX, BODY_BYTES_MAX, SENSORS_MAX } from '../codec/index.ts';
import type { FlowOptions } from './flow.ts';
import { checkLimitNames, OptionsError } from './options.ts';

/** What an operator may set. Bytes, events, sensors, ranges, streams and connections are counts, times milliseconds. */
export interface GatewayLimits {
  /**
   * Events of one batch; more is `batch-limit`, and the device splits. 1 to 65,536.
   * @default 65_536
   */
  readonly eventsMax: number;
  /**
   * Bytes of one body as sent; more is `body-too-large`, and the device splits. 1 to 4 MiB.
   * @default 4_194_304 (4 MiB)
   */
  readonly bodyBytesMax: number;
  /**
   * Sensors of one device; a batch that would bring more is `sensor-limit`.
   * @default 10_000
   */
  readonly sensorsMax: number;
  /**
   * Separate ranges of counted and given-up sequences of one device; a batch that would bring more is `interval-limit`.
   * @default 50_000
   */
  readonly rangesMax: number;
  /**
   * Streams of one device on its first day; beyond these and `streamsPerDay` a new one is `stream-limit`.
   * @default 10_000
   */
  readonly streamsMax: number;
  /**
   * Streams that a device may have more with each day (24 hours) since its first batch.
   * @default 2_000
   */
  readonly streamsPerDay: number;
  /**
   * Bytes of a device's pages, encoded, on its first day; beyond them and `pageBytesPerDay` it is `storage-limit`.
   * @default 8_589_934_592 (8 GiB)
   */
  readonly pageBytesMax: number;
  /**
   * Bytes of pages that a device may have more with each day (24 hours) since its first batch.
   * @default 1_073_741_824 (1 GiB)
   */
  readonly pageBytesPerDay: number;
  /**
   * How far a request's timestamp may lie from the gateway's clock on either side, milliseconds, or `clock-skew`.
   * @default 300_000 (5 minutes)
   */
  readonly windowMs: number;
  /**
   * Bytes of requests taken on at once; beyond it requests are `overloaded`. A quarter is for heads that nobody signed.
   * While they have come to more than as much again decoded, the next wait; of one device, to half of it. At least 8
   * MiB, two of the largest bodies.
   * @default 67_108_864 (64 MiB)
   */
  readonly bytesInFlightMax: number;
  /**
   * Open connections; beyond it the oldest that has not shown a key or token makes room, or else the new one is closed.
   * @default 10_000
   */
  readonly connectionsMax: number;
  /**
   * Bytes of accepted batches that are kept, as sent; aggregates and ledgers are kept for ever.
   * @default 1_073_741_824 (1 GiB)
   */
  readonly retainBytesMax: number;
  /**
   * How long accepted batches are kept, milliseconds.
   * @default 2_592_000_000 (30 days)
   */
  readonly retainAgeMaxMs: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  eventsMax: BATCH_EVENTS_MAX,
  bodyBytesMax: BODY_BYTES_MAX,
  // Every sensor is a handful of records, read and written with each batch. Who brings more puts values into names.
  sensorsMax: 10_000,
  // An event refused every hour for five years, each of which leaves a hole. All of them in one stream take 3 MB of
  // memory while the device sends, and what fills a thousand of them at once moves them all.
  rangesMax: 50_000,
  // A device that restarts every minute for ever makes 1,440 a day, of some 100 bytes each. A week of such restarts may
  // lie behind its first contact.
  streamsMax: 10_000,
  streamsPerDay: 2_000,
  // A thousand sensors of 25 measures each, every minute, come to less than a third of that a day; and 50 such sensors
  // with two measures may bring ten years with them.
  pageBytesMax: 8 * 1024 * 1024 * 1024,
  pageBytesPerDay: 1024 * 1024 * 1024,
  // As wide as TLS and one-time passwords have it; a stolen request is a duplicate anyway.
  windowMs: 5 * 60_000,
  // Sixteen of the largest bodies, or thousands of usual ones.
  bytesInFlightMax: 64 * 1024 * 1024,
  // Below the usual limit of open files, with room for the database's own.
  connectionsMax: 10_000,
  retainBytesMax: 1024 * 1024 * 1024,
  retainAgeMaxMs: 30 * 86_400_000,
};

/** Measures of one sensor; more is `measure-limit`. A page of totals holds all, and is written with every batch. */
export const SENSOR_MEASURES_MAX = 512;

/**
 * Measures of a device, on average of the sensors that it may have. All their names are held in memory while the device
 * sends, and all their totals while somebody looks at it.
 */
export const MEASURES_PER_SENSOR = 25;

/** Pages that one batch may touch: four for each sensor at least. Bounds what one batch can have read and written. */
export const BATCH_PAGES_MAX = 4 * SENSORS_MAX;

/**
 * Sums that one batch may come to by the minute: as many as a usual batch of events a minute apart, of 16 measures
 * each; with more a device splits. Each takes a microsecond or more and 300 bytes, and as much again by the hour, while
 * a column of them may take ten bytes on the wire.
 */
export const BATCH_AGGREGATES_MAX = BATCH_EVENTS_MAX;

/**
 * Bytes of pages that one batch may have written again, with what it adds to them; a single event may, whatever it
 * comes to. They are written at once, and take three times that until they are. A device of a thousand sensors of 25
 * measures, all of which are in every batch, comes to less.
 */
export const BATCH_PAGE_BYTES_MAX = 20 * 1024 * 1024;

/**
 * Separate ranges of its ledger that one batch concerns: those that are counted of it, where others between them were
 * before, and those that its gaps declare again. Hardly any batch has two; what is looked up, compared and stored for
 * each takes longer the more there are.
 */
export const BATCH_RANGES_MAX = 256;

/** Ranges of one collision that are named; the device moves them aside, sends the rest again and hears of the next. */
export const COLLISIONS_MAX = 64;

/** Bytes that all bodies being inflated may come to: four of the largest batches, or thousands of usual ones. */
export const GROWING_BYTES_MAX = 4 * BATCH_BYTES_MAX;

/**
 * Arenas that batches are decoded into: usual ones are decoded and decided one after another, and a few may wait for a
 * ledger to be read. Each holds the largest of usual batches; only what was ever used of it takes memory.
 */
export const ARENAS = 4;
export const ARENA_BYTES = 4 * 1024 * 1024;

/**
 * Answers of read routes that are worked on at once: each has a slice of the event loop's time in its turn, and batches
 * have theirs among them.
 */
export const READS_AT_ONCE = 4;

/** Answers that are open at once, also to clients that read slowly; beyond it reads are `overloaded`. */
export const READS_OPEN_MAX = 64;

/**
 * Of these, the places for answers that may be megabytes long, and for charts and those, which may take long to make.
 * Whoever reads many of them leaves places for totals. What is brief has answers that are worked on at once to itself,
 * too, since a part of a long one may be seconds of work.
 */
export const LONG_READS_MAX = 48;
export const CHARTS_MAX = 56;
export const BRIEF_READS_AT_ONCE = 2;

/**
 * Of a series each open answer holds a window: at least the fullest bucket there is, of 512 sums of 650 digits each.
 * What all of them may hold beyond that goes to who comes first, so that all together come to 48 MiB.
 */
export const WINDOW_BYTES_MIN = 512 * 1024;
export const WINDOW_BYTES_MAX = 4 * 1024 * 1024;
export const WINDOWS_SPARE_BYTES = 16 * 1024 * 1024;

/** With those who are slow to take an answer. Counted is how long they were waited for, not what the gateway took. */
export interface ReaderPatience {
  /** In each window of so much waiting, milliseconds, */
  readonly windowMs: number;
  /** a reader has to take so many characters, or is cut off. */
  readonly windowLengthMin: number;
  /** One who was waited for so long in all may have to make room for another, milliseconds. */
  readonly roomMs: number;
}

/**
 * A window as long as a connection may be still, and some kilobytes a second: a poor radio link, of which buffers on
 * the way take a good part at once. Whoever takes a whole answer in no time was never waited for so long that it has to
 * make room.
 */
export const READER_PATIENCE: ReaderPatience = { windowMs: 60_000, windowLengthMin: 64 * 1024, roomMs: 3_000 };

/** Exports among them, each of which holds a batch that is decoded: some megabytes, at the very most 75. */
export const EXPORTS_OPEN_MAX = 8;

/** Bytes that these may come to together: the largest batch there is, or usual ones for all. */
export const EXPORTS_BYTES_MAX = 3 * BATCH_BYTES_MAX;

/** How often an export that waits for these bytes looks for a slow reader that has to make room, milliseconds. */
export const ROOM_ASKED_EVERY_MS = 1_000;

/** Characters of one answer of a read route, about; what is left is told with `next`, to be asked for by itself. */
export const ANSWER_LENGTH_MAX = 8 * 1024 * 1024;

/** Requests of one connection that wait for answers: no client of ours sends a second before the first is answered. */
export const REQUESTS_OWED_MAX = 16;

/** Answered at once, so a client need not wait long before it tries again. */
export const OVERLOADED_RETRY_AFTER_MS = 1_000;

/** One of the largest bodies of devices that sign their heads, and one of those that do not. */
export const BYTES_IN_FLIGHT_MIN = 2 * BODY_BYTES_MAX;

/**
 * Of the bytes that are taken on at once, those that bodies may hold whose heads nobody has signed. Whoever knows the
 * ids of a device can fill it; devices that sign their heads are not concerned, and the others share it with strangers.
 */
export function flowOptions({ bytesInFlightMax: bytesMax }: Pick<GatewayLimits, 'bytesInFlightMax'>): FlowOptions {
  return {
    bytesMax,
    strangersBytesMax: Math.max(BODY_BYTES_MAX, bytesMax / 4),
    bodyBytesMax: BODY_BYTES_MAX,
    growingBytesMax: GROWING_BYTES_MAX,
  };
}

/** No body is late before that: a slow link has delays of seconds, and what has just begun has no pace. */
export const UPLOAD_GRACE_MS = 10_000;

/** When accepted batches are let go of. */
export const RETENTION = {
  /** How often what is too old or too much is looked for. */
  intervalMs: 60_000,
  /** So long the clock has to keep pace before anything expires; less where batches are kept for less than a day. */
  settleMaxMs: 6 * 3_600_000,
  /** Then everything may expire in so long, and a part of it in less: a wrong clock can be put right meanwhile. */
  clearMaxMs: 12 * 3_600_000,
  /** A clock that shows less has not been set yet. */
  clockMin: Date.UTC(2024, 0),
} as const;

/** The patience of the HTTP server. Fastify leaves most of these at 0, which is for ever. */
export const HTTP = {
  /** A head is a few hundred bytes: who takes longer is dripping. */
  headersTimeoutMs: 15_000,
  /** Before there is a head: a few round trips on a slow link. Node would wait for two minutes. */
  handshakeTimeoutMs: 15_000,
  /** A whole request: the largest body over 35 kB/s. */
  requestTimeoutMs: 120_000,
  /** A connection on which nothing moves in either direction while a request is open. */
  connectionTimeoutMs: 60_000,
  /** Between two requests: longer than a device lingers, so that it keeps its connection. */
  keepAliveTimeoutMs: 65_000,
  /** How often Node looks for requests that have run out of time. */
  checkIntervalMs: 5_000,
  /** The longest of our heads: ids, four signatures, and what proxies add. */
  headersBytesMax: 16 * 1024,
  /** The longest of our paths names a device and a range. */
  paramBytesMax: 256,
  /** After this long, closing no longer waits for clients that are slow to send or to read. */
  closeGraceMs: 10_000,
} as const;

/**
 * @param chosen what differs from the defaults
 * @throws OptionsError
 */
export function limitsFrom(chosen: Partial<GatewayLimits> = {}): GatewayLimits {
  checkLimitNames(chosen, Object.keys(DEFAULT_LIMITS));
  const limits = { ...DEFAULT_LIMITS, ...chosen };
  must(limits.eventsMax >= 1 && limits.eventsMax <= BATCH_EVENTS_MAX, `eventsMax is 1 to ${BATCH_EVENTS_MAX}`);
  must(limits.bodyBytesMax >= 1 && limits.bodyBytesMax <= BODY_BYTES_MAX, `bodyBytesMax is 1 to ${BODY_BYTES_MAX}`);
  must(
    limits.bytesInFlightMax >= BYTES_IN_FLIGHT_MIN,
    `bytesInFlightMax must hold two bodies of ${BODY_BYTES_MAX} bytes`,
  );
  return limits;
}

function must(isKept: boolean, rule: string): void {
  if (!isKept) throw new OptionsError(`limit ${rule}`);
}
