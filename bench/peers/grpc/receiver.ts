/**
 * GrpcReceiver: the server that somebody would write for these events: decode, add up, append to a file, sync, answer.
 *
 * Owns the file. Promises that a call is answered only when its batch is synced; batches follow one another in the
 * file, and each has a sync of its own.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import type { Listen } from '../peer.ts';
import { type Received, type Totals, telemetry } from './telemetry.ts';

export const listen: Listen = async (folder) => {
  const file = await open(join(folder, 'batches'), 'a');
  const totals = { events: 0, volume: 0, temperature: 0 };
  let last: Promise<unknown> = Promise.resolve();
  const append = ({ bytes, batch }: Received): Promise<unknown> => {
    last = last.then(async () => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      await file.appendFile(Buffer.concat([length, bytes]));
      await file.datasync();
      for (const { volume, temperature } of batch.events) {
        totals.events++;
        totals.volume += volume;
        totals.temperature += temperature;
      }
    });
    return last;
  };
  const server = new Server();
  server.addService(telemetry, {
    record({ request }: ServerUnaryCall<Received, object>, answer: sendUnaryData<object>) {
      append(request).then(() => answer(null, {}), answer);
    },
    totals(_call: unknown, answer: sendUnaryData<Totals>) {
      answer(null, totals);
    },
  });
  return new Promise((listening, failed) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? listening(port) : failed(error),
    );
  });
};
