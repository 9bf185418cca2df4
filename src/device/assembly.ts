/**
 * Assembly: the parts of a device, put together.
 *
 * Owns the order in which they are opened and closed, and what one tells another. Promises that nothing is recorded or
 * sent before the queue is open, nor after it is closed. Never does the work of a part itself.
 */
import { EventEmitter, once, setMaxListeners } from 'node:events';
import { join } from 'node:path';
import type { Credential, DeclaredGap, TelemetryEvent } from '../codec/index.ts';
import { type Gap, openQueue, type Queue, type Range } from '../store/index.ts';
import { type Account, createAccount } from './account.ts';
import { type Census, createCensus } from './census.ts';
import { createGatewayClock, type GatewayClock } from './clock.ts';
import { createCutter } from './cutter.ts';
import { createDelivery } from './delivery.ts';
import type { Device, DeviceEvents, DeviceStatus, Fields, RecordOptions } from './device.ts';
import { DeviceError } from './errors.ts';
import { createExchange } from './exchange.ts';
import { createGaps, type Gaps } from './gaps.ts';
import { createLink, type Link } from './link.ts';
import { addressOf, credentialFrom, type DeviceOptions, type DeviceSettings, settle } from './options.ts';
import { type QuarantinedEvent, quarantinedEvents } from './quarantine.ts';
import { createQueueNews } from './queue-news.ts';
import { createQuota, type Quota } from './quota.ts';
import { type Commit, createRecorder, type Mark, type Receipt, type Recorder } from './recorder.ts';
import { createRetries, type Retries } from './retries.ts';
import { createSession, type Session } from './session.ts';
import { enterStock, takeStock } from './stock.ts';
import { createSync, type Sync } from './sync.ts';
import { createHttpTransport, type Transport } from './transport.ts';

/**
 * `open` is how the queue is opened; a simulation has it lie in memory.
 * @throws DeviceError `options-invalid`; StoreError where the queue cannot be opened
 */
export async function openDevice(options: DeviceOptions, open = openQueue): Promise<Device> {
  const settings = settle(options);
  const news = createQueueNews();
  const queue = await open({
    path: join(settings.data, 'queue'),
    deviceId: settings.id,
    reserveBytes: settings.reserveBytes,
    randomBytes: settings.randomBytes,
    now: () => settings.timer.now(),
    ...news.callbacks,
  });
  try {
    const account = createAccount(queue.totals, queue.witnessedTotals);
    const gaps = createGaps();
    const stock = await takeStock(queue);
    enterStock(stock, account, gaps);
    const device = new OpenDevice(settings, queue, account, gaps, stock.retry);
    news.handTo(device, gaps);
    return device;
  } catch (error) {
    await queue.close();
    throw error;
  }
}

class OpenDevice extends EventEmitter<DeviceEvents> implements Device {
  readonly id: string;
  readonly #settings: DeviceSettings;
  #credential: Credential;
  readonly #queue: Queue;
  readonly #account: Account;
  readonly #gaps: Gaps;
  readonly #clock: GatewayClock;
  readonly #transport: Transport;
  readonly #link: Link;
  readonly #sync: Sync;
  readonly #quota: Quota;
  readonly #recorder: Recorder;
  readonly #stop = new AbortController();
  readonly #progress = new EventEmitter<{ made: [] }>();
  readonly #session: Session;
  readonly #census: Census;
  #counting: Promise<void> = Promise.resolve();
  readonly #retries: Retries;
  readonly #loop: Promise<void>;
  #closing: Promise<void> | undefined;

  constructor(settings: DeviceSettings, queue: Queue, account: Account, gaps: Gaps, retry: boolean) {
    super();
    this.#progress.setMaxListeners(0);
    this.id = settings.id;
    this.#settings = settings;
    this.#credential = settings.credential;
    this.#queue = queue;
    this.#account = account;
    this.#gaps = gaps;
    this.#session = createSession(settings.clock);
    this.#clock = createGatewayClock(settings.clock);
    this.#transport = settings.transport ?? createHttpTransport({ ...settings, connections: settings.inFlightMax });
    const { signal } = this.#stop;
    // Every batch under way listens, twice; Node would take more than ten for a leak and say so on standard error.
    setMaxListeners(0, signal);
    this.#link = createLink({ ...settings, onChange: (status) => this.#tell('link', status) });
    const exchange = createExchange({
      deviceId: settings.id,
      credential: () => this.#credential,
      transport: this.#transport,
      clock: this.#clock,
      queueState: () => account.queueState(),
      onSent: (bodyBytes) => this.#session.sent(bodyBytes),
    });
    const delivery = createDelivery({
      exchange,
      link: this.#link,
      clock: this.#clock,
      queue,
      deviceClock: settings.clock,
      batchEventsMax: settings.batchEventsMax,
      signal,
      onRetry: () => this.#session.retried(),
      onAcknowledged: (inserted, duplicates) => this.#acknowledged(inserted, duplicates),
    });
    const cutter = createCutter({ ...settings, queue });
    const standing = <T>(work: () => Promise<T>): Promise<T> => this.#sync.standing(work);
    const onFault = (error: unknown): void => this.#fault(error);
    this.#census = createCensus({
      ...{ queue, account, standing, signal, onFault, timer: settings.timer },
      takeStock: async () => {
        const stock = await takeStock(queue);
        return () => {
          if (stock.retry) this.#retries.resume();
          for (const { declared } of enterStock(stock, account, gaps)) this.#gapOpened(declared);
        };
      },
    });
    this.#retries = createRetries({
      ...settings,
      ...{ queue, delivery, account, standing, signal, onFault },
      onSettled: (refused, stream) => this.#sync.quarantined(refused, stream),
      onIdle: () => this.#progress.emit('made'),
    });
    if (retry) this.#retries.resume();
    this.#sync = createSync({
      ...settings,
      queue,
      cutter,
      delivery,
      account,
      census: this.#census,
      gaps,
      retries: this.#retries,
      signal,
      onQuarantine: (entries) => this.#tell('quarantined', [...quarantinedEvents(...entries)]),
      onRelease: () => this.#progress.emit('made'),
      onFault,
    });
    this.#quota = createQuota({
      ...settings,
      queue,
      account,
      census: this.#census,
      gaps,
      cutter,
      sync: this.#sync,
      onGap: (gap) => this.#gapOpened(gap.declared),
    });
    this.#recorder = createRecorder({
      pendingEventsMax: settings.pendingEventsMax,
      append: (commit) => this.#append(commit),
    });
    this.#count();
    this.#loop = this.#sync.run();
  }

  record(fields: Fields, options?: RecordOptions): Promise<Receipt> {
    const at = options?.at ?? this.#settings.clock();
    return this.#recorder.record({
      ts: at instanceof Date ? at.getTime() : at,
      sensor: options?.sensor ?? 'default',
      fields,
    });
  }

  recordAll(events: readonly TelemetryEvent[], marks?: readonly Mark[]): Promise<Receipt> {
    return this.#recorder.recordAll(events, marks);
  }

  readonly note = (marks: readonly Mark[]): Promise<void> => this.#queue.note(marks);
  readonly mark = (name: string): Promise<Uint8Array | undefined> => this.#queue.mark(name);
  readonly probe = (): void => this.#link.probe();
  readonly retryQuarantine = (): Promise<number> => this.#retries.request();

  status(): DeviceStatus {
    return {
      id: this.id,
      gateway: addressOf(this.#settings.gateway),
      link: this.#link.status,
      counting: this.#census.counting,
      ...this.#account.report(),
      queueBytes: this.#queue.blockBytes,
      inFlight: this.#sync.inFlight,
      clockOffsetMs: this.#clock.offsetMs,
      session: this.#session.counters,
    };
  }

  async drain({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const calm = this.#sync.hurry();
    const stop = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
    try {
      await this.#recorder.flush();
      const { next } = this.#queue;
      while (this.#queue.head < next || !this.#sync.reported) await once(this.#progress, 'made', { signal: stop });
    } finally {
      calm();
    }
  }

  setCredential(credential: string): void {
    this.#credential = credentialFrom(credential);
    this.#link.probe();
  }

  async *quarantine(): AsyncIterable<QuarantinedEvent> {
    for await (const entry of this.#queue.quarantine()) yield* quarantinedEvents(entry);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Called by the queue when it has set a damaged block aside. */
  damaged(gap: Gap): void {
    const { declared, tally } = this.#gaps.add(gap);
    this.#account.lose(tally);
    this.#gapOpened(declared);
    // What the block held cannot be subtracted any more: what is left is counted anew.
    this.#count();
  }

  /** Called by the queue when a change that had failed has turned out to be on disk: nobody has accounted for it. */
  late(): void {
    this.#countLate(this.#queue.next);
    this.#sync.wake();
  }

  async #close(): Promise<void> {
    await this.#recorder.close();
    this.#stop.abort(new DeviceError('closed', 'the device is closed'));
    await this.#transport.close().catch((error: unknown) => this.#fault(error));
    await this.#loop;
    await this.#counting;
    await this.#queue.close();
  }

  async #append(commit: Commit): Promise<{ stream: string; first: number }> {
    try {
      const bytes = commit.blocks.reduce((sum, block) => sum + block.bytes.length, 0);
      await this.#quota.makeRoom(bytes);
      const range = await this.#queue.append(commit.blocks, { marks: commit.marks });
      this.#account.add('queued', commit.tally);
      this.#joined(range);
      return { stream: Buffer.from(range.stream).toString('hex'), first: range.first };
    } catch (error) {
      this.#fault(error);
      throw error;
    }
  }

  #joined(range: Range): void {
    if (!this.#census.joined(range)) this.#countLate();
    this.#sync.wake();
  }

  /** Counts in the background what is queued: the balance rests on the disk, not on a counter. */
  #count(): void {
    this.#counting = this.#census.run();
  }

  /** Counts what came to disk unnoticed. It may be sent before it is counted, by a batch that does not tell of it. */
  #countLate(next?: number): void {
    const caughtUp = this.#sync.catchUp();
    this.#counting = this.#census.run(next).finally(caughtUp);
  }

  #acknowledged(inserted: number, duplicates: number): void {
    this.#session.acknowledged(inserted, duplicates);
    this.#tell('acknowledged', { inserted, duplicates });
  }

  #gapOpened(gap: DeclaredGap): void {
    this.#tell('gap', gap);
    this.#sync.wake();
  }

  #fault(error: unknown): void {
    this.#tell('fault', error instanceof Error ? error : new Error(String(error)));
  }

  /** Apart from the work that it is about: what a listener throws is the program's, and must not end a delivery. */
  #tell<Name extends keyof DeviceEvents>(name: Name, ...news: DeviceEvents[Name]): void {
    queueMicrotask(() => (this as EventEmitter).emit(name, ...news));
  }
}
