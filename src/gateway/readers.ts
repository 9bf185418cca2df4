/**
 * Readers: who holds a place among the open answers, and for how long.
 *
 * Owns the places. A place is given back whichever way an answer ends: given, failed, or its connection gone at any
 * moment. How long the gateway has waited for each reader is counted, and not how long it worked: a reader who takes
 * next to nothing is ended, and where all places are taken, or others want the memory, one who was waited for longest
 * makes room.
 */
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { FastifyReply } from 'fastify';
import type { ReaderPatience } from './limits.ts';

export interface Reader {
  /** Aborted once there is nobody to be answered any more, and the place is free. */
  readonly gone: AbortSignal;
  /** It asks for more: what was given to it before is taken. */
  takes(): void;
  /** So much is there for it. */
  isGiven(length: number): void;
}

export interface Readers {
  /**
   * @param places of all that there are, those that answers of this kind may have, with kinds that may have no more of
   *   them. @default all
   */
  admit(reply: FastifyReply, places?: number): Reader | 'full';
  /** Of those who are waited for now, and were for `roomMs` in all, ends the one who was for longest. */
  makeRoom(): void;
}

export function createReaders(openMax: number, patience: ReaderPatience): Readers {
  const open = new Set<OpenReader>();
  let watch: NodeJS.Timeout | undefined;

  function leave(reader: OpenReader): void {
    open.delete(reader);
    if (open.size > 0) return;
    clearInterval(watch);
    watch = undefined;
  }

  return {
    admit(reply, places = openMax) {
      const address = reply.request.raw.socket.remoteAddress ?? '';
      const alike = [...open].filter((reader) => reader.places <= places);
      if (alike.length >= places && !makePlace(alike, address, patience.roomMs)) return 'full';
      if (open.size >= openMax && !makePlace(open, address, patience.roomMs)) return 'full';
      const reader = new OpenReader(reply, address, places, patience, leave);
      if (reader.gone.aborted) return reader;
      open.add(reader);
      watch ??= setInterval(() => {
        for (const one of open) one.look();
      }, patience.windowMs / 4).unref();
      return reader;
    },
    makeRoom() {
      endSlowest(open, (reader) => reader.isWaitedFor && reader.waitedMs >= patience.roomMs);
    },
  };
}

/**
 * Ends the answer whose reader was waited for longest. One from an address that has no more places than others must
 * have been waited for `roomMs`; who holds two or more above those of the newcomer's address has taken the place from
 * it.
 */
function makePlace(open: Iterable<OpenReader>, address: string, roomMs: number): boolean {
  const places = new Map<string, number>();
  for (const reader of open) places.set(reader.address, (places.get(reader.address) ?? 0) + 1);
  const most = Math.max(...places.values());
  const isCrowding = (one: OpenReader) => most >= (places.get(address) ?? 0) + 2 && places.get(one.address) === most;
  return endSlowest(open, (reader) => reader.waitedMs >= roomMs || (reader.waitedMs > 0 && isCrowding(reader)));
}

function endSlowest(open: Iterable<OpenReader>, mayGo: (reader: OpenReader) => boolean): boolean {
  let slowest: OpenReader | undefined;
  for (const reader of open) {
    if (mayGo(reader) && (slowest === undefined || reader.waitedMs > slowest.waitedMs)) slowest = reader;
  }
  slowest?.end();
  return slowest !== undefined;
}

class OpenReader implements Reader {
  readonly address: string;
  readonly places: number;
  readonly gone: AbortSignal;
  readonly #socket: Socket;
  readonly #patience: ReaderPatience;
  readonly #leave: () => void;
  /** Waited for it in all, up to the last that it took. */
  #waitedMs = 0;
  #waitingSince: number | undefined;
  /** Of the window that runs: given by now, and waited up to its beginning. */
  #taken = 0;
  #given = 0;
  #windowBegan = 0;

  constructor(
    reply: FastifyReply,
    address: string,
    places: number,
    patience: ReaderPatience,
    onLeave: (reader: OpenReader) => void,
  ) {
    const client = new AbortController();
    const { socket } = reply.request.raw;
    this.address = address;
    this.places = places;
    this.gone = client.signal;
    this.#socket = socket;
    this.#patience = patience;
    this.#leave = () => {
      if (client.signal.aborted) return;
      departuresOf(socket).delete(this.#leave);
      onLeave(this);
      client.abort();
    };
    if (socket.destroyed || reply.raw.destroyed) {
      client.abort();
      return;
    }
    reply.raw.once('close', this.#leave);
    // An answer that waits behind another one of its connection is not told that it was closed.
    departuresOf(socket).add(this.#leave);
  }

  get isWaitedFor(): boolean {
    return this.#waitingSince !== undefined;
  }

  get waitedMs(): number {
    return this.#waitedMs + (this.#waitingSince === undefined ? 0 : performance.now() - this.#waitingSince);
  }

  takes(): void {
    this.#waitedMs = this.waitedMs;
    this.#waitingSince = undefined;
    this.#taken += this.#given;
    this.#given = 0;
    this.look();
  }

  isGiven(length: number): void {
    this.#given = length;
    this.#waitingSince = performance.now();
  }

  /** Ends it where it has taken too little in a window of waiting. */
  look(): void {
    if (this.waitedMs - this.#windowBegan < this.#patience.windowMs) return;
    if (this.#taken < this.#patience.windowLengthMin) this.end();
    this.#windowBegan = this.waitedMs;
    this.#taken = 0;
  }

  end(): void {
    this.#socket.destroy();
    this.#leave();
  }
}

const departures = new WeakMap<Socket, Set<() => void>>();

/** Called once the connection is closed; one listener, however many requests wait on it. */
function departuresOf(socket: Socket): Set<() => void> {
  const known = departures.get(socket);
  if (known !== undefined) return known;
  const added = new Set<() => void>();
  departures.set(socket, added);
  socket.once('close', () => {
    for (const leave of [...added]) leave();
  });
  return added;
}
