/**
 * Peer: the contract of what is measured beside Tidegate.
 *
 * Owns the words for what a peer promises and needs, and for the two halves that it is made of: a client, which runs in
 * a process of its own as a device would, and a server. Never names one: that is the roster's.
 */
import type { Arrival } from './arrival.ts';
import type { Row } from './rows.ts';
import type { ServerProgram } from './server.ts';

/** What an acknowledgement is worth, in a few words each: the columns of the comparison. */
export interface Promises {
  readonly fsyncedBeforeAcknowledged: string;
  readonly dedupePerEvent: string;
  readonly exactTotals: string;
  readonly deviceDiskQueue: string;
}

export interface Peer {
  readonly name: string;
  readonly promises: Promises;
  /** Of a full run: about two seconds' worth. */
  readonly events: number;
  /** The file that exports `open`, from this folder, without its ending. */
  readonly client: string;
  /** Passed on to the client as it is. */
  readonly settings?: object;
  /** A program of the system, or the file of a receiver, from this folder, without its ending. */
  readonly server: ServerProgram | string;
  /** Of `bench/peers/package.json`; none where the main install is enough. */
  readonly packages: readonly string[];
}

/** What a client is given. */
export interface Seat<Settings extends object = object> {
  /** Of the server, on the loopback interface. */
  readonly port: number;
  /** An empty folder. */
  readonly folder: string;
  readonly rows: readonly Row[];
  readonly settings: Settings;
}

export interface Client {
  /** Resolves when every row is acknowledged. This is what is measured. */
  send(): Promise<void>;
  /** What the other side holds now, by its own account. */
  arrived(): Promise<Arrival>;
  close(): Promise<void>;
}

/** What a client's file exports as `open`. Connects, and stores the rows where the client has a queue to send from. */
export type OpenClient<Settings extends object = object> = (seat: Seat<Settings>) => Promise<Client>;

/** What a receiver's file exports as `listen`: resolves with the port on the loopback interface. */
export type Listen = (folder: string) => Promise<number>;
