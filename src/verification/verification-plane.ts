import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  METHODS,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import proxyAddress from '@fastify/proxy-addr';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { requestIdOf } from '../common/request-id.js';
import type { Config } from '../config/config.js';
import { Refusal } from '../errors/refusal.js';

export const JSON_TYPE = 'application/json; charset=utf-8';

/** What the doors of the plane look at. A request of Fastify is one, so that they serve what comes through Nest, too. */
export type PlaneRequest = Pick<FastifyRequest, 'raw' | 'headers' | 'url' | 'id' | 'ip' | 'body' | 'caller'>;

/** An answer without a body. */
export interface BareAnswer {
  readonly status: number;
  /** Names and values by turns: Node writes them from a list in less than half the time that an object made by spreading takes. */
  readonly headers: readonly string[];
}

export type Answering<T> = (request: PlaneRequest) => T | Promise<T>;

/** How refusals of a route are said. */
export type PlaneErrorHandler = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;

/** How the body of a route is read. */
export interface BodyReader {
  readonly contentType: string;
  readonly parse: (text: string) => unknown;
}

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * What microservices ask on every request, in the process of the Nest application: chosen by method and path before Nest
 * sees the request, and answered on `node:http` itself, because even a quick framework is dear here
 * (docs/decisions/0006-verifications-on-node-http.md). Its handlers are fed by Nest's services, and every one of its paths
 * also exists as a documented Nest controller, which serves what the plane leaves to it: people with a JWT, aliases of
 * paths, wrong methods.
 *
 * Whatever is not simply answered, a refusal of any kind, goes on to a bare Fastify instance, whose replies the
 * application's error filters write.
 */
export class VerificationPlane {
  private readonly refusals = new Refusals();
  private readonly bodyBytesMax: number;
  private readonly keepAliveMs: number;
  private readonly isTrustedProxy: ((address: string, hop: number) => boolean) | undefined;
  private readonly posts: { readonly path: string; readonly serve: Serve }[] = [];
  private readonly prefixes: { readonly prefix: string; readonly serve: Serve }[] = [];

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
  post(path: string, answer: Answering<string>, onError: PlaneErrorHandler, reader: BodyReader): void {
    const isItsType = new RegExp(`^${reader.contentType} *(?:;|$)`, 'i');
    const serve: Serve = (request, response) => {
      const asked = new Asked(request, this.isTrustedProxy);
      const refuse = (error: unknown): void => this.refusals.say(error, asked, response, onError);
      const type = request.headers['content-type'];
      if (type === undefined ? carriesBody(request) : type !== reader.contentType && !isItsType.test(type))
        return refuse(new Refusal('request.unsupported_media_type'));
      readBody(request, this.bodyBytesMax, (error, text) => {
        if (error !== undefined) {
          response.setHeader('connection', 'close'); // more of the body may come
          return refuse(error);
        }
        try {
          if (text !== '') asked.body = reader.parse(text);
          const answered = answer(asked);
          if (typeof answered === 'string') send(answered, asked, response);
          else answered.then((late) => send(late, asked, response)).catch(refuse);
        } catch (thrown) {
          refuse(thrown);
        }
      });
    };
    this.posts.push({ path, serve });
  }

  /** Answers requests of any method at a path and everywhere below it. Whatever they carry is of no interest and not read. */
  all(prefix: string, answer: Answering<BareAnswer>, onError: PlaneErrorHandler): void {
    const serve: Serve = (request, response) => {
      const asked = new Asked(request, this.isTrustedProxy);
      const refuse = (error: unknown): void => this.refusals.say(error, asked, response, onError);
      try {
        const answered = answer(asked);
        if (answered instanceof Promise) answered.then((late) => sendBare(late, asked, response)).catch(refuse);
        else sendBare(answered, asked, response);
      } catch (thrown) {
        refuse(thrown);
      }
    };
    this.prefixes.push({ prefix, serve });
  }

  /** The server of the application: it gives each request to the plane or to Nest. */
  createServer(nest: RequestListener): Server {
    const server = createServer({ keepAliveTimeout: this.keepAliveMs }, (request, response) => {
      if (!server.listening) response.shouldKeepAlive = false; // it is stopping: the next request belongs to somebody else
      (this.serveOf(request) ?? nest)(request, response);
    });
    return server;
  }

  private serveOf(request: IncomingMessage): Serve | undefined {
    const url = request.url ?? '';
    const post = request.method === 'POST' ? this.posts.find(({ path }) => path === url) : undefined;
    if (post !== undefined) return carriesJwt(request) ? undefined : post.serve;
    return this.prefixes.find(
      ({ prefix }) => url.startsWith(prefix) && /^(?:[/?]|$)/.test(url.slice(prefix.length, prefix.length + 1)),
    )?.serve;
  }
}

/** A request to the plane. */
class Asked implements PlaneRequest {
  readonly id: string;
  body: unknown = undefined;
  private address: string | undefined = undefined;
  readonly caller = undefined; // nobody has been let in by the guard of the application

  constructor(
    readonly raw: IncomingMessage,
    private readonly isTrustedProxy: ((address: string, hop: number) => boolean) | undefined,
  ) {
    this.id = requestIdOf(raw);
  }

  get headers(): IncomingHttpHeaders {
    return this.raw.headers;
  }

  get url(): string {
    return this.raw.url ?? '/';
  }

  /** The caller's address as Fastify would tell it: the last one that no trusted proxy vouches for. */
  get ip(): string {
    this.address ??=
      this.isTrustedProxy === undefined
        ? (this.raw.socket.remoteAddress ?? '')
        : proxyAddress(this.raw, this.isTrustedProxy);
    return this.address;
  }
}

interface SaidRefusal {
  readonly error: unknown;
  readonly asked: Asked;
  readonly onError: PlaneErrorHandler;
}

/** Says refusals through Fastify, for the filters of the application know how to write to its replies. */
class Refusals {
  private readonly instance: FastifyInstance;
  private listener: RequestListener | undefined;
  private readonly refused = new WeakMap<object, SaidRefusal>();

  constructor() {
    this.instance = fastify({
      logger: false, // failures are logged by those who handle them
      genReqId: (request) => this.refusalOf(request).asked.id,
      rewriteUrl: () => '/', // whatever it was: one route is enough
      serverFactory: (listener) => {
        this.listener = listener;
        return createServer(); // never listens
      },
    });
    this.instance.addHook('onRequest', (request, _, done) => done(this.refusalOf(request.raw).error as Error));
    this.instance.setErrorHandler((_, request, reply) => {
      const { error, asked, onError } = this.refusalOf(request.raw);
      request.body = asked.body;
      onError(error, request, reply);
    });
    for (const method of METHODS)
      if (!this.instance.supportedMethods.includes(method)) this.instance.addHttpMethod(method);
    this.instance.all('/', () => undefined);
  }

  async ready(): Promise<void> {
    await this.instance.ready();
  }

  say(error: unknown, asked: Asked, response: ServerResponse, onError: PlaneErrorHandler): void {
    this.refused.set(asked.raw, { error, asked, onError });
    this.listener?.(asked.raw, response);
  }

  private refusalOf(request: object): SaidRefusal {
    const refusal = this.refused.get(request);
    if (refusal === undefined) throw new Error('A request that was not refused is answered by nobody.');
    return refusal;
  }
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

function send(text: string, { id }: Asked, response: ServerResponse): void {
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

function sendBare({ status, headers }: BareAnswer, { id }: Asked, response: ServerResponse): void {
  response.writeHead(status, [...headers, 'x-request-id', id, 'content-length', '0']);
  response.end();
}

/** RFC 9112 §6.3 */
function carriesBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** People's JWTs are judged by the guard of the application. */
function carriesJwt({ headers: { authorization } }: IncomingMessage): boolean {
  return authorization !== undefined && /^bearer +eyJ/i.test(authorization);
}
