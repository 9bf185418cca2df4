/**
 * Links: the bad ways from the devices to their gateways, and what happens on them.
 *
 * Owns the fault proxy, the TLS relay and their scripts, what has struck, and what came through all the same. Promises
 * that each fault is in the script a few times, in an order that the seed decides. Never starts or judges a side.
 */
import { createFaultProxy, type FaultProxy, type RequestOver } from '../../rig/link/fault-proxy.ts';
import { FAULT_NAMES, FORGED_CLOCK } from '../../rig/link/faults.ts';
import { createRandom } from '../../rig/random.ts';
import { createStrikes, type Strikes } from '../strikes.ts';
import type { Vigil } from '../vigil.ts';
import { type Scene, TLS_DEVICE } from './scene.ts';
import { createTlsRelay, TLS_FAULTS, type TlsRelay } from './tls-relay.ts';
import type { NetworkFault } from './words.ts';

export interface Links {
  readonly strikes: Strikes<NetworkFault>;
  /** The address under which a device is told to find its gateway. */
  urlFor(deviceId: string): string;
  struck(fault: NetworkFault, deviceId: string): void;
  /** Something of the device was acknowledged, as far as only the device can tell. */
  acknowledged(deviceId: string): void;
  /** How often something of the device came through with nothing in its way. */
  deliveries(deviceId: string): number;
  /** Faults that have not struck as often as they should. */
  missing(): readonly NetworkFault[];
  /** Bytes that were told to those who are not the gateway. */
  readonly betrayed: number;
  heal(): void;
  close(): Promise<void>;
}

export interface LinksOptions {
  readonly scene: Scene;
  /** The gateways behind the fault proxy and behind the relay. */
  readonly plain: string;
  readonly secure: string;
  readonly seed: number;
  readonly vigil: Vigil;
}

export async function openLinks(options: LinksOptions): Promise<Links> {
  const links = new BadLinks(options);
  await links.open();
  return links;
}

/** How often each fault strikes, at the least. */
const TIMES = 4;

const DELAY_MAX_MS = 1_200;
const OUTAGE_MIN_MS = 100;
const OUTAGE_MAX_MS = 500;

/** A timestamp beyond this comes from a forged clock. */
const BELIEVED_FROM = FORGED_CLOCK - 200 * 365 * 86_400_000;

class BadLinks implements Links {
  readonly strikes = createStrikes<NetworkFault>();
  readonly #options: LinksOptions;
  readonly #random: () => number;
  readonly #deliveries = new Map<string, number>();
  #proxy: FaultProxy | undefined;
  #relay: TlsRelay | undefined;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#random = createRandom(options.seed);
  }

  async open(): Promise<void> {
    const { scene, plain, secure, seed } = this.#options;
    this.#proxy = await createFaultProxy({
      target: plain,
      stranger: scene.stranger.url,
      faults: this.#shuffled(FAULT_NAMES).flatMap((fault) => [...this.#peace(), fault]),
      seed,
      delayMaxMs: DELAY_MAX_MS,
      outageMs: OUTAGE_MIN_MS + this.#random() * (OUTAGE_MAX_MS - OUTAGE_MIN_MS),
      onOver: (over) => this.#over(over),
    });
    this.#relay = await createTlsRelay({
      target: new URL(secure),
      impostors: scene.impostors,
      script: this.#shuffled(TLS_FAULTS),
      random: this.#random,
      onStruck: (fault) => this.struck(fault, TLS_DEVICE),
    });
  }

  get betrayed(): number {
    return this.#relay?.betrayed ?? 0;
  }

  urlFor(deviceId: string): string {
    return deviceId === TLS_DEVICE ? `https://localhost:${this.#relay?.port}` : (this.#proxy?.url ?? '');
  }

  struck(fault: NetworkFault, deviceId: string): void {
    this.strikes.struck(fault, deviceId);
    this.#options.vigil.stir();
  }

  acknowledged(deviceId: string): void {
    // Of the others the proxy sees more.
    if (deviceId === TLS_DEVICE) this.#delivered(deviceId);
  }

  deliveries(deviceId: string): number {
    return this.#deliveries.get(deviceId) ?? 0;
  }

  missing(): NetworkFault[] {
    return [...FAULT_NAMES, ...TLS_FAULTS].filter((fault) => this.strikes.count(fault) < TIMES);
  }

  heal(): void {
    this.#proxy?.heal();
    this.#relay?.heal();
  }

  async close(): Promise<void> {
    await this.#relay?.close();
    await this.#proxy?.close();
  }

  #over({ fault, headers, status }: RequestOver): void {
    const id = String(headers['x-device-id']);
    if (Number(headers['x-timestamp']) > BELIEVED_FROM) this.#options.vigil.found(`${id} believed a forged clock`);
    if (fault !== 'none') this.struck(fault, id);
    else if (status === 200) this.#delivered(id);
  }

  #delivered(deviceId: string): void {
    this.strikes.counted(deviceId);
    this.#deliveries.set(deviceId, this.deliveries(deviceId) + 1);
    this.#options.vigil.stir();
  }

  /** Several decks, each shuffled by itself, so that no fault comes all at the end. */
  #shuffled<T>(deck: readonly T[]): T[] {
    return Array.from({ length: TIMES }, () => {
      const left = [...deck];
      return deck.map(() => left.splice(Math.floor(this.#random() * left.length), 1)[0]!);
    }).flat();
  }

  #peace(): 'none'[] {
    return Array.from({ length: Math.floor(this.#random() * 3) }, () => 'none');
  }
}
