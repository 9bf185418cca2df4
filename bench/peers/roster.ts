/**
 * Roster: what users would pick instead of Tidegate, and what each of them promises at the settings used here.
 *
 * Owns the columns of the comparison, in words that their documentation stands behind, and how many events each is
 * given. Promises that where a setting puts an event on disk before it is acknowledged, that setting is on. Never
 * measures.
 */
import type { Peer, Promises } from './peer.ts';
import { influxdb, mosquitto, natsServer, prometheus, victoriaMetrics } from './servers.ts';

const FLOATS = 'no: doubles';
const NOT_ADDED_UP = 'none: never adds up';

export const TIDEGATE_PROMISES: Promises = {
  fsyncedBeforeAcknowledged: 'yes',
  dedupePerEvent: 'for ever',
  exactTotals: 'yes',
  deviceDiskQueue: 'yes, fsynced',
};

const MOSQUITTO = {
  fsyncedBeforeAcknowledged: 'no: half-hourly',
  exactTotals: NOT_ADDED_UP,
  deviceDiskQueue: 'what is in flight',
};

const JETSTREAM = { fsyncedBeforeAcknowledged: 'no: on a timer', exactTotals: NOT_ADDED_UP, deviceDiskQueue: 'no' };

/** A point is named by its series and its time: a second one there is the same one, or takes its place. */
const SERIES = { dedupePerEvent: 'by sensor and ms', exactTotals: FLOATS, deviceDiskQueue: 'no' };

export const ROSTER: readonly Peer[] = [
  {
    name: 'MQTT QoS 1 → mosquitto',
    events: 100_000,
    client: 'mqtt/client',
    settings: { qos: 1 },
    server: mosquitto,
    packages: ['mqtt', 'mqtt-jsonl-store'],
    promises: { ...MOSQUITTO, dedupePerEvent: 'no' },
  },
  {
    name: 'MQTT QoS 2 → mosquitto',
    events: 50_000,
    client: 'mqtt/client',
    settings: { qos: 2 },
    server: mosquitto,
    packages: ['mqtt', 'mqtt-jsonl-store'],
    promises: { ...MOSQUITTO, dedupePerEvent: 'within a session' },
  },
  {
    name: 'JetStream, an id per event',
    events: 40_000,
    client: 'jetstream/client',
    settings: { batched: false },
    server: natsServer,
    packages: ['@nats-io/transport-node', '@nats-io/jetstream'],
    promises: { ...JETSTREAM, dedupePerEvent: 'for 2 min' },
  },
  {
    name: 'JetStream, JSON + gzip by 1,000, UUIDs',
    events: 500_000,
    client: 'jetstream/client',
    settings: { batched: true, ids: true },
    server: natsServer,
    packages: ['@nats-io/transport-node', '@nats-io/jetstream'],
    promises: { ...JETSTREAM, dedupePerEvent: 'no: per batch, 2 min' },
  },
  {
    name: 'JetStream, JSON + gzip by 1,000, no ids',
    events: 1_000_000,
    client: 'jetstream/client',
    settings: { batched: true },
    server: natsServer,
    packages: ['@nats-io/transport-node', '@nats-io/jetstream'],
    promises: { ...JETSTREAM, dedupePerEvent: 'no: per batch, 2 min' },
  },
  {
    name: 'remote write → prometheus',
    events: 300_000,
    client: 'remote-write/client',
    server: prometheus,
    packages: ['prometheus-remote-write'],
    promises: { ...SERIES, fsyncedBeforeAcknowledged: 'no' },
  },
  {
    name: 'remote write → victoria-metrics',
    events: 300_000,
    client: 'remote-write/client',
    server: victoriaMetrics,
    packages: ['prometheus-remote-write'],
    promises: { ...SERIES, fsyncedBeforeAcknowledged: 'no: in memory' },
  },
  {
    name: 'line protocol + gzip → influxdb',
    events: 300_000,
    client: 'influx/client',
    server: influxdb,
    packages: [],
    promises: { ...SERIES, fsyncedBeforeAcknowledged: 'yes' },
  },
  {
    name: 'OTLP/HTTP + gzip → receiver',
    events: 100_000,
    client: 'otlp/client',
    server: 'otlp/receiver',
    packages: ['@opentelemetry/sdk-logs', '@opentelemetry/exporter-logs-otlp-proto', 'protobufjs'],
    promises: {
      fsyncedBeforeAcknowledged: 'no: in memory',
      dedupePerEvent: 'no',
      exactTotals: FLOATS,
      deviceDiskQueue: 'no',
    },
  },
  {
    name: 'gRPC unary by 1,000 → file',
    events: 500_000,
    client: 'grpc/client',
    server: 'grpc/receiver',
    packages: ['@grpc/grpc-js', 'protobufjs'],
    promises: {
      fsyncedBeforeAcknowledged: 'yes',
      dedupePerEvent: 'no',
      exactTotals: FLOATS,
      deviceDiskQueue: 'no',
    },
  },
  {
    name: 'by hand: JSON + gzip + HMAC, UUID rows',
    events: 100_000,
    client: 'pair/client',
    server: 'pair/receiver',
    packages: [],
    promises: {
      fsyncedBeforeAcknowledged: 'yes',
      dedupePerEvent: 'yes, a row per event',
      exactTotals: FLOATS,
      deviceDiskQueue: 'yes, fsynced',
    },
  },
];
