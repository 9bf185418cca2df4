/**
 * JetStream: events into a stream on a NATS server's disk, each as a message with an id of its own, or many to a
 * message.
 *
 * Owns the publisher and its window, and the reading of the whole stream afterwards. Promises that a message counts
 * only when the server has acknowledged it as stored and new.
 */
import assert from 'node:assert';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzipSync, gzip } from 'node:zlib';
import { jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { inLanes } from '../../lanes.ts';
import { createTally } from '../arrival.ts';
import type { OpenClient } from '../peer.ts';
import { inBatches } from '../rows.ts';

const STREAM = 'telemetry';
const SUBJECT = 'telemetry.pump';
/** Messages of one event under way. */
const WINDOW = 1_000;
const ANSWER_WITHIN_MS = 60_000;

const compress = promisify(gzip);

interface Settings {
  /** Many events to a message, or one. */
  readonly batched: boolean;
  /** A UUID in each row of a batch, for a reader to tell repeated events by: the server does not look inside. */
  readonly ids?: boolean;
}

export const open: OpenClient<Settings> = async ({ port, rows, settings: { batched, ids = false } }) => {
  const connection = await connect({ servers: `127.0.0.1:${port}`, reconnect: false });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: STREAM,
    subjects: [SUBJECT],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
  });
  const stream = jetstream(connection, { timeout: ANSWER_WITHIN_MS });
  const publish = async (payload: string | Uint8Array) => {
    const { duplicate } = await stream.publish(SUBJECT, payload, { msgID: randomUUID() });
    assert(!duplicate);
  };
  return {
    send: () =>
      batched
        ? inBatches(rows, async (batch) => {
            const sent = ids ? batch.map((row) => ({ id: randomUUID(), ...row })) : batch;
            await publish(await compress(JSON.stringify(sent)));
          })
        : inLanes(rows.length, WINDOW, (at) => publish(JSON.stringify(rows[at]))),
    async arrived() {
      const tally = createTally();
      const { messages } = (await manager.streams.info(STREAM)).state;
      const consumer = await stream.consumers.get(STREAM);
      let seen = 0;
      for await (const message of await consumer.consume({ max_messages: WINDOW })) {
        const rowsOfMessage = batched ? JSON.parse(gunzipSync(message.data).toString()) : [message.json()];
        for (const row of rowsOfMessage) tally.add(row);
        if (++seen === messages) break;
      }
      return tally.arrival();
    },
    close: () => connection.close(),
  };
};
