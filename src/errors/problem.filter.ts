import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PublicUrl } from '../config/public-url.js';
import { Dialects } from './dialects.js';
import { problemBody } from './problem-body.js';
import { Refusal } from './refusal.js';
import { RouteTable } from './route-table.js';
import { refusalToTell, toRefusal } from './to-refusal.js';

/** Answers whatever was thrown as problem+json (RFC 9457). What is no refusal is a 500 that tells nothing but the request id. */
@Catch()
@Injectable()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  constructor(
    private readonly publicUrl: PublicUrl,
    private readonly routes: RouteTable,
    private readonly dialects: Dialects,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  /** Also called for what Fastify refuses before any handler is chosen. */
  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const refined = this.refine(toRefusal(error), request);
    const dialect = this.dialects.at(request.url.split('?', 1)[0] ?? '/');
    if (dialect) dialect.answer(refined ?? error, request, reply);
    else this.answerProblem(refusalToTell(refined ?? error, request.id, this.logger), request, reply);
  }

  private answerProblem(refusal: Refusal, request: FastifyRequest, reply: FastifyReply): void {
    const sent = { id: request.id, path: request.originalUrl.split('?', 1)[0] ?? '/', body: request.body };
    void reply
      .status(refusal.status)
      .headers({ 'x-request-id': request.id, 'cache-control': 'no-store', ...refusal.more.headers })
      .type('application/problem+json')
      .send(problemBody(refusal, this.publicUrl.href, sent));
  }

  /** A path that exists under other methods is 405 (RFC 9110 §15.5.6). */
  private refine(refusal: Refusal | undefined, request: FastifyRequest): Refusal | undefined {
    if (refusal?.code !== 'route.not_found') return refusal;
    const methods = this.routes.methodsAt(request.url.split('?', 1)[0] ?? '/');
    const isHandlersOwn = methods.length === 0 || methods.includes(request.method);
    return isHandlersOwn
      ? refusal
      : new Refusal('route.method_not_allowed', undefined, { headers: { allow: methods.join(', ') } });
  }
}
