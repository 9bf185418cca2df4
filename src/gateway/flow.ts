/**
 * Flow: how many bytes of requests the gateway has taken on.
 *
 * Owns the bounds that back pressure rests on. Promises that bodies are only taken on while there is room; that bodies
 * of which nobody knows the sender fill a part of it at most, and no device or address the whole of a part; that what
 * batches grow to while they are worked on is bounded as well, and has others wait, not refused; and that what is about
 * to grow waits its turn, behind its own device's before anybody else's, so that no number of small bodies that inflate
 * to large ones fills the memory. Never refuses what it has taken on, save for bodies that come
 * so slowly that they never will be here: those give way to what comes next in their part.
 */
import assert from 'node:assert';

/** One request's share. */
export interface Load {
  /** Says that the body is here and its sender known, and how many bytes the request takes now. */
  resize(bytes: number): void;
  /** Says how many bytes it has come to besides. */
  grow(bytes: number): void;
  /** Gives the share back; calling it again is harmless. */
  release(): void;
}

/** A body on its way. */
export interface Upload {
  readonly deviceId: string;
  /** Where it comes from: those of one network count as one. */
  readonly network: string;
  /** Whether only this device can have sent its head. */
  readonly isAuthentic: boolean;
  /** Whether, at its pace, so many bytes will not be here in time. */
  isLate(bytes: number): boolean;
  /** Ends it: its room is wanted. */
  drop(): void;
}

export interface Flow {
  /** Undefined where there is no room for that many bytes. Until it is first resized the load's body is on its way. */
  take(bytes: number, upload?: Upload): Load | undefined;
  /**
   * Runs `work`, which may grow to so many bytes, when it is its turn; first come, first served, but that who has grown
   * to much already waits for that to end. Rejects where `gone` is aborted before that.
   */
  inTurn<T>(bytes: number, work: () => Promise<T>, who?: Who): Promise<T>;
  /** Bytes taken on, and what they have grown to. */
  readonly bytes: number;
}

/** Whose turn it is. */
export interface Who {
  readonly deviceId?: string | undefined;
  readonly gone?: AbortSignal | undefined;
}

export interface FlowOptions {
  /** Bytes taken on at once, and what they may grow to before another one grows; half of that for one device. */
  readonly bytesMax: number;
  /** Of these, bytes of bodies on their way whose sender is not known. */
  readonly strangersBytesMax: number;
  /** The largest body: every share has room for one. */
  readonly bodyBytesMax: number;
  /** Bytes that everything which is growing at once may come to. */
  readonly growingBytesMax: number;
}

export function createFlow(options: FlowOptions): Flow {
  return new BoundedFlow(options);
}

/** Nothing but turns, of which all together may come to so many bytes. */
export function createTurnstile(bytesMax: number): Pick<Flow, 'inTurn'> {
  const sizes = { bytesMax, strangersBytesMax: bytesMax, bodyBytesMax: bytesMax, growingBytesMax: bytesMax };
  return new BoundedFlow(sizes);
}

interface Turn {
  readonly bytes: number;
  readonly deviceId: string | undefined;
  readonly begin: () => void;
}

/** A bound that a load counts under. */
interface Share {
  readonly name: string;
  readonly bytesMax: number;
}

interface Held {
  readonly bytes: number;
  readonly upload: Upload;
  readonly shares: readonly Share[];
}

class BoundedFlow implements Flow {
  readonly #options: FlowOptions;
  readonly #whole: Share;
  readonly #known: Share;
  readonly #strangers: Share;
  /** By name of the share; what holds nothing is not there. */
  readonly #bytes = new Map<string, number>();
  readonly #uploads = new Map<Load, Held>();
  #growing = 0;
  #grown = 0;
  /** What a device has grown to, and may by what is growing. */
  readonly #ofDevice = new Map<string, number>();
  readonly #waiting: Turn[] = [];

  constructor(options: FlowOptions) {
    const { bytesMax, strangersBytesMax } = options;
    this.#options = options;
    this.#whole = { name: 'all', bytesMax };
    this.#known = { name: 'known', bytesMax: bytesMax - strangersBytesMax };
    this.#strangers = { name: 'strangers', bytesMax: strangersBytesMax };
  }

  get bytes(): number {
    return this.#bytesIn(this.#whole) + this.#grown;
  }

  take(bytes: number, upload?: Upload): Load | undefined {
    let shares = upload === undefined ? [this.#whole, this.#known] : this.#sharesOf(upload);
    if (!this.#makeRoom(bytes, shares, upload?.isAuthentic)) return undefined;
    let held = bytes;
    let grown = 0;
    let released = false;
    const hold = (size: number, next: readonly Share[]) => {
      assert(!released, 'a load that was not released');
      this.#uploads.delete(load);
      for (const share of shares) this.#add(share, -held);
      for (const share of next) this.#add(share, size);
      held = size;
      shares = [...next];
    };
    const load: Load = {
      resize: (size) => {
        hold(size, [this.#whole, this.#known]);
        this.#next();
      },
      grow: (size) => {
        assert(!released, 'a load that was not released');
        this.#grown += size - grown;
        this.#addOf(upload?.deviceId, size - grown);
        grown = size;
      },
      release: () => {
        if (released) return;
        hold(0, []);
        load.grow(0);
        released = true;
        this.#next();
      },
    };
    for (const share of shares) this.#add(share, bytes);
    if (upload !== undefined) this.#uploads.set(load, { bytes, upload, shares });
    return load;
  }

  async inTurn<T>(bytes: number, work: () => Promise<T>, { deviceId, gone }: Who = {}): Promise<T> {
    assert(bytes <= this.#options.growingBytesMax, 'a turn that can come');
    gone?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(gone?.reason);
        this.#next();
      };
      const begin = () => {
        gone?.removeEventListener('abort', leave);
        resolve();
      };
      const turn: Turn = { bytes, deviceId, begin };
      this.#waiting.push(turn);
      gone?.addEventListener('abort', leave, { once: true });
      this.#next();
    });
    try {
      return await work();
    } finally {
      this.#growing -= bytes;
      this.#addOf(deviceId, -bytes);
      this.#next();
    }
  }

  /** Half of its part for each device, as many of the largest bodies as it may have unanswered; strangers have less. */
  #sharesOf({ deviceId, network, isAuthentic }: Upload): Share[] {
    const { bodyBytesMax } = this.#options;
    const part = isAuthentic ? this.#known : this.#strangers;
    const share = (name: string, divisor: number): Share => ({
      name: `${part.name} ${name}`,
      bytesMax: Math.max(bodyBytesMax, part.bytesMax / divisor),
    });
    if (isAuthentic) return [this.#whole, part, share(`device ${deviceId}`, 2)];
    return [this.#whole, part, share(`device ${deviceId}`, 4), share(`network ${network}`, 4)];
  }

  #bytesIn({ name }: Share): number {
    return this.#bytes.get(name) ?? 0;
  }

  #add({ name }: Share, bytes: number): void {
    const sum = (this.#bytes.get(name) ?? 0) + bytes;
    if (sum === 0) this.#bytes.delete(name);
    else this.#bytes.set(name, sum);
  }

  #addOf(deviceId: string | undefined, bytes: number): void {
    if (deviceId === undefined) return;
    const sum = (this.#ofDevice.get(deviceId) ?? 0) + bytes;
    if (sum === 0) this.#ofDevice.delete(deviceId);
    else this.#ofDevice.set(deviceId, sum);
  }

  /** Whether its device has to come to an end with something first; never where it has nothing. */
  #waitsForItsOwn({ deviceId, bytes }: Turn): boolean {
    const own = deviceId === undefined ? 0 : (this.#ofDevice.get(deviceId) ?? 0);
    return own > 0 && own + bytes > this.#options.bytesMax / 2;
  }

  /**
   * Whether there is room under each of the shares. Drops late bodies of the same part for it, the oldest first and no
   * more than need be; none where all of them together would not do.
   */
  #makeRoom(bytes: number, shares: readonly Share[], isAuthentic: boolean | undefined): boolean {
    const lacking = new Map<string, number>();
    for (const share of shares) {
      const lack = this.#bytesIn(share) + bytes - share.bytesMax;
      if (lack > 0) lacking.set(share.name, lack);
    }
    if (lacking.size === 0) return true;
    const giveWay = new Map<Load, Upload>();
    // The narrowest share first: what goes for it makes room in the wider ones, too.
    for (const { name } of [...shares].reverse()) {
      for (const [load, held] of this.#uploads) {
        if (!lacking.has(name)) break;
        const helps = held.upload.isAuthentic === isAuthentic && held.shares.some((share) => share.name === name);
        if (!helps || giveWay.has(load) || !held.upload.isLate(held.bytes)) continue;
        giveWay.set(load, held.upload);
        for (const share of held.shares) {
          const lack = lacking.get(share.name) ?? 0;
          if (lack > held.bytes) lacking.set(share.name, lack - held.bytes);
          else lacking.delete(share.name);
        }
      }
      if (lacking.has(name)) return false;
    }
    for (const [load, upload] of giveWay) {
      load.release();
      upload.drop();
    }
    return true;
  }

  /** What is held already comes first: it ends without waiting for anything here. */
  #next(): void {
    const { bytesMax, growingBytesMax } = this.#options;
    for (let i = 0; i < this.#waiting.length; ) {
      const turn = this.#waiting[i]!;
      const isFull = this.#grown > bytesMax || this.#bytesIn(this.#whole) > bytesMax;
      if (isFull || this.#growing + turn.bytes > growingBytesMax) return;
      if (this.#waitsForItsOwn(turn)) {
        i += 1;
        continue;
      }
      this.#growing += turn.bytes;
      this.#addOf(turn.deviceId, turn.bytes);
      this.#waiting.splice(i, 1);
      turn.begin();
    }
  }
}
