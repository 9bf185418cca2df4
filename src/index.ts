/**
 * The front door of the package: one way in for each side of the link.
 *
 * Everything else is behind `tidegate/device`, `tidegate/gateway`, `tidegate/codec` and `tidegate/store`.
 */
export { openDevice } from './device/index.ts';
export { createGateway } from './gateway/index.ts';
