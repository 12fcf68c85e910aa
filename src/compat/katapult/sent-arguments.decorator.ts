import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { argumentsOf } from './arguments.js';
import type { Arguments } from './query.js';

/** The arguments of a request, from its path, its query and its body, none of them judged yet. */
export const SentArguments = createParamDecorator((_: unknown, context: ExecutionContext): Arguments => {
  const { url, params, body } = context.switchToHttp().getRequest<FastifyRequest>();
  return argumentsOf({
    url,
    pathParameters: params as Readonly<Record<string, string | undefined>>,
    body: body as string | undefined,
  });
});
