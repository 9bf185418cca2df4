/**
 * Grpc: unary calls, each with a batch of events as protobuf.
 *
 * Owns the calls under way. Promises that a call counts when it has been answered with OK.
 */
import { promisify } from 'node:util';
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import type { OpenClient } from '../peer.ts';
import { inBatches } from '../rows.ts';
import { type Batch, type Totals, telemetry } from './telemetry.ts';

type Call<Request, Answer> = (request: Request, done: (error: Error | null, answer: Answer) => void) => void;

export const open: OpenClient = async ({ port, rows }) => {
  const Telemetry = makeGenericClientConstructor(telemetry, 'Telemetry');
  const service = new Telemetry(`127.0.0.1:${port}`, credentials.createInsecure());
  const record = promisify((service['record'] as Call<Batch, object>).bind(service));
  const totals = promisify((service['totals'] as Call<object, Totals>).bind(service));
  return {
    send: () => inBatches(rows, (events) => record({ events })),
    async arrived() {
      const { events, volume, temperature } = await totals({});
      return { events, sums: { volume, temperature } };
    },
    async close() {
      service.close();
    },
  };
};
