/**
 * OTLP: events as log records of the OpenTelemetry SDK, protobuf under gzip over HTTP.
 *
 * Owns the pace: the SDK's batching processor drops what comes while its buffer is full, so it is flushed whenever it
 * is. Promises that an export which failed is not passed over: the SDK only logs it. Never uses the SDK's metrics,
 * which keep no single event.
 */
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import type { Arrival } from '../arrival.ts';
import type { OpenClient } from '../peer.ts';
import { BATCH_EVENTS } from '../rows.ts';

/** Records that the processor holds: it exports them one batch after another. */
const BUFFER_EVENTS = 4 * BATCH_EVENTS;

export const open: OpenClient = async ({ port, rows }) => {
  const server = `http://127.0.0.1:${port}`;
  const complain = (message: string) => console.error(message);
  const silent = () => {};
  diag.setLogger(
    { error: complain, warn: complain, info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.WARN },
  );
  const exporter = new OTLPLogExporter({ url: `${server}/v1/logs`, compression: CompressionAlgorithm.GZIP });
  const processor = new BatchLogRecordProcessor({
    exporter,
    maxExportBatchSize: BATCH_EVENTS,
    maxQueueSize: BUFFER_EVENTS,
  });
  const provider = new LoggerProvider({ processors: [processor] });
  const logger = provider.getLogger('pump');
  return {
    async send() {
      for (let from = 0; from < rows.length; from += BUFFER_EVENTS) {
        for (const { ts, ...attributes } of rows.slice(from, from + BUFFER_EVENTS)) {
          // As seconds and nanoseconds: a plain number that is older than the process would be taken for a duration.
          logger.emit({ timestamp: [Math.floor(ts / 1_000), (ts % 1_000) * 1e6], attributes });
        }
        await provider.forceFlush();
      }
    },
    async arrived() {
      return (await (await fetch(`${server}/totals`)).json()) as Arrival;
    },
    close: () => provider.shutdown(),
  };
};
