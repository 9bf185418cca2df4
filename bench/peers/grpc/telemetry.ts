/**
 * Telemetry: the gRPC service that somebody would write for these events.
 *
 * Owns its messages and how they become bytes. Promises what gRPC's own generator would make of the same file. Never
 * compresses: gRPC does not unless it is told to.
 */
import type { ServiceDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { Row } from '../rows.ts';

export interface Batch {
  readonly events: readonly Row[];
}

export interface Totals {
  readonly events: number;
  readonly volume: number;
  readonly temperature: number;
}

const { root } = protobuf.parse(`
  syntax = "proto3";
  message Event { int64 ts = 1; string sensor = 2; double volume = 3; double temperature = 4; }
  message Batch { repeated Event events = 1; }
  message Nothing {}
  message Totals { uint32 events = 1; double volume = 2; double temperature = 3; }`);

/** What is taken in keeps its bytes, which are what a server stores. */
export interface Received {
  readonly bytes: Buffer;
  readonly batch: Batch;
}

const BatchType = root.lookupType('Batch');
const NothingType = root.lookupType('Nothing');
const TotalsType = root.lookupType('Totals');

const encoder = (type: protobuf.Type) => (value: object) => type.encode(value).finish() as Buffer;
const decoder = (type: protobuf.Type) => (bytes: Buffer) => type.decode(bytes);

export const telemetry = {
  record: {
    path: '/Telemetry/Record',
    requestStream: false,
    responseStream: false,
    requestSerialize: encoder(BatchType),
    requestDeserialize: (bytes: Buffer) => ({ bytes, batch: BatchType.decode(bytes) }),
    responseSerialize: encoder(NothingType),
    responseDeserialize: decoder(NothingType),
  },
  totals: {
    path: '/Telemetry/Totals',
    requestStream: false,
    responseStream: false,
    requestSerialize: encoder(NothingType),
    requestDeserialize: decoder(NothingType),
    responseSerialize: encoder(TotalsType),
    responseDeserialize: decoder(TotalsType),
  },
} satisfies ServiceDefinition;
