/** A process that holds a lock until it is killed. */
import { lockFile } from '../../src/store/index.ts';

await lockFile(process.argv[2]!, () => new Error('taken'));
process.send!('held');
setInterval(() => {}, 1_000);
