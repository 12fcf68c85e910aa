import { Controller, Delete, Get, HttpCode, Patch, Post, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../../access/principal.js';
import { CurrentCaller, EnforceScopes } from '../../access/require-scopes.decorator.js';
import { markReplay } from '../../common/reply.js';
import { Config } from '../../config/config.js';
import { ApiIdempotent, Idempotency, type IdempotentRequest } from '../../idempotency/idempotency.js';
import { TokenOwners } from '../../service-accounts/token-owners.service.js';
import { organizationAsOwner, type TokenOwner } from '../../tokens/token-owner.js';
import type { TokenView } from '../../tokens/token-view.js';
import { TokensService } from '../../tokens/tokens.service.js';
import {
  readAnnotations,
  readFilter,
  readOrganization,
  readPage,
  requireOrganization,
  requireProperties,
  requireToken,
} from './arguments.js';
import {
  KatapultApiTokenArguments,
  KatapultCreateApiTokenArguments,
  KatapultUpdateApiTokenArguments,
} from './dto/katapult-api-token.arguments.js';
import {
  KatapultAnnotatedApiTokenAnswer,
  type KatapultApiToken,
  KatapultApiTokenAnswer,
  KatapultApiTokenList,
  KatapultDeletedApiTokenAnswer,
} from './dto/katapult-api-token.js';
import { KatapultLookups } from './katapult-lookups.service.js';
import {
  ApiOrganizationArgument,
  ApiTokenArgument,
  KatapultDoor,
  KatapultOperation,
} from './katapult-operation.decorator.js';
import type { Arguments } from './query.js';
import { SentArguments } from './sent-arguments.decorator.js';
import { changesOf, draftOf } from './token-rules.js';
import { COUNTED_MAX, offsetOf, toAnnotations, toApiToken, tokenId, toPagination } from './translate.js';

/** Tokens of the organization and of its service accounts, as clients of Katapult manage them. */
@ApiTags('Katapult API tokens')
@KatapultDoor()
@Controller('core/v1')
export class KatapultTokensController {
  constructor(
    private readonly lookups: KatapultLookups,
    private readonly tokens: TokensService,
    private readonly owners: TokenOwners,
    private readonly config: Config,
  ) {}

  @Get('organizations/:organization/api_tokens')
  @EnforceScopes('api_tokens', 'api_tokens:read')
  @KatapultOperation({
    id: 'katapultListApiTokens',
    summary: 'List API tokens',
    description:
      'The live tokens of an organization and of its service accounts, newest first. Of several annotations all must match. More than 1,000 tokens are not counted: `large_set` is true then.',
    refusals: ['organization_not_found'],
  })
  @ApiOrganizationArgument()
  @ApiQuery({
    name: 'annotations[][key]',
    required: false,
    description: 'Keys of annotations that the tokens have.',
    schema: { type: 'array', items: { type: 'string' }, maxItems: 10 },
  })
  @ApiQuery({
    name: 'annotations[][value]',
    required: false,
    description: 'The values of these annotations, in the same order.',
    schema: { type: 'array', items: { type: 'string' }, maxItems: 10 },
  })
  @ApiQuery({
    name: 'page',
    required: false,
    description: 'Page.',
    schema: { type: 'integer', minimum: 1, default: 1 },
  })
  @ApiQuery({
    name: 'per_page',
    required: false,
    description: 'Most items of a page.',
    schema: { type: 'integer', minimum: 1, maximum: 200, default: 30 },
  })
  @ApiOkResponse({ type: KatapultApiTokenList, description: 'A page of the tokens.' })
  async list(@CurrentCaller() caller: Caller, @SentArguments() sent: Arguments): Promise<KatapultApiTokenList> {
    const lookup = readOrganization(sent);
    const filter = readFilter(sent);
    const { page, perPage } = readPage(sent);
    const { id } = await this.lookups.getOrganization(caller, lookup);
    const offset = offsetOf(page, perPage);
    const count = await this.tokens.countOfOrganization(id, filter, COUNTED_MAX + 1);
    // Where nothing can be, nothing is looked for: annotations that each have many tokens may have none in common.
    const mayHold = offset < count || count > COUNTED_MAX;
    const tokens = mayHold ? await this.tokens.listOfOrganization(id, filter, { offset, limit: perPage }) : [];
    const ownerOf = await this.owners.ownersOf(
      id,
      tokens.filter((token) => token.scopes === null), // the others tell by themselves what they may do
    );
    return {
      pagination: toPagination(page, perPage, count),
      api_tokens: tokens.map((token) => this.show(token, ownerOf(token))),
    };
  }

  @Post('organizations/:organization/api_tokens')
  @HttpCode(200)
  @EnforceScopes('api_tokens')
  @KatapultOperation({
    id: 'katapultCreateApiToken',
    summary: 'Create an API token',
    description: 'A token of the organization itself. Its secret is in this answer and in no other.',
    refusals: ['organization_not_found', 'validation_error'],
  })
  @ApiIdempotent()
  @ApiOrganizationArgument()
  @ApiBody({ type: KatapultCreateApiTokenArguments })
  @ApiOkResponse({ type: KatapultAnnotatedApiTokenAnswer, description: 'The token, with its secret.' })
  async create(
    @CurrentCaller() caller: Caller,
    @SentArguments() sent: Arguments,
    @Idempotency() request: IdempotentRequest | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<KatapultAnnotatedApiTokenAnswer> {
    const lookup = requireOrganization(sent);
    const properties = requireProperties(sent);
    const annotations = readAnnotations(sent);
    const { id } = await this.lookups.getOrganization(caller, lookup);
    const draft = await draftOf(properties, annotations);
    const owner = organizationAsOwner(id);
    const { token, secret } = await this.tokens.issue(caller, owner, draft, request);
    markReplay(reply, secret === undefined);
    return { api_token: this.show(token, owner, secret), annotations: toAnnotations(token) };
  }

  @Patch('api_tokens/:api_token')
  @EnforceScopes('api_tokens')
  @KatapultOperation({
    id: 'katapultUpdateApiToken',
    summary: 'Change an API token',
    description: 'Changes what is sent. Only who holds all that the token may do, before and after, may change it.',
    refusals: ['api_token_not_found', 'validation_error'],
  })
  @ApiTokenArgument()
  @ApiBody({ type: KatapultUpdateApiTokenArguments })
  @ApiOkResponse({ type: KatapultAnnotatedApiTokenAnswer, description: 'The token as it is now.' })
  async update(
    @CurrentCaller() caller: Caller,
    @SentArguments() sent: Arguments,
  ): Promise<KatapultAnnotatedApiTokenAnswer> {
    const id = requireToken(sent);
    const properties = requireProperties(sent);
    const annotations = readAnnotations(sent);
    const { key, owner } = await this.lookups.getToken(caller, id);
    const changes = await changesOf(properties, annotations);
    const token = await this.tokens.update(caller, owner, key, changes, undefined);
    return { api_token: this.show(token, owner), annotations: toAnnotations(token) };
  }

  @Delete('api_tokens/:api_token')
  @EnforceScopes('api_tokens')
  @KatapultOperation({
    id: 'katapultDeleteApiToken',
    summary: 'Delete an API token',
    description: 'Revokes a token for good: it stops working at once, and is no longer listed here.',
    refusals: ['api_token_not_found'],
  })
  @ApiTokenArgument()
  @ApiBody({ type: KatapultApiTokenArguments })
  @ApiOkResponse({ type: KatapultDeletedApiTokenAnswer, description: 'What the token was.' })
  async delete(
    @CurrentCaller() caller: Caller,
    @SentArguments() sent: Arguments,
  ): Promise<KatapultDeletedApiTokenAnswer> {
    const { key, owner } = await this.lookups.getToken(caller, requireToken(sent));
    const { id, name } = await this.tokens.revoke(caller, owner, key, undefined);
    return { api_token: { id: tokenId(id), name } };
  }

  @Post('api_tokens/:api_token/regenerate_secret')
  @HttpCode(200)
  @EnforceScopes('api_tokens')
  @KatapultOperation({
    id: 'katapultRegenerateApiTokenSecret',
    summary: 'Regenerate the secret of an API token',
    description:
      'Gives a token a new secret, which is in this answer and in no other. The old one stops working at once.',
    refusals: ['api_token_not_found', 'validation_error'],
  })
  @ApiTokenArgument()
  @ApiBody({ type: KatapultApiTokenArguments })
  @ApiOkResponse({ type: KatapultApiTokenAnswer, description: 'The token, with its new secret.' })
  async regenerate(@CurrentCaller() caller: Caller, @SentArguments() sent: Arguments): Promise<KatapultApiTokenAnswer> {
    const { key, owner } = await this.lookups.getToken(caller, requireToken(sent));
    const { token, secret } = await this.tokens.rotate(caller, owner, key, 0, undefined);
    return { api_token: this.show(token, owner, secret) };
  }

  private show(token: TokenView, owner: TokenOwner | undefined, secret?: string): KatapultApiToken {
    return toApiToken(token, { owner, secret, defaultRateLimit: this.config.settings.RATE_LIMIT_PER_MINUTE });
  }
}
