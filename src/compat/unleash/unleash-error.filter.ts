import { randomUUID } from 'node:crypto';
import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { refusalToTell } from '../../errors/to-refusal.js';
import { unleashErrorBody, unleashStatusOf } from './unleash-errors.js';

/** Answers whatever was thrown as `{id, name, message, details?}`. What is no refusal is a 500 that tells nothing. */
@Catch()
@Injectable()
export class UnleashErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger(UnleashErrorFilter.name);

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const id = randomUUID();
    const refusal = refusalToTell(error, request.id, this.logger, id);
    // Allow goes with 405 alone (RFC 9110 §10.2.1), which this dialect says as 404.
    const { allow: _, ...headers } = refusal.more.headers ?? {};
    void reply
      .status(unleashStatusOf(refusal))
      .headers({ 'x-request-id': request.id, 'cache-control': 'no-store', ...headers })
      .type('application/json; charset=utf-8')
      .send(JSON.stringify(unleashErrorBody(refusal, id, request.body)));
  }
}
