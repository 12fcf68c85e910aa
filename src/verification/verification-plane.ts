import {
  createServer,
  type IncomingMessage,
  METHODS,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { requestIdOf } from '../common/request-id.js';
import type { Config } from '../config/config.js';

export const JSON_TYPE = 'application/json; charset=utf-8';

/** How errors of a route are said. */
export type PlaneErrorHandler = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;

/**
 * A bare Fastify instance in the process of the Nest application, for what microservices ask on every request. It is
 * chosen by method and path before Nest sees the request, which halves what a request costs; its handlers are fed by
 * Nest's services, and every one of its paths also exists as a documented Nest controller, which serves what the plane
 * leaves to it: people with a JWT, aliases of paths, wrong methods.
 */
export class VerificationPlane {
  readonly instance: FastifyInstance;
  private listener: RequestListener | undefined;
  private readonly routes = new Set<string>();
  private readonly prefixes: string[] = [];

  constructor(config: Config) {
    this.instance = fastify({
      logger: false, // a line per verification would cost more than the verification; failures are logged by their handlers
      bodyLimit: config.settings.BODY_BYTES_MAX,
      trustProxy: config.trustedProxies,
      genReqId: requestIdOf,
      rewriteUrl: ({ url = '/' }: IncomingMessage) => this.withoutAppendedPath(url),
      serverFactory: (listener) => {
        this.listener = listener;
        return createServer(); // never listens: the application's server hands requests over
      },
    });
    for (const method of METHODS)
      if (!this.instance.supportedMethods.includes(method)) this.instance.addHttpMethod(method);
    this.instance.removeAllContentTypeParsers();
  }

  /** Adds a route that answers 200 with JSON text; whatever else there is to say is thrown. */
  post(
    path: string,
    answer: (request: FastifyRequest) => string | Promise<string>,
    onError: PlaneErrorHandler,
    parse: { readonly contentType: string; readonly parser: (text: string) => unknown },
  ): void {
    this.routes.add(`POST ${path}`);
    void this.instance.register((scope, _, done) => {
      scope.setErrorHandler((error, request, reply) => onError(error, request, reply));
      scope.addContentTypeParser(parse.contentType, { parseAs: 'string' }, (__, text, parsed) => {
        try {
          parsed(null, text === '' ? undefined : parse.parser(text as string));
        } catch (error) {
          parsed(error as Error);
        }
      });
      scope.post(path, (request, reply) => {
        const text = answer(request);
        if (typeof text !== 'string') return text.then((late) => send(late, request, reply));
        send(text, request, reply);
      });
      done();
    });
  }

  /** Adds routes that need no body, under their own prefix and for all methods. */
  all(
    path: string,
    handler: (request: FastifyRequest, reply: FastifyReply) => FastifyReply | Promise<FastifyReply>,
    onError: PlaneErrorHandler,
  ): void {
    this.prefixes.push(path);
    void this.instance.register((scope, _, done) => {
      scope.setErrorHandler((error, request, reply) => onError(error, request, reply));
      // Answered before any body is read: whatever a proxy sends along is of no interest here.
      scope.addHook('onRequest', (request, reply, next) => {
        void reply.header('x-request-id', request.id);
        const answer = handler(request, reply);
        if (answer instanceof Promise) answer.catch(next);
      });
      scope.all(path, () => undefined);
      done();
    });
  }

  /** The server of the application: it gives each request to the plane or to Nest. */
  createServer(nest: RequestListener): Server {
    return createServer((request, response) =>
      this.serves(request) ? this.handle(request, response) : nest(request, response),
    );
  }

  private serves(request: IncomingMessage): boolean {
    if (this.routes.has(`${request.method} ${request.url}`)) return !carriesJwt(request);
    return this.prefixOf(request.url ?? '') !== undefined;
  }

  private prefixOf(url: string): string | undefined {
    return this.prefixes.find(
      (prefix) => url.startsWith(prefix) && /^(?:[/?]|$)/.test(url.slice(prefix.length, prefix.length + 1)),
    );
  }

  /** What a proxy appends to a prefix is its client's path: it is not ours to judge, nor to find malformed. */
  private withoutAppendedPath(url: string): string {
    const prefix = this.prefixOf(url);
    const query = url.indexOf('?');
    return prefix === undefined ? url : prefix + (query < 0 ? '' : url.slice(query));
  }

  private handle(request: IncomingMessage, response: ServerResponse): void {
    this.listener?.(request, response);
  }
}

/** Past Fastify's reply, whose hooks and serializers have nothing to do here. */
function send(text: string, request: FastifyRequest, reply: FastifyReply): void {
  reply.hijack();
  reply.raw.writeHead(200, {
    'content-type': JSON_TYPE,
    'cache-control': 'no-store',
    'x-request-id': request.id,
    'content-length': Buffer.byteLength(text),
  });
  reply.raw.end(text);
}

/** People's JWTs are judged by the guard of the application. */
function carriesJwt({ headers: { authorization } }: IncomingMessage): boolean {
  return authorization !== undefined && /^bearer +eyJ/i.test(authorization);
}
