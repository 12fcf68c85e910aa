import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import proxyAddress from '@fastify/proxy-addr';
import type { Config } from '../config/config.js';
import { Refusal } from '../errors/refusal.js';
import { PlainConnections, type PlainRoute } from './plain-connections.js';
import { type PlaneErrorHandler, PlaneRefusals } from './plane-refusals.js';
import { AskedRequest, carriesJwt, JSON_TYPE, type PlaneRequest, type TrustsProxy } from './plane-request.js';

/** An answer without a body. */
export interface BareAnswer {
  readonly status: number;
  /** Names and values by turns: Node writes them from a list in less than half the time that an object made by spreading takes. */
  readonly headers: readonly string[];
}

export type Answering<T> = (request: PlaneRequest) => T | Promise<T>;

/** How the body of a route is read. */
export interface BodyReader {
  readonly contentType: string;
  readonly parse: (text: string) => unknown;
}

interface PostRoute extends PlainRoute {
  readonly onError: PlaneErrorHandler;
}

interface PrefixRoute {
  readonly prefix: string;
  readonly answer: Answering<BareAnswer>;
  readonly onError: PlaneErrorHandler;
}

/**
 * What microservices ask on every request, in the process of the Nest application: chosen by method and path before Nest
 * sees the request, and answered on the connection itself where all is plain, on `node:http` where it is not, because even
 * a quick framework is dear here (docs/decisions, 0006 and 0007). Its handlers are fed by Nest's
 * services, and every one of its paths also exists as a documented Nest controller, which serves what the plane leaves to
 * it: people with a JWT, aliases of paths, wrong methods.
 *
 * Whatever is not simply answered, a refusal of any kind, goes on to a bare Fastify instance, whose replies the
 * application's error filters write.
 */
export class VerificationPlane {
  private readonly refusals = new PlaneRefusals();
  private readonly bodyBytesMax: number;
  private readonly keepAliveMs: number;
  private readonly isTrustedProxy: TrustsProxy | undefined;
  private readonly posts = new Map<string, PostRoute>();
  private readonly prefixes: PrefixRoute[] = [];

  constructor({ settings, trustedProxies }: Config) {
    this.bodyBytesMax = settings.BODY_BYTES_MAX;
    this.keepAliveMs = settings.KEEP_ALIVE_TIMEOUT_MS;
    this.isTrustedProxy = trustedProxies === false ? undefined : proxyAddress.compile(trustedProxies);
  }

  /** Readies what says refusals. */
  async ready(): Promise<void> {
    await this.refusals.ready();
  }

  /** Adds a route that answers 200 with JSON text, all ASCII; whatever else there is to say is thrown. */
  post(path: string, answer: Answering<string>, onError: PlaneErrorHandler, { contentType, parse }: BodyReader): void {
    const isItsType = new RegExp(`^${contentType} *(?:;|$)`, 'i');
    const takes = (type: string | undefined): boolean =>
      type !== undefined && (type === contentType || isItsType.test(type));
    this.posts.set(path, { takes, parse, answer, onError });
  }

  /** Answers requests of any method at a path and everywhere below it. Whatever they carry is of no interest and not read. */
  all(prefix: string, answer: Answering<BareAnswer>, onError: PlaneErrorHandler): void {
    this.prefixes.push({ prefix, answer, onError });
  }

  /** The server of the application: it gives each request to the plane or to Nest. */
  createServer(nest: RequestListener): Server {
    const server = createServer({ keepAliveTimeout: this.keepAliveMs }, (request, response) => {
      if (!server.listening) response.shouldKeepAlive = false; // it is stopping: the next request belongs to somebody else
      const url = request.url ?? '';
      const post = request.method === 'POST' ? this.posts.get(url) : undefined;
      if (post !== undefined && !carriesJwt(request)) return this.servePost(post, plain, request, response);
      const bare = post === undefined ? this.prefixes.find(({ prefix }) => isBelow(prefix, url)) : undefined;
      if (bare !== undefined) return this.serveBare(bare, request, response);
      nest(request, response);
    });
    const plain = new PlainConnections(server, {
      routes: this.posts,
      bodyBytesMax: this.bodyBytesMax,
      keepAliveMs: this.keepAliveMs,
      isTrustedProxy: this.isTrustedProxy,
    });
    return server;
  }

  private servePost(
    { takes, parse, answer, onError }: PostRoute,
    plain: PlainConnections,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const asked = new AskedRequest(request, this.isTrustedProxy);
    const refuse = (error: unknown): void => this.refusals.say(error, request, asked, response, onError);
    const refused = plain.takeRefusal(request.socket);
    if (refused !== undefined) {
      asked.body = refused.body;
      return refuse(refused.error);
    }
    const type = request.headers['content-type'];
    if (!takes(type) && (type !== undefined || carriesBody(request)))
      return refuse(new Refusal('request.unsupported_media_type'));
    readBody(request, this.bodyBytesMax, (error, text) => {
      if (error !== undefined) {
        response.setHeader('connection', 'close'); // more of the body may come
        return refuse(error);
      }
      try {
        if (text !== '') asked.body = parse(text);
        const answered = answer(asked);
        if (typeof answered === 'string') send(answered, asked, response);
        else answered.then((late) => send(late, asked, response)).catch(refuse);
      } catch (thrown) {
        refuse(thrown);
      }
    });
  }

  private serveBare({ answer, onError }: PrefixRoute, request: IncomingMessage, response: ServerResponse): void {
    const asked = new AskedRequest(request, this.isTrustedProxy);
    const refuse = (error: unknown): void => this.refusals.say(error, request, asked, response, onError);
    try {
      const answered = answer(asked);
      if (answered instanceof Promise) answered.then((late) => sendBare(late, asked, response)).catch(refuse);
      else sendBare(answered, asked, response);
    } catch (thrown) {
      refuse(thrown);
    }
  }
}

function isBelow(prefix: string, url: string): boolean {
  return url.startsWith(prefix) && /^(?:[/?]|$)/.test(url.slice(prefix.length, prefix.length + 1));
}

const NOTHING = Buffer.alloc(0);

/** Hands over the text of a body, or the refusal of one that is too large, at once or when it has become so. */
function readBody(
  request: IncomingMessage,
  bytesMax: number,
  done: (error: Refusal | undefined, text: string) => void,
): void {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return done(new Refusal('request.too_large'), '');
  // Mostly the one chunk that came. Chunks may also be as small as a byte, from somebody who need not have told who they are:
  // so none is kept, and each byte is copied a few times at most.
  let body: Buffer = NOTHING;
  let length = 0;
  const take = (chunk: Buffer): void => {
    const longer = length + chunk.length;
    if (longer > bytesMax) {
      request.off('data', take).off('end', end);
      return done(new Refusal('request.too_large'), '');
    }
    if (length === 0) body = chunk;
    else {
      if (longer > body.length) body = Buffer.concat([body.subarray(0, length)], 2 * longer);
      chunk.copy(body, length);
    }
    length = longer;
  };
  const end = (): void => done(undefined, body.toString('utf8', 0, length));
  request.on('data', take).on('end', end);
}

function send(text: string, { id }: AskedRequest, response: ServerResponse): void {
  // Its characters are its bytes, which spares counting and encoding them.
  const length = String(text.length);
  response.writeHead(200, [
    'content-type',
    JSON_TYPE,
    'cache-control',
    'no-store',
    'x-request-id',
    id,
    'content-length',
    length,
  ]);
  response.end(text, 'latin1');
}

function sendBare({ status, headers }: BareAnswer, { id }: AskedRequest, response: ServerResponse): void {
  response.writeHead(status, [...headers, 'x-request-id', id, 'content-length', '0']);
  response.end();
}

/** RFC 9112 §6.3 */
function carriesBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
