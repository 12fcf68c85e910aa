import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { Dialects } from '../../errors/dialects.js';
import { UnleashErrorFilter } from './unleash-error.filter.js';
import { PREFIX } from './unleash-operation.decorators.js';

/** Makes the dialect known to the rest of the service. */
@Injectable()
export class UnleashDialect {
  constructor(dialects: Dialects, errors: UnleashErrorFilter, host: HttpAdapterHost) {
    dialects.register({
      name: 'unleash',
      prefix: PREFIX,
      answer: (error, request, reply) => errors.answer(error, request, reply),
      document: {
        title: 'Keyward in the Unleash dialect',
        description:
          'Service accounts and their tokens as the admin API of Unleash has them, over the same core as every other dialect. Ids are the numbers of accounts, tokens and roles.',
        tags: {
          'Unleash service accounts': 'Identities of machines, each with one role.',
          'Unleash tokens': 'Credentials of service accounts; they carry the role of their account.',
          'Unleash personal tokens': 'Credentials of the person who calls; they carry the role of the person.',
        },
        credential: 'A JWT of your identity provider, or an API token; alone in the header, or after `Bearer`.',
      },
    });
    understandRawCredentials(host.httpAdapter.getInstance<FastifyInstance>());
  }
}

/**
 * Clients of this dialect send their token without a scheme. Before the guards read the header it gets the scheme that they
 * know, on paths of this dialect alone: elsewhere a header without one is no credential.
 */
function understandRawCredentials(instance: FastifyInstance): void {
  instance.addHook('onRequest', (request, _reply, done) => {
    const { headers } = request.raw;
    if (headers.authorization !== undefined && request.url.startsWith(`${PREFIX}/`))
      headers.authorization = withScheme(headers.authorization);
    done();
  });
}

/** A scheme other than Bearer is a part of a token that is not accepted: the header was not missing. */
function withScheme(authorization: string): string {
  const isBare = authorization !== '' && !/^bearer( |$)/i.test(authorization);
  return isBare ? `Bearer ${authorization}` : authorization;
}
