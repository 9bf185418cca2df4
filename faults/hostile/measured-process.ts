/**
 * MeasuredProcess: a gateway in a process of its own, that is told when to measure, and a client of it.
 *
 * Owns the process and its ending. Never judges what was measured.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { BATCH_MEDIA_TYPE, compressBody, HEADER } from '../../src/codec/index.ts';
import { Breach } from './kind.ts';
import type { Measured } from './measured-gateway.ts';
import { codeOf, isSignedFor, KEY_ID, SECRET } from './target.ts';

/** So little that what is not bounded ends it. */
const HEAP_MB = 256;

interface Posted {
  readonly status: number;
  readonly said: Record<string, unknown> & { readonly inserted?: number; readonly code?: string };
  readonly isSigned: boolean;
}

export class MeasuredProcess {
  readonly #program: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  #port = 0;

  constructor(folder: string) {
    const own = fileURLToPath(import.meta.url);
    const file = own.replace(/measured-process(\.[jt]s)$/, 'measured-gateway$1');
    const args = [
      `--max-old-space-size=${HEAP_MB}`,
      ...process.execArgv,
      '--expose-gc',
      file,
      folder,
      SECRET.toString('hex'),
    ];
    this.#program = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#program.stdout })[Symbol.asyncIterator]();
  }

  async begin(): Promise<void> {
    this.#port = (await this.#hear<{ port: number }>()).port;
  }

  async measure(name: string, work: () => Promise<void>): Promise<Measured> {
    await this.#ask('begin');
    await work().catch((error: unknown) => {
      throw new Breach(`${name}: ${String(error)}`);
    });
    return this.#ask<Measured>('end');
  }

  /** Gives how many events it brought; none where it is refused as expected. */
  async send(deviceId: string, bytes: Uint8Array, refusal?: string): Promise<number> {
    const { status, said } = await this.#post(deviceId, bytes);
    if (refusal !== undefined && said.code === refusal) return 0;
    if (refusal === undefined && status === 200) return said.inserted!;
    throw new Error(`answered ${status} ${JSON.stringify(said)}`);
  }

  /** Gives whether the answer, an acknowledgement or a refusal, was signed. */
  async strike(deviceId: string, bytes: Uint8Array): Promise<boolean> {
    const { status, said, isSigned } = await this.#post(deviceId, bytes);
    if (status !== 200) codeOf(status, said);
    return isSigned;
  }

  async #post(deviceId: string, bytes: Uint8Array): Promise<Posted> {
    const body = await compressBody('br', bytes);
    const timestamp = Date.now();
    const head = `tidegate-request-v1\n${deviceId}\n${KEY_ID}\n${timestamp}\nbr\n`;
    const signature = createHmac('sha256', SECRET).update(head).update(body).digest('hex');
    const headers = {
      'content-type': BATCH_MEDIA_TYPE,
      'content-encoding': 'br',
      [HEADER.device]: deviceId,
      [HEADER.key]: KEY_ID,
      [HEADER.timestamp]: String(timestamp),
      [HEADER.signature]: `v1=${signature}`,
    };
    const answer = await request(`http://127.0.0.1:${this.#port}/v1/batches`, { method: 'POST', body, headers });
    const { statusCode: status, headers: answered } = answer;
    const text = Buffer.from(await answer.body.arrayBuffer());
    return { status, said: JSON.parse(text.toString()), isSigned: isSignedFor(signature, status, answered, text) };
  }

  /** Reads all of it, and keeps nothing. */
  async read(path: string): Promise<void> {
    const { statusCode, body } = await request(`http://127.0.0.1:${this.#port}${path}`);
    for await (const _ of body);
    if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
  }

  async events(): Promise<number> {
    const { body } = await request(`http://127.0.0.1:${this.#port}/v1/totals`);
    return ((await body.json()) as { events: number }).events;
  }

  /** Its standard input ends, and it with that. */
  async stop(): Promise<void> {
    if (this.#program.exitCode !== null || this.#program.signalCode !== null) return;
    const ended = once(this.#program, 'exit');
    this.#program.stdin.end();
    await ended;
  }

  async #ask<T>(what: string): Promise<T> {
    this.#program.stdin.write(`${what}\n`);
    return this.#hear<T>();
  }

  async #hear<T>(): Promise<T> {
    const line = await this.#lines.next();
    if (line.done) throw new Breach('the gateway ended: out of memory, or worse');
    return JSON.parse(line.value) as T;
  }
}

export async function startMeasured(folder: string): Promise<MeasuredProcess> {
  const gateway = new MeasuredProcess(folder);
  await gateway.begin();
  return gateway;
}
