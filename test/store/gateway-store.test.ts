import { gatewayStoreConformance } from './gateway-store-conformance.ts';
import { rocksWith } from './gateway-store-rocks.ts';

gatewayStoreConformance('RocksDB', rocksWith({}));
gatewayStoreConformance('RocksDB that can keep next to nothing', rocksWith({ cachedPagesMax: 2, cachedLedgersMax: 1 }));
