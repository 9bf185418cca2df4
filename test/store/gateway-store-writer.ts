/**
 * A process that ingests until it is killed: `gateway-store-writer.ts <module> <location> <seed>`. The module exports
 * `openStore(location)`. Says of every batch that was acknowledged: device, stream, first, last.
 */
import type { GatewayStore } from '../../src/store/index.ts';
import { type Counter, send, streamKey } from './gateway-store-counter.ts';
import { createRandom } from './random.ts';

const [module, location, seed] = process.argv.slice(2);
const { openStore }: { openStore(location: string): Promise<GatewayStore<Counter>> } = await import(module!);
const store = await openStore(location!);

async function ingestForEver(caller: number): Promise<never> {
  const random = createRandom(Number(seed) * 1_000 + caller);
  for (;;) {
    const key = streamKey(`device-${random(3)}`, random(2));
    const first = 1 + random(3_000);
    const last = first + random(60);
    await send(store, key, { first, last });
    // Pipes are written to at once, so nothing that was acknowledged goes unsaid.
    process.stdout.write(`${key.deviceId} ${key.stream} ${first} ${last}\n`);
  }
}

await Promise.all(Array.from({ length: 16 }, (_, caller) => ingestForEver(caller)));
