/**
 * A process that records for ever, to be killed: says on a line of its own what each receipt was given for.
 *
 * Owns nothing. Promises to write a line as soon as the receipt is there, before anything else.
 */
import { openDevice } from '../../src/device/index.ts';
import { CREDENTIAL } from './model-gateway.ts';

const [data = '', gateway = '', id = '', round = ''] = process.argv.slice(2);
const device = await openDevice({
  gateway,
  id,
  credential: CREDENTIAL,
  data,
  lingerMs: 1,
  retryBaseMs: 1,
  retryMaxMs: 10,
  reserveBytes: 0,
  batchEventsMax: 200,
});

/** Several at a time, so that the kill falls into the middle of something. */
async function recordForever(writer: number): Promise<never> {
  for (let i = 0; ; i++) {
    const ts = Number(round) * 1e9 + writer * 1e8 + i;
    const volume = `${i % 3 === 0 ? '-' : ''}${(i * 7_919) % 977}.${String((i * 104_729) % 1e6).padStart(6, '0')}1`;
    const { stream, sequence } = await device.record({ volume: Number(volume) }, { sensor: `w${writer}`, at: ts });
    process.stdout.write(`${stream}/${sequence} ${ts} w${writer} ${volume}\n`);
  }
}

await Promise.all([1, 2, 3, 4].map(recordForever));
