import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { refusalToTell } from '../errors/to-refusal.js';

/** The error codes of RFC 6749 §5.2 and RFC 6750 §3.1 that a status stands for. */
const ERRORS: Readonly<Record<number, string>> = {
  401: 'invalid_token',
  403: 'insufficient_scope',
  429: 'slow_down',
  503: 'temporarily_unavailable',
  500: 'server_error',
};

/** Says refusals as OAuth 2.0 clients expect them: `{error, error_description}`, and 400 where the native dialect has 422. */
@Catch()
@Injectable()
export class OAuthErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger(OAuthErrorFilter.name);

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const refusal = refusalToTell(error, request.id, this.logger);
    const status = refusal.status === 422 ? 400 : refusal.status;
    void reply
      .status(status)
      .headers({ 'x-request-id': request.id, 'cache-control': 'no-store', ...refusal.more.headers })
      .type('application/json; charset=utf-8')
      .send(JSON.stringify({ error: ERRORS[status] ?? 'invalid_request', error_description: refusal.message }));
  }
}
