import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { readPlainHead } from './plain-head.js';
import { AskedRequest, carriesJwt, JSON_TYPE, type ReceivedRequest, type TrustsProxy } from './plane-request.js';

/** A route of the plane, as far as answering goes. */
export interface PlainRoute {
  /** Whether a body of this type is read. */
  readonly takes: (contentType: string | undefined) => boolean;
  readonly parse: (text: string) => unknown;
  readonly answer: (request: AskedRequest) => string | Promise<string>;
}

/** A request that was judged and refused before Node's own server saw it. */
export interface RefusedEarly {
  readonly error: unknown;
  readonly body: unknown;
}

export interface PlainConnectionsOptions {
  readonly routes: ReadonlyMap<string, PlainRoute>;
  readonly bodyBytesMax: number;
  readonly keepAliveMs: number;
  readonly isTrustedProxy: TrustsProxy | undefined;
}

/**
 * Connections on which nothing but plain verifications has been asked so far, answered without an HTTP library: each chunk
 * that comes is one whole request, the answer is one text. Parsing for the general case, and the objects that stand for a
 * request and its response, cost twice what a verification does.
 *
 * At the first thing that is not plain (another path, a body in pieces, a JWT, a refusal, a stop), the connection goes over to
 * Node's own server for good, with what was read last; so whatever is hard about HTTP is done there and only there.
 */
export class PlainConnections {
  private readonly connections = new Set<PlainConnection>();
  /** Those of Node's own server. */
  private readonly handedOver = new Set<Socket>();
  private readonly refusedEarly = new WeakMap<Socket, RefusedEarly>();
  private readonly giveToNode: (socket: Socket) => void;
  private readonly keepAliveLine: string;
  private endSecond = 0;
  private end = '';

  /** Takes over the connections of a server that does not listen yet. */
  constructor(
    readonly server: Server,
    readonly options: PlainConnectionsOptions,
  ) {
    this.keepAliveLine = `Keep-Alive: timeout=${Math.floor(options.keepAliveMs / 1_000)}`;
    const listeners = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
    this.giveToNode = (socket) => listeners.forEach((listener) => listener.call(server, socket));
    server.removeAllListeners('connection');
    server.on('connection', (socket) => this.connections.add(new PlainConnection(this, socket)));
    // These are idle connections of the server like any other: it closes them when it stops.
    const closeIdle = server.closeIdleConnections.bind(server);
    server.closeIdleConnections = () => {
      this.sendingWhatIsAnswered(closeIdle);
      for (const connection of this.connections) connection.closeAtStop();
    };
    const closeAll = server.closeAllConnections.bind(server);
    server.closeAllConnections = () => {
      closeAll();
      for (const { socket } of this.connections) socket.destroy();
    };
  }

  /** Node takes a connection for idle, and would destroy it, when its last answer has been given and not been sent yet. */
  private sendingWhatIsAnswered(closeIdle: () => void): void {
    const unsent = [...this.handedOver].filter((socket) => socket.writableLength > 0);
    for (const socket of unsent) socket.destroy = () => (socket.destroySoon(), socket);
    closeIdle();
    for (const socket of unsent) delete (socket as Partial<Socket>).destroy;
  }

  /** What became of the request with which a connection came to Node's server, when it was judged already; told once. */
  takeRefusal(socket: Socket): RefusedEarly | undefined {
    const refused = this.refusedEarly.get(socket);
    if (refused !== undefined) this.refusedEarly.delete(socket);
    return refused;
  }

  /** The end of a head on a connection that is kept, as Node would write it; made anew each second, for the date. */
  endOfHead(): string {
    const second = Math.floor(Date.now() / 1_000);
    if (second !== this.endSecond) {
      this.endSecond = second;
      this.end = `\r\nDate: ${httpDate()}\r\nConnection: keep-alive\r\n${this.keepAliveLine}\r\n\r\n`;
    }
    return this.end;
  }

  forget(connection: PlainConnection): void {
    this.connections.delete(connection);
  }

  handOver(connection: PlainConnection, chunk: Buffer, refused: RefusedEarly | undefined): void {
    const { socket } = connection;
    this.connections.delete(connection);
    this.handedOver.add(socket);
    socket.once('close', () => this.handedOver.delete(socket));
    if (refused !== undefined) this.refusedEarly.set(socket, refused);
    this.giveToNode(socket);
    socket.unshift(chunk);
    socket.resume();
  }
}

/** The head that a connection sent last: mostly the next one is the same to the byte, and need not be read again. */
interface KnownHead {
  readonly bytes: Buffer;
  readonly requestBytes: number;
  readonly route: PlainRoute;
  readonly received: ReceivedRequest;
}

class PlainConnection {
  private head: KnownHead | undefined;
  private isBusy = false;

  private readonly onData = (chunk: Buffer): void => this.take(chunk);
  private readonly onDrain = (): unknown => this.socket.resume();
  private readonly onEnd = (): unknown => this.socket.end();
  private readonly onError = (): unknown => this.socket.destroy();
  private readonly onTimeout = (): void => this.closeWhenIdle();
  private readonly onClose = (): void => this.owner.forget(this);

  constructor(
    private readonly owner: PlainConnections,
    readonly socket: Socket,
  ) {
    socket.setTimeout(owner.options.keepAliveMs);
    socket.on('data', this.onData).on('drain', this.onDrain).on('end', this.onEnd).on('error', this.onError);
    socket.on('timeout', this.onTimeout).on('close', this.onClose);
  }

  /** What has been answered is sent before. */
  closeAtStop(): void {
    if (!this.isBusy) this.socket.destroySoon();
  }

  private closeWhenIdle(): void {
    if (!this.isBusy) this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    const head = this.headOf(chunk);
    if (head === undefined || !this.owner.server.listening) return this.handOver(chunk);
    const asked = new AskedRequest(head.received, this.owner.options.isTrustedProxy);
    try {
      const text = chunk.toString('utf8', head.bytes.length);
      if (text !== '') asked.body = head.route.parse(text);
      const answered = head.route.answer(asked);
      if (typeof answered === 'string') this.send(answered, asked.id);
      else this.sendLater(answered, chunk, asked);
    } catch (error) {
      this.handOver(chunk, { error, body: asked.body });
    }
  }

  /** Of a chunk that is one whole plain request to a route; undefined for any other. */
  private headOf(chunk: Buffer): KnownHead | undefined {
    const { head } = this;
    if (
      head?.requestBytes === chunk.length &&
      head.bytes.compare(chunk, 0, head.bytes.length, 0, head.bytes.length) === 0
    )
      return head;
    const { routes, bodyBytesMax } = this.owner.options;
    const plain = readPlainHead(chunk);
    const route = plain && routes.get(plain.path);
    if (plain === undefined || route === undefined || chunk.length - plain.headBytes > bodyBytesMax) return undefined;
    const { path: url, headers } = plain;
    const received = { headers, rawHeaders: NO_REPEATED_HEADERS, socket: this.socket, url };
    if (!route.takes(headers['content-type']) || carriesJwt(received)) return undefined;
    const bytes = Buffer.from(chunk.subarray(0, plain.headBytes)); // a copy: the chunk may be a piece of much more
    this.head = { bytes, requestBytes: chunk.length, route, received };
    return this.head;
  }

  /** While an answer is awaited nothing more is read, so whoever sends on has to wait as well. */
  private sendLater(answered: Promise<string>, chunk: Buffer, asked: AskedRequest): void {
    this.isBusy = true;
    this.socket.pause();
    answered.then(
      (text) => {
        this.isBusy = false;
        if (!this.socket.destroyed && this.send(text, asked.id)) this.socket.resume();
      },
      (error: unknown) => {
        this.isBusy = false;
        if (!this.socket.destroyed) this.handOver(chunk, { error, body: asked.body });
      },
    );
  }

  /** @returns whether the client takes what it is sent; nothing is read from one that does not, until it does */
  private send(text: string, requestId: string): boolean {
    const { server } = this.owner;
    const isLast = !server.listening; // it is stopping: the next request belongs to somebody else
    // In one piece with its head; its characters are its bytes, because what the plane answers is ASCII.
    const end = isLast ? `\r\nDate: ${httpDate()}\r\nConnection: close\r\n\r\n` : this.owner.endOfHead();
    const isTaken = this.socket.write(`${HEAD}${requestId}\r\ncontent-length: ${text.length}${end}${text}`, 'latin1');
    if (isLast) this.socket.destroySoon();
    else if (!isTaken) this.socket.pause();
    return isTaken;
  }

  private handOver(chunk: Buffer, refused?: RefusedEarly): void {
    const { socket } = this;
    socket.setTimeout(0);
    socket.off('data', this.onData).off('drain', this.onDrain).off('end', this.onEnd).off('error', this.onError);
    socket.off('timeout', this.onTimeout).off('close', this.onClose);
    this.owner.handOver(this, chunk, refused);
  }
}

/** A plain head has no field twice, so there is nothing to find out from the order in which they came. */
const NO_REPEATED_HEADERS: string[] = [];

const HEAD = `HTTP/1.1 200 OK\r\ncontent-type: ${JSON_TYPE}\r\ncache-control: no-store\r\nx-request-id: `;

/** RFC 9110 §6.6.1 */
function httpDate(): string {
  return new Date().toUTCString();
}
