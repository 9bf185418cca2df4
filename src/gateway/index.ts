/**
 * The front door of the gateway: the server, what it keeps, and the keys that it checks.
 *
 * Read in this order: gateway → ingest-route → admission → tally → pages → read-routes.
 */
export { AdminTokenError } from './admin.ts';
export { type GatewayData, openData } from './data.ts';
export { createGateway, type GatewayOptions } from './gateway.ts';
export { KeyFileError, type KeyFileErrorCode } from './key-errors.ts';
export {
  createKeyFile,
  type DeliverKey,
  type KeyFile,
  type KeyFileOptions,
  type KeyRecord,
  type KeyTable,
} from './key-file.ts';
export { type KeyWatchOptions, type WatchedKeyRing, watchKeyFile } from './key-watch.ts';
export type { Key, KeyRing } from './keyring.ts';
export { DEFAULT_LIMITS, type GatewayLimits } from './limits.ts';
export { OptionsError } from './options.ts';
export { type Page, pageOperator } from './pages.ts';
