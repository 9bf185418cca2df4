/**
 * Deceived: a real device that hears anything but the truth, and its control socket.
 *
 * Owns the deceiver in the gateway's place: it forwards what it does not answer itself, so nothing is counted that was
 * answered wrongly. Promises that once it is honest everything that was recorded is counted once. Never signs the
 * acknowledgement that is due: who has the key may lose events, and nobody else.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { decodeBatch, formatDecimal, HEADER, inflateBody, parseDecimal } from '../../src/codec/index.ts';
import { controlPath, serveControl } from '../../src/device/control.ts';
import { type Device, openDevice } from '../../src/device/index.ts';
import { hostileAnswer } from './answers.ts';
import type { Dice } from './dice.ts';
import { Breach, describe, type Kind, REFUSED, type Struck } from './kind.ts';
import { mutated } from './mutation.ts';
import { KEY_ID, SECRET, type Target } from './target.ts';
import { talk } from './wire.ts';

export const DECEIVED = 'answers to a real device: malformed, endless, slow, signed nonsense';
export const CONTROL = 'requests to a device’s control socket';

const ID = 'd700000';
const ANSWER_MAX_MS = 30_000;

/** A device gives up an answer that takes longer. */
const PATIENCE_MS = 300;

export interface Deceived {
  readonly kinds: readonly Kind[];
  /** Is honest, and resolves with the events that were recorded and are counted. Throws where they are not. */
  audit(): Promise<number>;
  close(): Promise<void>;
}

export async function openDeceived(target: Target, folder: string): Promise<Deceived> {
  const deceiver = new Deceiver(target);
  const data = join(folder, 'deceived');
  const device = await openDevice({
    gateway: await deceiver.listen(),
    id: ID,
    credential: `${KEY_ID}.${SECRET.toString('base64url')}`,
    data,
    batchEventsMax: 16,
    inFlightMax: 2,
    lingerMs: 0,
    requestTimeoutMs: PATIENCE_MS,
    retryBaseMs: 1,
    retryMaxMs: 4,
    pauseMaxMs: 4,
    reserveBytes: 0,
  });
  // Whoever is told to wait for a day does, unless somebody knows better.
  device.on('link', () => setImmediate(() => device.probe()));
  const closeControl = await serveControl(device, data);
  let recorded = 0;
  const strike = async (dice: Dice): Promise<Struck> => {
    const events = Array.from({ length: dice.between(1, 3) }, () => ({
      ts: recorded,
      sensor: 's',
      fields: { volume: ++recorded / 8 },
    }));
    const heard = deceiver.deceive(dice);
    await device.recordAll(events);
    const nudge = setInterval(() => device.probe(), 20);
    try {
      await heard;
    } finally {
      clearInterval(nudge);
    }
    return REFUSED;
  };
  return {
    kinds: [
      { name: DECEIVED, share: 40, strike },
      { name: CONTROL, share: 20, strike: (dice) => control(controlPath(data), dice) },
    ],
    async audit() {
      await settle(device);
      const counted = await target.read(`/v1/devices/${ID}`);
      const volume = (counted?.['measures'] as Record<string, { sum: string }> | undefined)?.['volume']?.sum ?? '0';
      const due = formatDecimal({ digits: (BigInt(recorded) * BigInt(recorded + 1) * 125n) / 2n, scale: 3 });
      const { delivered, queued, quarantined, gaps } = device.status();
      if (formatDecimal(parseDecimal(volume)!) !== due || (counted?.['delivered'] ?? 0) !== recorded) {
        throw new Breach(
          `${counted?.['delivered']} events with a volume of ${volume} are counted, not ${recorded} with ${due}`,
        );
      }
      if (delivered.events !== recorded || queued.events + quarantined.events + gaps.events > 0) {
        throw new Breach(`the device says ${JSON.stringify({ delivered, queued, quarantined, gaps })} of ${recorded}`);
      }
      return recorded;
    },
    async close() {
      await closeControl();
      await device.close();
      await deceiver.close();
    },
  };
}

/** What was refused for good, by somebody with the key, is queued again until nothing is. */
async function settle(device: Device): Promise<void> {
  const nudge = setInterval(() => device.probe(), 20);
  try {
    do {
      await device.drain();
    } while ((await device.retryQuarantine()) > 0);
    await device.drain();
  } finally {
    clearInterval(nudge);
  }
}

class Deceiver {
  readonly #target: Target;
  readonly #server = createServer((incoming, answer) => {
    this.#answer(incoming, answer).catch(() => answer.destroy());
  });
  #next: { readonly dice: Dice; readonly done: () => void } | undefined;

  constructor(target: Target) {
    this.#target = target;
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves once the device has been answered so. */
  deceive(dice: Dice): Promise<void> {
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(() => reject(new Breach('the device has not asked again')), ANSWER_MAX_MS);
      this.#next = {
        dice,
        done: () => {
          clearTimeout(timeout);
          resolve();
        },
      };
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  async #answer(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await buffer(incoming);
    const lie = this.#next;
    this.#next = undefined;
    if (lie === undefined) return await this.#forward(incoming, body, answer);
    try {
      await this.#lie(incoming, body, answer, lie.dice);
    } finally {
      lie.done();
    }
  }

  async #lie(incoming: IncomingMessage, body: Buffer, answer: ServerResponse, dice: Dice): Promise<void> {
    const socket = answer.socket!;
    if (dice.chance(0.7)) {
      const batch = decodeBatch(await inflateBody(String(incoming.headers['content-encoding']), body));
      const signature = String(incoming.headers[HEADER.signature]).replace('v1=', '');
      const stream = Buffer.from(batch.stream).toString('hex');
      const said = hostileAnswer(dice, { secret: SECRET, signature, stream, first: batch.first, count: batch.count });
      const lines = Object.entries(said.headers).flatMap(([name, value]) =>
        [value].flat().map((one) => `${name}: ${one}`),
      );
      const head = [`HTTP/1.1 ${said.status} said`, ...lines, `content-length: ${said.body.length}`].join('\r\n');
      socket.end(Buffer.concat([Buffer.from(`${head}\r\n\r\n`), said.body]));
      return;
    }
    const plain = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}');
    switch (dice.below(7)) {
      case 0:
        return void socket.destroy();
      case 1:
        return void socket.end(mutated(plain, dice, [plain]));
      case 2:
        return void socket.end(dice.bytes(dice.pick([1, 100, 100_000])));
      case 3:
        // A head, or a body, that goes on and on.
        return void socket.end(
          Buffer.from(`HTTP/1.1 200 OK\r\n${dice.pick([`x: ${'y'.repeat(500_000)}`, 'x: y\r\n'.repeat(50_000)])}`),
        );
      case 4:
        return void socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), Buffer.alloc(2 ** 20, '{')]));
      case 5:
        return void socket.end(
          Buffer.from(`${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(dice.pick([1, 2_000]))}${plain.toString()}`),
        );
      default:
        // Half of it, and then silence for longer than the device has patience.
        socket.write(plain.subarray(0, dice.below(plain.length)));
        setTimeout(() => socket.destroy(), 2 * PATIENCE_MS);
    }
  }

  async #forward(incoming: IncomingMessage, body: Buffer, answer: ServerResponse): Promise<void> {
    const { method, headers, url: path } = incoming;
    const passed = request({ host: '127.0.0.1', port: this.#target.port, method, path, headers });
    passed.end(body);
    const [heard] = (await once(passed, 'response')) as [IncomingMessage];
    answer.writeHead(heard.statusCode!, heard.headers);
    answer.end(await buffer(heard));
  }
}

const LINES = [
  'GET /status',
  'GET /quarantine',
  'POST /probe',
  'POST /quarantine/retry',
  'DELETE /',
  'GET /../../etc/passwd',
  'get /status',
  'GET',
];

/** Whatever it is asked, it answers the next one. */
async function control(path: string, dice: Dice): Promise<Struck> {
  const asked = Buffer.from(
    `${dice.pick(LINES)} HTTP/1.1\r\nHost: x\r\n` +
      `${dice.pick(['', 'Content-Length: 5\r\n', `X: ${'y'.repeat(50_000)}\r\n`])}\r\n`,
  );
  const bytes = dice.chance(0.5) ? mutated(asked, dice, [asked]) : asked;
  try {
    await talk(path, [bytes]);
    const { answers } = await talk(path, [Buffer.from('GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')]);
    const { id } = JSON.parse(answers[0]!.body.toString()) as { id: string };
    if (id !== ID) throw new Breach('no status any more');
    return REFUSED;
  } catch (error) {
    throw new Breach(`${describe(error)}; control ${JSON.stringify(bytes.toString('latin1')).slice(0, 400)}`);
  }
}
