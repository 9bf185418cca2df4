/**
 * ReceiverProcess: the server half of a peer that has no server of its own, in a process of its own until it is ended.
 */
import { ownTask } from '../../rig/programs.ts';
import type { Listen } from './peer.ts';
import { listeningLine, type ReceiverTask } from './receiver.ts';

const { receiver, folder } = ownTask<ReceiverTask>();
const { listen } = (await import(`./${receiver}.js`)) as { listen: Listen };
console.error(listeningLine(await listen(folder)));
