/**
 * Passage: one request on its way through the proxy, and what can be done to it.
 *
 * Owns both sockets' treatment: whole messages, parts of them, resets. Promises that headers and body pass byte for
 * byte. Never decides anything: faults do.
 */
import { type Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { answerHead, requestHead, withBitTurned } from './bits.ts';
import type { Line } from './line.ts';

/** An answer as the gateway gave it, or as a fault makes it up. */
export interface Answer {
  readonly status: number;
  /** Name, value, name, value … */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

export interface Passage {
  /** Of the whole answer that the client has; undefined where it has none. */
  readonly status: number | undefined;
  /** Resolves once the whole request has arrived. */
  receive(): Promise<void>;
  /** Sends the request to the gateway, whole, and resolves with the whole answer. May be called more than once. */
  forward(to?: URL): Promise<Answer>;
  /** Sends the gateway a request without half its body, and resets that connection once `stalled` resolves. */
  forwardHalf(stalled?: Promise<void>): Promise<void>;
  /** Sends the request with one bit of its head turned, and gives the client whatever comes back, byte for byte. */
  forwardDamaged(random: () => number): Promise<void>;
  /** Turns one bit of the request's body. */
  damage(random: () => number): Promise<void>;
  answer(answer: Answer): void;
  /** Resolves once the head and half the body are with the client's operating system. */
  answerHalf(answer: Answer): Promise<void>;
  /** With one bit of its head turned; the connection is closed behind it. */
  answerDamaged(answer: Answer, random: () => number): void;
  /** Resolves when the client has its answer, or has given up. */
  over(): Promise<void>;
  /** The client's connection is reset, as by a router that has lost its mind. */
  reset(): void;
  /** The client's connection is closed in good order, after what has been sent. */
  hangUp(): void;
}

export interface PassageOptions {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly target: URL;
  readonly agent: Agent;
  /** What the messages take their time on; undefined for none. */
  readonly line: Line | undefined;
  /** True while nothing gets through, in either direction. */
  readonly isDown: () => boolean;
  /** The gateway has answered with 200. */
  readonly onSuccess: (answer: Answer) => void;
}

/** Thrown where a passage ends because the link is down; what is to happen to the client is the outage's to say. */
export class LinkDown extends Error {}

/** Headers that belong to one connection and not to the message. */
const HOP_BY_HOP = /^(connection|keep-alive|transfer-encoding|content-length)$/i;

export function createPassage(options: PassageOptions): Passage {
  return new HttpPassage(options);
}

class HttpPassage implements Passage {
  readonly #options: PassageOptions;
  readonly #over: Promise<void>;
  #body: Promise<Buffer> | undefined;

  constructor(options: PassageOptions) {
    this.#options = options;
    // What cannot be written any more is told by the connection itself.
    options.outgoing.on('error', () => {});
    this.#over = overOf(options.outgoing, options.incoming.socket);
  }

  get status(): number | undefined {
    const { outgoing } = this.#options;
    return outgoing.writableFinished ? outgoing.statusCode : undefined;
  }

  async receive(): Promise<void> {
    this.#body ??= this.#arrival();
    await this.#body;
  }

  async forward(to = this.#options.target): Promise<Answer> {
    const body = await this.#received();
    const answer = await this.#exchange(to, body);
    await this.#options.line?.carry('back', answerHead(answer.status, answer.headers).length + answer.body.length);
    return answer;
  }

  /** As a gateway sees it that is at the far end of the line. */
  #exchange(to: URL, body: Buffer): Promise<Answer> {
    return new Promise((answered, failed) => {
      const sent = this.#request(to, (message) => {
        const { statusCode: status = 0, rawHeaders: headers } = message;
        wholeOf(message).then((whole) => {
          const answer = { status, headers, body: whole };
          if (status === 200 && to === this.#options.target) this.#options.onSuccess(answer);
          answered(answer);
        }, failed);
      });
      sent.once('error', failed);
      sent.end(body);
    });
  }

  async forwardHalf(stalled?: Promise<void>): Promise<void> {
    const body = await this.#received();
    await new Promise<void>((done) => {
      const sent = this.#request(this.#options.target, () => done());
      sent.once('error', () => done());
      sent.once('close', () => done());
      sent.write(body.subarray(0, body.length / 2), async () => {
        await stalled;
        sent.socket?.resetAndDestroy();
      });
    });
  }

  async forwardDamaged(random: () => number): Promise<void> {
    const body = await this.#received();
    const { incoming, target } = this.#options;
    const gateway = connect(Number(target.port), target.hostname);
    // A length that has grown is waited for by the gateway, until the client has lost its patience.
    void this.over().then(() => gateway.destroy());
    gateway.write(withBitTurned(requestHead(incoming), random));
    gateway.write(body);
    // A gateway that cannot make sense of it may break off.
    const answer = await wholeOf(gateway).catch(() => undefined);
    if (answer === undefined) return this.reset();
    if (this.#isCut()) return;
    incoming.socket.write(answer);
    incoming.socket.destroySoon();
  }

  async damage(random: () => number): Promise<void> {
    this.#body = Promise.resolve(withBitTurned(await this.#received(), random));
  }

  answer({ status, headers, body }: Answer): void {
    if (this.#isCut()) return;
    this.#options.outgoing.writeHead(status, messageHeaders(headers, body.length)).end(body);
  }

  async answerHalf({ status, headers, body }: Answer): Promise<void> {
    if (this.#isCut()) return;
    const { outgoing } = this.#options;
    outgoing.writeHead(status, messageHeaders(headers, body.length));
    await new Promise<void>((done) => {
      outgoing.once('close', done);
      outgoing.write(body.subarray(0, body.length / 2), () => done());
    });
  }

  answerDamaged({ status, headers, body }: Answer, random: () => number): void {
    if (this.#isCut()) return;
    const { socket } = this.#options.incoming;
    socket.write(withBitTurned(answerHead(status, messageHeaders(headers, body.length)), random));
    socket.write(body);
    socket.destroySoon();
  }

  over(): Promise<void> {
    return this.#over;
  }

  reset(): void {
    this.#options.incoming.socket.resetAndDestroy();
  }

  hangUp(): void {
    this.#options.incoming.socket.destroySoon();
  }

  async #arrival(): Promise<Buffer> {
    const { incoming, line } = this.#options;
    const body = await wholeOf(incoming);
    await line?.carry('there', requestHead(incoming).length + body.length);
    return body;
  }

  async #received(): Promise<Buffer> {
    await this.receive();
    if (this.#options.isDown()) throw new LinkDown();
    return this.#body!;
  }

  /** Nothing reaches the client any more. */
  #isCut(): boolean {
    const { outgoing, isDown } = this.#options;
    return isDown() || outgoing.destroyed;
  }

  #request(to: URL, onAnswer: (message: IncomingMessage) => void) {
    const { incoming, agent } = this.#options;
    const { method, url: path, rawHeaders: headers } = incoming;
    return request({ host: to.hostname, port: to.port, method, path, headers, agent }, onAnswer);
  }
}

/**
 * Where a request has come over a connection while an answer before it was being written, and the connection ends, its
 * own answer is not told so.
 */
function overOf(outgoing: ServerResponse, socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off('close', done);
      socket.off('close', done);
      resolve();
    };
    outgoing.once('close', done);
    socket.once('close', done);
  });
}

/** Both messages are short: a batch has 4 MiB at most. */
async function wholeOf(message: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function messageHeaders(headers: readonly string[], bodyBytes: number): string[] {
  const kept = headers.filter((_, at) => !HOP_BY_HOP.test(headers[at & ~1]!));
  return [...kept, 'content-length', String(bodyBytes)];
}
