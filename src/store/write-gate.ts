/**
 * The gate before every write to a gateway's database.
 *
 * Owns whether there is room, whether the files are sound, and whether the database in memory is still to be believed.
 * Promises that RocksDB is not let run into a full disk if that can be helped, for it may not come back from that; that
 * after a failed write the database is opened again before anything is decided or written; and that until the disk
 * takes files again it stays open for those who read. Never writes a record.
 */
import { StoreError } from './errors.ts';
import type { GatewayFiles } from './gateway-files.ts';
import type { RocksHandle } from './rocks-handle.ts';
import type { Room } from './room.ts';
import type { RotWatch } from './rot-watch.ts';

export interface WriteGate {
  /** Resolves where so many bytes can be written now. */
  pass(bytes: number): Promise<void>;
  /** Resolves once the database can be believed, having opened it again if need be. */
  renewed(): Promise<void>;
  /** Runs a write. Where that fails nobody can say what it left on disk; while it runs, others go on reading. */
  write(work: () => Promise<void>): Promise<void>;
}

export interface WriteGateOptions {
  readonly path: string;
  readonly handle: RocksHandle;
  readonly room: Room;
  readonly watch: Pick<RotWatch, 'observe' | 'assertSound'>;
  readonly files: Pick<GatewayFiles, 'assertWritable'>;
}

export function createWriteGate(options: WriteGateOptions): WriteGate {
  return new RenewingGate(options);
}

class RenewingGate implements WriteGate {
  readonly #options: WriteGateOptions;

  constructor(options: WriteGateOptions) {
    this.#options = options;
  }

  async pass(bytes: number): Promise<void> {
    await this.renewed();
    const { handle, room, watch } = this.#options;
    const pendingBytes = await handle.use(async (rocks) => {
      watch.observe(rocks);
      return rocks.unsortedBytes;
    });
    watch.assertSound();
    if (!(await room.isLow(bytes, pendingBytes))) return;
    // Somebody may just have made some.
    room.remeasure();
    if (await room.isLow(bytes, pendingBytes)) throw new StoreError('disk-full', 'too little space to write in');
  }

  renewed(): Promise<void> {
    const { path, handle, files } = this.#options;
    return handle.trusted(0, () => files.assertWritable(path));
  }

  async write(work: () => Promise<void>): Promise<void> {
    this.#options.watch.assertSound();
    try {
      await work();
    } catch (error) {
      this.#options.handle.doubt();
      throw error;
    }
  }
}
