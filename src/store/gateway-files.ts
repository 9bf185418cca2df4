/**
 * The files of a gateway's database besides what RocksDB makes: what is kept of it while it opens, and its witness.
 *
 * Owns the port through which the store reaches them, and the real ones. Promises that a simulation which brings others has
 * everything of a store run on them. Never looks into a database.
 */
import { type KeptFiles, keepFiles } from './kept-files.ts';
import { openWitness, type Witness } from './witness.ts';

export interface GatewayFiles {
  keepFiles(path: string): Promise<KeptFiles>;
  openWitness(path: string): Promise<Witness>;
}

export const gatewayFiles: GatewayFiles = { keepFiles, openWitness };
