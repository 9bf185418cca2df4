/**
 * Portion: how many events go into one block, which a batch takes as it is.
 *
 * Owns the balance between the cost of a request, which many events should share, and the time that a batch takes on a
 * slow link, where all that are under way must come through within the time of one request. Promises never to ask for
 * more than it was allowed. Never looks at an event: it goes by what those before came to.
 */

export interface Portion {
  /** The most events that the next one should hold. */
  readonly events: number;
  /** So many events were packed, uncompressed, into so many bytes. */
  packed(events: number, bytes: number): void;
}

/** Whatever they come to. Fewer would be mostly overhead, and events with long texts are not many at a time. */
const EVENTS_MIN = 4_096;

/** Four batches of this size take half a minute at 20 kbit/s, once they are compressed. */
const BYTES = 48 * 1_024;

/** The packing of a few events says little about that of many. */
const TELLING_EVENTS = 1_024;

export function createPortion(eventsMax: number): Portion {
  let events = Math.min(EVENTS_MIN, eventsMax);
  return {
    get events() {
      return events;
    },
    packed(count, bytes) {
      if (count < TELLING_EVENTS) return;
      const fitting = Math.floor((BYTES * count) / bytes);
      events = Math.min(eventsMax, Math.max(EVENTS_MIN, fitting));
    },
  };
}
