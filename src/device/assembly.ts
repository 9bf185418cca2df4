/**
 * Assembly: the parts of a device, put together.
 *
 * Owns the order in which they are opened and closed, and what one tells another. Promises that nothing is recorded or
 * sent before the queue is open, nor after it is closed. Never does the work of a part itself.
 */
import { EventEmitter, once, setMaxListeners } from 'node:events';
import { join } from 'node:path';
import type { DeclaredGap, QueueState, TelemetryEvent } from '../codec/index.ts';
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
import { type DeviceOptions, type DeviceSettings, settle } from './options.ts';
import { type QuarantinedEvent, quarantinedEvents, requeue, tableOf } from './quarantine.ts';
import { createQuota, type Quota, recordWindow } from './quota.ts';
import { type Commit, createRecorder, type Mark, type Receipt, type Recorder } from './recorder.ts';
import { createSync, type Sync } from './sync.ts';
import { tallyOf } from './tally.ts';
import { createHttpTransport, type Transport } from './transport.ts';

/**
 * `open` is how the queue is opened; a simulation has it lie in memory.
 * @throws DeviceError `options-invalid`; StoreError where the queue cannot be opened
 */
export async function openDevice(options: DeviceOptions, open = openQueue): Promise<Device> {
  const settings = settle(options);
  let device: OpenDevice | undefined;
  const queue = await open({
    path: join(settings.data, 'queue'),
    deviceId: settings.id,
    reserveBytes: settings.reserveBytes,
    randomBytes: settings.randomBytes,
    now: () => settings.timer.now(),
    onDamage: (gap) => device?.damaged(gap),
  });
  try {
    const account = createAccount(queue.totals);
    await recordWindow(queue, account, settings);
    for await (const entry of queue.quarantine()) account.add('quarantined', tallyOf(tableOf(entry)));
    const gaps = createGaps();
    for (const gap of await queue.gaps()) account.add('gaps', gaps.add(gap).tally);
    device = new OpenDevice(settings, queue, account, gaps);
    return device;
  } catch (error) {
    await queue.close();
    throw error;
  }
}

class OpenDevice extends EventEmitter<DeviceEvents> implements Device {
  readonly id: string;
  readonly #settings: DeviceSettings;
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
  readonly #session = { requests: 0, bodyBytes: 0, retries: 0, inserted: 0, duplicates: 0 };
  #lastAcknowledgedAt: number | null = null;
  readonly #census: Census;
  #counting: Promise<void> = Promise.resolve();
  #retrying: Promise<unknown> = Promise.resolve();
  readonly #loop: Promise<void>;
  #closing: Promise<void> | undefined;

  constructor(settings: DeviceSettings, queue: Queue, account: Account, gaps: Gaps) {
    super();
    this.#progress.setMaxListeners(0);
    this.id = settings.id;
    this.#settings = settings;
    this.#queue = queue;
    this.#account = account;
    this.#gaps = gaps;
    this.#clock = createGatewayClock(settings.clock);
    this.#transport = settings.transport ?? createHttpTransport({ ...settings, connections: settings.inFlightMax });
    const { signal } = this.#stop;
    // Every batch under way listens, twice; Node would take more than ten for a leak and say so on standard error.
    setMaxListeners(0, signal);
    this.#link = createLink({ ...settings, onChange: (status) => this.#tell('link', status) });
    const exchange = createExchange({
      deviceId: settings.id,
      credential: settings.credential,
      transport: this.#transport,
      clock: this.#clock,
      queueState: () => this.#queueState(),
      onSent: (bodyBytes) => {
        this.#session.requests++;
        this.#session.bodyBytes += bodyBytes;
      },
    });
    const delivery = createDelivery({
      exchange,
      link: this.#link,
      clock: this.#clock,
      queue,
      deviceClock: settings.clock,
      batchEventsMax: settings.batchEventsMax,
      signal,
      onRetry: () => {
        this.#session.retries++;
      },
      onAcknowledged: (inserted, duplicates) => this.#acknowledged(inserted, duplicates),
    });
    const cutter = createCutter({ ...settings, queue });
    const standing = <T>(work: () => Promise<T>): Promise<T> => this.#sync.standing(work);
    const onFault = (error: unknown): void => this.#fault(error);
    this.#census = createCensus({ queue, account, standing, signal, onFault, timer: settings.timer });
    this.#sync = createSync({
      ...settings,
      queue,
      cutter,
      delivery,
      account,
      census: this.#census,
      gaps,
      signal,
      onQuarantine: (entries) =>
        this.#tell(
          'quarantined',
          entries.flatMap((entry) => [...quarantinedEvents(entry)]),
        ),
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

  record(fields: Fields, options: RecordOptions = {}): Promise<Receipt> {
    const at = options.at ?? this.#settings.clock();
    return this.#recorder.record({
      ts: typeof at === 'number' ? at : at.getTime(),
      sensor: options.sensor ?? 'default',
      fields,
    });
  }

  recordAll(events: readonly TelemetryEvent[], mark?: Mark): Promise<Receipt> {
    return this.#recorder.recordAll(events, mark);
  }

  mark(name: string): Promise<Uint8Array | undefined> {
    return this.#queue.mark(name);
  }

  status(): DeviceStatus {
    return {
      id: this.id,
      link: this.#link.status,
      counting: this.#census.counting,
      ...this.#account.report(),
      queueBytes: this.#queue.blockBytes,
      inFlight: this.#sync.inFlight,
      clockOffsetMs: this.#clock.offsetMs,
      session: { ...this.#session, lastAcknowledgedAt: this.#lastAcknowledgedAt },
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

  probe(): void {
    this.#link.probe();
  }

  async *quarantine(): AsyncIterable<QuarantinedEvent> {
    for await (const entry of this.#queue.quarantine()) yield* quarantinedEvents(entry);
  }

  retryQuarantine(): Promise<number> {
    // One after another: two at a time would queue the same events twice.
    const retried = this.#retrying.then(() => this.#retryQuarantine());
    this.#retrying = retried.catch(() => {});
    return retried;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Called by the queue when it has set a damaged block aside. */
  damaged(gap: Gap): void {
    const { declared, tally } = this.#gaps.add(gap);
    this.#account.add('gaps', tally);
    this.#gapOpened(declared);
    // What the block held cannot be subtracted any more: what is left is counted anew.
    this.#count();
  }

  async #retryQuarantine(): Promise<number> {
    let events = 0;
    for await (const { appended, table } of requeue(this.#queue)) {
      this.#account.move('quarantined', 'queued', tallyOf(table));
      this.#joined(appended);
      events += table.count;
    }
    return events;
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
    if (!this.#census.joined(range)) this.#count();
    this.#sync.wake();
  }

  /** Counts in the background what is queued: the balance rests on the disk, not on a counter. */
  #count(): void {
    this.#counting = this.#census.run();
  }

  #queueState(): QueueState {
    const delivered = this.#account.events('delivered');
    const quarantined = this.#account.events('quarantined');
    const gaps = this.#account.events('gaps');
    const queued = this.#account.events('queued');
    return { recorded: delivered + queued + quarantined + gaps, queued, quarantined, gaps };
  }

  #acknowledged(inserted: number, duplicates: number): void {
    this.#session.inserted += inserted;
    this.#session.duplicates += duplicates;
    this.#lastAcknowledgedAt = this.#settings.clock();
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
