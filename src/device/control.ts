/**
 * Control: how a second command talks to a device that is running.
 *
 * Owns the local socket in the data directory. Promises that only who may read the queue can reach it, and that a dead
 * socket of a crashed run is replaced. Never listens on a network.
 */

import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { chmod, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ownerPid, runningOwner } from '../store/index.ts';
import type { Device } from './device.ts';
import { DeviceError } from './errors.ts';

/** What `sun_path` holds on the least generous system. */
const SOCKET_PATH_MAX = 100;

/** The socket's place: in the data directory, or, where that path is too long for a socket, a name made from it. */
export function controlPath(data: string): string {
  const path = join(realOf(data), 'control.sock');
  if (process.platform !== 'win32' && Buffer.byteLength(path) <= SOCKET_PATH_MAX) return path;
  const digest = createHash('sha256').update(path).digest('hex').slice(0, 32);
  return process.platform === 'win32' ? `\\\\.\\pipe\\tidegate-${digest}` : join(tmpdir(), `tidegate-${digest}.sock`);
}

/** However it is spelled. */
function realOf(data: string): string {
  try {
    return realpathSync(data);
  } catch {
    return resolve(data);
  }
}

/** Serves until the returned function is called. The caller holds the queue's lock, so no other run listens. */
export async function serveControl(device: Device, data: string): Promise<() => Promise<void>> {
  const path = controlPath(data);
  await rm(path, { force: true });
  const server = createServer((incoming, answer) => {
    answerTo(device, incoming, answer).catch((error: unknown) => answer.destroy(error as Error));
  });
  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    server.listen(path, listening);
  });
  if (process.platform !== 'win32') await chmod(path, 0o600);
  return () =>
    new Promise((closed) => {
      server.close(() => closed());
      server.closeAllConnections();
    });
}

async function answerTo(device: Device, incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
  switch (`${incoming.method} ${incoming.url}`) {
    case 'GET /status':
      return answerJson(answer, device.status());
    case 'GET /quarantine': {
      const lines = async function* () {
        for await (const event of device.quarantine()) yield `${JSON.stringify(event)}\n`;
      };
      answer.setHeader('content-type', 'application/x-ndjson');
      return pipeline(Readable.from(lines()), answer);
    }
    case 'POST /quarantine/retry':
      return answerJson(answer, { events: await device.retryQuarantine() });
    case 'POST /probe':
      device.probe();
      return answerJson(answer, {});
    default:
      answer.statusCode = 404;
      return answerJson(answer, { error: 'not found' });
  }
}

function answerJson(answer: ServerResponse, value: unknown): void {
  answer.setHeader('content-type', 'application/json');
  answer.end(JSON.stringify(value));
}

/** Nobody listens there. */
const UNHEARD: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED']);

/** A device says where it is within milliseconds; one that is this late hangs, or was stopped. */
const SILENT_MS = 5_000;

/**
 * Asks a running device; undefined where none is running.
 * @throws DeviceError `no-answer` where one runs and says nothing; the answer ends with it where it breaks off.
 */
export async function askControl(
  data: string,
  method: 'GET' | 'POST',
  path: string,
  silentMs = SILENT_MS,
): Promise<IncomingMessage | undefined> {
  const pid = await ownerPid(join(data, 'queue'));
  const who = pid === undefined ? 'the device' : `the device (pid ${pid})`;
  return new Promise((answered, failed) => {
    const asked = request({ socketPath: controlPath(data), method, path, timeout: silentMs }, answered);
    asked.once('timeout', () => {
      asked.destroy(
        new DeviceError('no-answer', `${who} runs on ${data}, but has not answered for ${silentMs / 1e3} s`),
      );
    });
    asked.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== undefined && UNHEARD.has(error.code)) unheard(data).then(() => answered(undefined), failed);
      else if (error.code === 'EACCES') barred(data).then(failed, failed);
      else failed(error);
    });
    asked.end();
  });
}

/** Rejects with `no-answer` where a device runs all the same: under another TMPDIR, or it is just starting. */
async function unheard(data: string): Promise<void> {
  const pid = await runningOwner(join(data, 'queue')).catch(() => undefined);
  if (pid === undefined) return;
  const path = controlPath(data);
  const hint = 'It may be starting, or have been started with another TMPDIR: ask with that one';
  throw new DeviceError(
    'no-answer',
    `the device (pid ${pid}) runs on ${data}, but nothing listens at ${path}. ${hint}`,
  );
}

async function barred(data: string): Promise<DeviceError> {
  const path = controlPath(data);
  const owner = await stat(path).catch(() => undefined);
  const whose = owner === undefined ? 'is another user’s' : `belongs to user ${owner.uid}`;
  const advice = `this process runs as user ${process.geteuid?.()}: ask as that user, or as root`;
  return new DeviceError('no-answer', `${path} ${whose}, and ${advice}`);
}
