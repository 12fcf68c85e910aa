import { createServer, type IncomingMessage, METHODS, type RequestListener, type ServerResponse } from 'node:http';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { AskedRequest } from './plane-request.js';

/** How refusals of a route are said. */
export type PlaneErrorHandler = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;

interface SaidRefusal {
  readonly error: unknown;
  readonly asked: AskedRequest;
  readonly onError: PlaneErrorHandler;
}

/** Says refusals through Fastify, for the filters of the application know how to write to its replies. */
export class PlaneRefusals {
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

  say(
    error: unknown,
    request: IncomingMessage,
    asked: AskedRequest,
    response: ServerResponse,
    onError: PlaneErrorHandler,
  ): void {
    this.refused.set(request, { error, asked, onError });
    this.listener?.(request, response);
  }

  private refusalOf(request: object): SaidRefusal {
    const refusal = this.refused.get(request);
    if (refusal === undefined) throw new Error('A request that was not refused is answered by nobody.');
    return refusal;
  }
}
