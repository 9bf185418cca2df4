/**
 * Passage: one request on its way through the proxy, and what can be done to it.
 *
 * Owns both sockets' treatment: whole messages, parts of them, resets. Promises that headers and body pass byte for byte.
 * Never decides anything: faults do.
 */
import { type Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';

/** An answer as the gateway gave it, or as a fault makes it up. */
export interface Answer {
  readonly status: number;
  /** Name, value, name, value … */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

export interface Passage {
  /** Resolves once the whole request has arrived. */
  receive(): Promise<void>;
  /** Sends the request to the gateway, whole, and resolves with the whole answer. May be called more than once. */
  forward(): Promise<Answer>;
  /** Sends the gateway a request of which half the body never comes. */
  forwardHalf(): Promise<void>;
  /** Turns one bit in the middle of the request's body. */
  damage(): Promise<void>;
  answer(answer: Answer): void;
  /** Resolves once the head and half the body are with the client's operating system. */
  answerHalf(answer: Answer): Promise<void>;
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
  /** True while nothing gets through, in either direction. */
  readonly isDown: () => boolean;
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
  #body: Promise<Buffer> | undefined;

  constructor(options: PassageOptions) {
    this.#options = options;
    // What cannot be written any more is told by the connection itself.
    options.outgoing.on('error', () => {});
  }

  async receive(): Promise<void> {
    this.#body ??= wholeOf(this.#options.incoming);
    await this.#body;
  }

  async forward(): Promise<Answer> {
    const body = await this.#received();
    return new Promise((answered, failed) => {
      const sent = this.#request((message) => {
        const { statusCode: status = 0, rawHeaders: headers } = message;
        wholeOf(message).then((whole) => answered({ status, headers, body: whole }), failed);
      });
      sent.once('error', failed);
      sent.end(body);
    });
  }

  async forwardHalf(): Promise<void> {
    const body = await this.#received();
    await new Promise<void>((done) => {
      const sent = this.#request(() => done());
      sent.once('error', () => done());
      sent.once('close', () => done());
      sent.write(body.subarray(0, body.length / 2), () => {
        sent.socket?.resetAndDestroy();
      });
    });
  }

  async damage(): Promise<void> {
    const body = Buffer.from(await this.#received());
    if (body.length > 0) body[body.length >> 1]! ^= 1;
    this.#body = Promise.resolve(body);
  }

  answer({ status, headers, body }: Answer): void {
    const { outgoing, isDown } = this.#options;
    if (isDown() || outgoing.destroyed) return;
    outgoing.writeHead(status, messageHeaders(headers, body.length));
    outgoing.end(body);
  }

  async answerHalf({ status, headers, body }: Answer): Promise<void> {
    const { outgoing, isDown } = this.#options;
    if (isDown() || outgoing.destroyed) return;
    outgoing.writeHead(status, messageHeaders(headers, body.length));
    await new Promise<void>((done) => {
      outgoing.once('close', done);
      outgoing.write(body.subarray(0, body.length / 2), () => done());
    });
  }

  reset(): void {
    this.#options.incoming.socket.resetAndDestroy();
  }

  hangUp(): void {
    this.#options.incoming.socket.destroySoon();
  }

  async #received(): Promise<Buffer> {
    await this.receive();
    if (this.#options.isDown()) throw new LinkDown();
    return this.#body!;
  }

  #request(onAnswer: (message: IncomingMessage) => void) {
    const { incoming, target, agent } = this.#options;
    const { method, url: path, rawHeaders: headers } = incoming;
    return request({ host: target.hostname, port: target.port, method, path, headers, agent }, onAnswer);
  }
}

/** Both messages are short: a batch has 4 MiB at most. */
async function wholeOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function messageHeaders(headers: readonly string[], bodyBytes: number): string[] {
  const kept = headers.filter((_, at) => !HOP_BY_HOP.test(headers[at & ~1]!));
  return [...kept, 'content-length', String(bodyBytes)];
}
