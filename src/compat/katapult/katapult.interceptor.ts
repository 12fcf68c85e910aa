import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import { limitHeaders } from './limit-headers.js';
import { readBody } from './read-body.js';

/** What every request of this door goes through once its guards have let it in: it is told its limit, and its body is read. */
@Injectable()
export class KatapultInterceptor implements NestInterceptor {
  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    void reply.headers(limitHeaders(request));
    // Kept as text: what an Idempotency-Key stands for is compared by it, however deep a body is nested.
    request.body = await readBody(request, reply);
    return next.handle();
  }
}
