/**
 * OtlpReceiver: the other end of an OTLP exporter, as small as it can be.
 *
 * Owns the decoding of log records and their count and sums, in memory. Promises the status that OTLP asks for. Never
 * stores anything: a collector would not either, before it answers.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import protobuf from 'protobufjs';
import type { Listen } from '../peer.ts';
import { portOf } from '../receiver.ts';

/** The part of opentelemetry/proto/logs/v1/logs.proto that these records use. */
const SCHEMA = `
  syntax = "proto3";
  message AnyValue { oneof value { string string_value = 1; int64 int_value = 3; double double_value = 4; } }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message LogRecord { fixed64 time_unix_nano = 1; repeated KeyValue attributes = 6; }
  message ScopeLogs { repeated LogRecord log_records = 2; }
  message ResourceLogs { repeated ScopeLogs scope_logs = 2; }
  message ExportLogsServiceRequest { repeated ResourceLogs resource_logs = 1; }`;

interface Attribute {
  readonly key: string;
  readonly value: { readonly intValue?: number | { toNumber(): number }; readonly doubleValue?: number };
}

interface ExportRequest {
  readonly resourceLogs: readonly {
    readonly scopeLogs: readonly { readonly logRecords: readonly { readonly attributes: readonly Attribute[] }[] }[];
  }[];
}

const ExportRequestType = protobuf.parse(SCHEMA).root.lookupType('ExportLogsServiceRequest');
const inflate = promisify(gunzip);

export const listen: Listen = async () => {
  const totals = { events: 0, sums: { volume: 0, temperature: 0 } };
  const take = async (request: IncomingMessage) => {
    const body = await inflate(await buffer(request));
    const { resourceLogs } = ExportRequestType.decode(body) as unknown as ExportRequest;
    for (const { attributes } of resourceLogs
      .flatMap(({ scopeLogs }) => scopeLogs)
      .flatMap((scope) => scope.logRecords)) {
      totals.events++;
      for (const { key, value } of attributes) {
        if (key === 'volume' || key === 'temperature') totals.sums[key] += numberOf(value);
      }
    }
  };
  const server = createServer(async (request, answer) => {
    if (request.method === 'GET') {
      answer.end(JSON.stringify(totals));
      return;
    }
    try {
      await take(request);
      // An ExportLogsServiceResponse that has nothing to complain about is empty.
      answer.setHeader('content-type', 'application/x-protobuf').end();
    } catch (error) {
      console.error(error);
      answer.writeHead(400).end();
    }
  });
  return portOf(server.listen(0, '127.0.0.1'));
};

/** JavaScript's whole numbers are sent as integers. */
function numberOf({ intValue = 0, doubleValue }: Attribute['value']): number {
  return doubleValue || Number(intValue);
}
