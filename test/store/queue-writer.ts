/**
 * A process that appends for ever, to be killed: says on a line of its own what each append has resolved with.
 *
 * Owns nothing. Promises to write a line only after the append that it is about.
 */
import { openQueue } from '../../src/store/index.ts';

const [path = '', round = ''] = process.argv.slice(2);
const queue = await openQueue({ path, deviceId: 'pump-1', reserveBytes: 0 });

/** Several at a time, of several sizes, so that the kill falls into the middle of something. */
async function appendForever(writer: number): Promise<never> {
  for (let i = 0; ; i += 1) {
    const text = `${round} ${writer} ${i}`;
    const bytes = Buffer.from(text.padEnd(10 + ((i * 7_919) % 9_000), '.'));
    const { first, stream } = await queue.append([{ count: 1 + (i % 5), bytes }]);
    process.stdout.write(`${first} ${Buffer.from(stream).toString('hex')} ${text}\n`);
  }
}

await Promise.all([1, 2, 3].map(appendForever));
