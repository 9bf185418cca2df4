/**
 * BrokenRequest: what comes in and is no HTTP, or not in time.
 *
 * Owns the answer to what never becomes a request, and which answers are still owed on a connection. Promises that what
 * came whole before is answered first, in order; then a problem like any other and an end to the connection, since
 * nobody knows where the next request would begin. Never answers one request twice.
 */
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { problemAnswer } from './answers.ts';
import { GatewayError, toGatewayError } from './errors.ts';
import { REQUESTS_OWED_MAX } from './limits.ts';

export interface BrokenRequests {
  /** Answers whatever breaks on the connections of this server. */
  follow(server: Server): void;
  /** False, and the connection is ended, where a client asks on and on and takes no answer. */
  mayAsk(request: IncomingMessage): boolean;
  /** Refuses what is coming in on a connection, and ends it. */
  breakOff(error: Error, socket: Socket): void;
}

/** What happened on a connection so far. */
interface Talk {
  readonly owed: Set<ServerResponse>;
  last: IncomingMessage | undefined;
  refusal: GatewayError | undefined;
}

/** @param onRefusal told of what broke by itself */
export function createBrokenRequests(onRefusal: (refusal: GatewayError, socket: Socket) => void): BrokenRequests {
  const talks = new WeakMap<Socket, Talk>();

  function talkOf(socket: Socket): Talk {
    let talk = talks.get(socket);
    if (talk === undefined) {
      talk = { owed: new Set(), last: undefined, refusal: undefined };
      talks.set(socket, talk);
    }
    return talk;
  }

  function note(request: IncomingMessage, reply: ServerResponse): void {
    const { socket } = request;
    const talk = talkOf(socket);
    talk.last = request;
    talk.owed.add(reply);
    reply.once('close', () => {
      talk.owed.delete(reply);
      settle(socket, talk);
    });
  }

  function breakOff(error: Error, socket: Socket): void {
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const talk = talkOf(socket);
    // What follows something broken is broken, too.
    if (talk.refusal !== undefined) return;
    const known = toGatewayError(error);
    talk.refusal = known.code === 'internal' ? new GatewayError('headers-invalid', 'this is no HTTP request') : known;
    settle(socket, talk);
  }

  function refuse(error: Error, socket: Socket): void {
    const before = talks.get(socket)?.refusal;
    breakOff(error, socket);
    const refusal = talks.get(socket)?.refusal;
    if (refusal !== undefined && refusal !== before) onRefusal(refusal, socket);
  }

  function settle(socket: Socket, { owed, last, refusal }: Talk): void {
    if (refusal === undefined || !socket.writable || isOwed(owed)) return;
    const [broken] = owed;
    // A request may have been answered before the rest of it broke.
    const isAnswered = broken === undefined ? last?.complete === false : broken.headersSent;
    if (!isAnswered) writeProblem(socket, refusal);
    socket.destroySoon();
  }

  function onTimeout(socket: Socket): void {
    const talk = talks.get(socket);
    if (talk !== undefined && isOwed(talk.owed) && socket.writableLength === 0) {
      // The gateway itself is at work on the answer: nobody else is to blame.
      socket.setTimeout(socket.timeout ?? 0);
      return;
    }
    const isStalled = talk?.last?.complete === false && talk.owed.size > 0 && !isOwed(talk.owed);
    if (isStalled && talk.refusal === undefined)
      refuse(new GatewayError('request-timeout', 'the body did not come on'), socket);
    else socket.destroy();
  }

  return {
    follow(server) {
      server.prependListener('request', note);
      server.on('clientError', refuse);
      server.on('timeout', onTimeout);
      // Without a listener Node would cut the connection, and the answers that it owes with it.
      server.on('connect', (_request, socket) => {
        socket.on('error', () => socket.destroy());
        refuse(new GatewayError('headers-invalid', 'this is no proxy'), socket as Socket);
      });
    },
    mayAsk({ socket }) {
      if (!socket.destroyed && talkOf(socket).owed.size <= REQUESTS_OWED_MAX) return true;
      socket.destroy();
      return false;
    },
    breakOff,
  };
}

/** Whether an answer is to come to a request that came whole. */
function isOwed(owed: ReadonlySet<ServerResponse>): boolean {
  for (const reply of owed) if (reply.req.complete) return true;
  return false;
}

function writeProblem(socket: Socket, refusal: GatewayError): void {
  const { status, mediaType, body, headers } = problemAnswer(refusal);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Content-Type: ${mediaType}`,
    `Content-Length: ${body.length}`,
    ...Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  socket.write(body);
}
