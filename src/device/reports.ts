/**
 * Reports: what the gateway has yet to be told of the device's account where no batch of events will say it.
 *
 * Owns when a batch without events is due, and sends it. Promises that in the end the gateway knows of everything that
 * the account knows (promise 7): what was refused, and what came to disk unnoticed and was sent before it was counted.
 * Never says what a later batch of events says anyway.
 */
import type { Delivery } from './delivery.ts';
import { type PersistOptions, persist } from './persistence.ts';

export interface ReportsOptions extends PersistOptions {
  readonly delivery: Pick<Delivery, 'declare'>;
  /** Something has become known: to the gateway, or that there was nothing to tell. */
  readonly onKnown: () => void;
}

export interface Reports {
  /** One is to be sent. */
  readonly due: boolean;
  /** Nothing is to be told, nor being told, nor being counted. */
  readonly idle: boolean;
  /** The account has changed in a way that the gateway cannot know; it is told under this stream. */
  add(stream: Uint8Array): void;
  /** A batch of events was cut, of this stream: it will say what the account knows by then. */
  cut(stream: Uint8Array): void;
  /** The account is behind what may be sent meanwhile, until the returned function is called. */
  catchUp(): () => void;
  /** Sends what is due. */
  tell(): Promise<void>;
}

export function createReports(options: ReportsOptions): Reports {
  const { delivery, onKnown } = options;
  /** Of what changed since the last cut. */
  let untold: Uint8Array | undefined;
  let telling = false;
  /** Recounts under way, and the stream of what was cut meanwhile. */
  let behind = 0;
  let unsure: Uint8Array | undefined;
  return {
    get due() {
      return untold !== undefined && !telling;
    },
    get idle() {
      return untold === undefined && !telling && behind === 0;
    },
    add(stream) {
      untold = stream;
    },
    cut(stream) {
      untold = undefined;
      if (behind > 0) unsure = stream;
    },
    catchUp() {
      behind++;
      return () => {
        behind--;
        if (behind === 0) {
          untold ??= unsure;
          unsure = undefined;
        }
        onKnown();
      };
    },
    async tell() {
      const stream = untold!;
      untold = undefined;
      telling = true;
      await persist(options, () => delivery.declare(stream, []));
      telling = false;
      onKnown();
    },
  };
}
