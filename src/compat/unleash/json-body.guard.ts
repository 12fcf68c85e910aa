import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Refusal } from '../../errors/refusal.js';

const IS_JSON = /^application\/json\s*(;|$)/i;

/** Asks a POST or PUT to say that its body is JSON, also where it has none: clients of this dialect rely on the 415. */
@Injectable()
export class JsonBodyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { method, headers } = context.switchToHttp().getRequest<FastifyRequest>();
    const needsType = method === 'POST' || method === 'PUT';
    if (needsType && !IS_JSON.test(headers['content-type'] ?? '')) throw new Refusal('request.unsupported_media_type');
    return true;
  }
}
