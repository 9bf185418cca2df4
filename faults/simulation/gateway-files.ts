/**
 * GatewayFiles: what a gateway's store asks of a file system beside its database, in memory.
 *
 * Owns the witness of one database. Promises that it is there again after a crash, as it was written last by a process
 * that lived.
 */
import type { GatewayFiles } from '../../src/store/gateway-files.ts';
import type { Disk } from './disk.ts';
import { never } from './handle.ts';

/** @param isAlive whether the process that asks still runs; asked for each process anew */
export function createGatewayFiles(disk: Pick<Disk, 'isFull'>): (isAlive: () => boolean) => GatewayFiles {
  let written: Buffer | undefined;
  return (isAlive) => ({
    // A disk that takes nothing shows it when it is written to.
    assertWritable: async () => {},
    createRoom: () => ({ isLow: async () => disk.isFull(), remeasure() {} }),
    // What its database has lost shows when that is opened.
    isDatabase: async () => true,
    // A machine that has crashed holds nothing.
    lock: async () => ({ release: async () => {} }),
    readStatement: async () => written,
    openWitness: async () => ({
      get statement() {
        return written;
      },
      trouble: undefined,
      async write(statement) {
        if (!isAlive()) return never();
        written = statement;
      },
      close: async () => {},
    }),
  });
}
