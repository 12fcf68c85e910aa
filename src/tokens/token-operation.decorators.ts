import { applyDecorators, Header, HttpCode } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse } from '@nestjs/swagger';
import { ApiIfMatch } from '../common/etag.js';
import { ApiBothListForms, NativeOperation } from '../common/native-operation.decorator.js';
import { ApiIdempotent } from '../idempotency/idempotency.js';
import { IssuedTokenResponse, TokenPageResponse, TokenResponse } from './dto/token.response.js';

const CHANGE_REFUSALS = [400, 404, 409, 413, 415, 422];

/**
 * The operations on the tokens of an owner, as they are documented for each kind of owner.
 * @param owner names it in a sentence, such as `a service account`
 */
export const TokenOperation = {
  list: (id: string, owner: string): MethodDecorator =>
    applyDecorators(
      Header('content-type', 'application/json; charset=utf-8'), // what is answered is the text of the JSON
      ApiBothListForms(TokenResponse, TokenPageResponse),
      NativeOperation({
        id,
        summary: `List the tokens of ${owner}`,
        description: 'Metadata only, revoked and expired tokens included.',
        refusals: [400, 404, 422],
      }),
    ),

  create: (id: string, owner: string): MethodDecorator =>
    applyDecorators(
      ApiIdempotent(),
      NativeOperation({
        id,
        summary: `Issue a token of ${owner}`,
        description:
          'The answer holds the secret in `token`: it is shown once and kept nowhere. No scope may be given that the caller does not hold.',
        refusals: CHANGE_REFUSALS,
      }),
      ApiCreatedResponse({ type: IssuedTokenResponse, description: 'The token with its secret.' }),
    ),

  get: (id: string, owner: string): MethodDecorator =>
    applyDecorators(
      NativeOperation({
        id,
        summary: `Read a token of ${owner}`,
        description: 'Metadata of one token, revoked ones included.',
        refusals: [404, 422],
      }),
      ApiOkResponse({ type: TokenResponse, description: 'The token.' }),
    ),

  update: (id: string, owner: string): MethodDecorator =>
    applyDecorators(
      ApiIfMatch(),
      NativeOperation({
        id,
        summary: `Change a token of ${owner}`,
        description:
          'Changes the members that are sent; null clears. The secret stays the same. The caller must hold all that the token may do.',
        refusals: CHANGE_REFUSALS,
      }),
      ApiOkResponse({ type: TokenResponse, description: 'The token as it is now.' }),
    ),

  rotate: (id: string, owner: string): MethodDecorator =>
    applyDecorators(
      HttpCode(200),
      ApiIfMatch(),
      NativeOperation({
        id,
        summary: `Give a token of ${owner} a new secret`,
        description:
          'The answer holds the new secret, once. The old ones go on working for the grace period, or stop at once. The caller must hold all that the token may do.',
        refusals: CHANGE_REFUSALS,
      }),
      ApiOkResponse({ type: IssuedTokenResponse, description: 'The token with its new secret.' }),
    ),

  revoke: (id: string, owner: string): MethodDecorator =>
    applyDecorators(
      HttpCode(204),
      ApiIfMatch(),
      NativeOperation({
        id,
        summary: `Revoke a token of ${owner}`,
        description: 'It stops working at once and for good; its metadata stays listed.',
        refusals: [404, 422],
      }),
      ApiNoContentResponse({ description: 'It is revoked.' }),
    ),
};
