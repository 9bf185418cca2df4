/**
 * MQTT: one message for each event, into a broker that keeps them for a session which is away.
 *
 * Owns the publisher, its store on disk and its window, and the session that later comes for everything. Promises that
 * the next message is published only when one of the window is acknowledged: by PUBACK, or PUBCOMP for QoS 2.
 */
import assert from 'node:assert';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { Manager } from 'mqtt-jsonl-store';
import { inLanes } from '../../lanes.ts';
import { createTally } from '../arrival.ts';
import type { OpenClient } from '../peer.ts';

/** Messages under way. */
const WINDOW = 1_000;
/** Instead of once a minute, so that what is under way survives the end of the process. It is never synced. */
const AT_ONCE = { intervalMs: 1_000, maxBufferedCommands: 0 };
/** Its types ask for these; it never looks at them. */
const UNREAD = { maxSize: 0, clean: false };
/** Of the broker, for one message more. */
const SILENCE_MS = 20_000;

export const open: OpenClient<{ readonly qos: 1 | 2 }> = async ({ port, folder, rows, settings: { qos } }) => {
  const connect = (options: IClientOptions): Promise<MqttClient> =>
    mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options });
  const archive = { clientId: 'archive', clean: false };
  const registered = await connect(archive);
  await registered.subscribeAsync('telemetry/#', { qos });
  await registered.endAsync();

  const store = new Manager(folder, { throttleFS: AT_ONCE, ...UNREAD });
  const { incoming: incomingStore, outgoing: outgoingStore } = await store.open();
  const publisher = await connect({ clientId: 'pump', clean: false, incomingStore, outgoingStore });
  return {
    send: () =>
      inLanes(rows.length, WINDOW, (at) => {
        const { sensor, ...reading } = rows[at]!;
        return publisher.publishAsync(`telemetry/${sensor}`, JSON.stringify(reading), { qos });
      }),
    async arrived() {
      const tally = createTally();
      let events = 0;
      const reader = mqtt.connect(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...archive });
      await new Promise<void>((done, failed) => {
        const silence = setTimeout(() => failed(new Error(`only ${events} messages came`)), SILENCE_MS);
        reader.on('error', failed);
        reader.on('message', (_topic, payload) => {
          tally.add(JSON.parse(payload.toString()));
          silence.refresh();
          if (++events === rows.length) {
            clearTimeout(silence);
            done();
          }
        });
      });
      await reader.endAsync();
      assert.equal(events, rows.length);
      return tally.arrival();
    },
    async close() {
      await publisher.endAsync();
    },
  };
};
