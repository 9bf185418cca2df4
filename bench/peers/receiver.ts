/**
 * Receiver: the server of a peer that has none of its own, as a program of ours.
 *
 * Owns the way in which such a program says where it listens, and how it is started and ended. Never knows what it
 * receives.
 */
import assert from 'node:assert';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { outputOf, type Programs, taskArguments } from '../../rig/programs.ts';
import type { RunningServer } from './server.ts';

export interface ReceiverTask {
  /** The file that exports `listen`, from this folder, without its ending. */
  readonly receiver: string;
  /** Empty. */
  readonly folder: string;
}

const PORT_PATTERN = /^listening on port (\d+)$/;
const START_WITHIN_MS = 30_000;

/** What a receiver says on standard error when it may be sent to. */
export function listeningLine(port: number): string {
  return `listening on port ${port}`;
}

export async function startReceiver(programs: Programs, task: ReceiverTask): Promise<RunningServer> {
  const program = programs.start('receiver', 'bench/peers/receiver-process.js', taskArguments(task));
  const port = await new Promise<number>((listening, failed) => {
    program.onLine((line) => {
      const said = PORT_PATTERN.exec(line)?.[1];
      if (said !== undefined) listening(Number(said));
    });
    outputOf(program).then(() => failed(new Error('the receiver ended at once')), failed);
    setTimeout(() => failed(new Error('the receiver does not listen')), START_WITHIN_MS).unref();
  });
  return {
    port,
    pid: program.pid,
    async stop() {
      program.kill('SIGKILL');
      await program.ended;
    },
  };
}

export async function portOf(server: Server): Promise<number> {
  if (!server.listening) await once(server, 'listening');
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  return address.port;
}
