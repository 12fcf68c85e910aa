import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/principal.js';
import { CurrentCaller, RequireScopes } from '../access/require-scopes.decorator.js';
import { ApiIfMatch, type ExpectedVersions, IfMatch } from '../common/etag.js';
import { ApiBothListForms, NativeOperation } from '../common/native-operation.decorator.js';
import { answerList, type Page } from '../common/pagination.js';
import { markReplay, tagged } from '../common/reply.js';
import { Config } from '../config/config.js';
import { ApiIdempotent, Idempotency, type IdempotentRequest } from '../idempotency/idempotency.js';
import { CreateTokenRequest, RotateTokenRequest, UpdateTokenRequest } from '../tokens/dto/token.request.js';
import { IssuedTokenResponse, TokenPageResponse, TokenResponse } from '../tokens/dto/token.response.js';
import { TokensService } from '../tokens/tokens.service.js';
import { ServiceAccountsService } from './service-accounts.service.js';

const LIST = 'tokens';

@ApiTags('Tokens')
@Controller('service-accounts/:serviceAccountSlug/tokens')
export class ServiceAccountTokensController {
  constructor(
    private readonly accounts: ServiceAccountsService,
    private readonly tokens: TokensService,
    private readonly config: Config,
  ) {}

  @Get()
  @RequireScopes('api_tokens:read')
  @ApiBothListForms(TokenResponse, TokenPageResponse)
  @NativeOperation({
    id: 'listTokens',
    summary: 'List the tokens of a service account',
    description: 'Metadata only, revoked and expired tokens included.',
    refusals: [400, 404, 422],
  })
  async list(
    @CurrentCaller() { principal }: Caller,
    @Param('serviceAccountSlug') accountSlug: string,
    @Query() query: Record<string, unknown>,
  ): Promise<TokenResponse[] | Page<TokenResponse>> {
    const owner = await this.accounts.getOwner(principal.organizationId, accountSlug);
    return answerList(
      LIST,
      query,
      this.config.listLimits,
      (page) => this.tokens.list(owner, page),
      (token) => TokenResponse.of(token, owner),
    );
  }

  @Post()
  @RequireScopes('api_tokens')
  @ApiIdempotent()
  @NativeOperation({
    id: 'createToken',
    summary: 'Issue a token',
    description:
      'The answer holds the secret in `token`: it is shown once and kept nowhere. No scope may be given that the caller does not hold.',
    refusals: [400, 404, 409, 413, 415, 422],
  })
  @ApiCreatedResponse({ type: IssuedTokenResponse, description: 'The token with its secret.' })
  async create(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') accountSlug: string,
    @Body() body: CreateTokenRequest,
    @Idempotency() request: IdempotentRequest | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedTokenResponse> {
    const owner = await this.accounts.getOwner(caller.principal.organizationId, accountSlug);
    const issued = await this.tokens.issue(caller, owner, CreateTokenRequest.toDraft(body), request);
    markReplay(reply, issued.secret === undefined);
    return tagged(reply, issued.token, () => IssuedTokenResponse.ofIssued(issued, owner));
  }

  @Get(':tokenSlug')
  @RequireScopes('api_tokens:read')
  @NativeOperation({
    id: 'getToken',
    summary: 'Read a token',
    description: 'Metadata of one token, revoked ones included.',
    refusals: [404, 422],
  })
  @ApiOkResponse({ type: TokenResponse, description: 'The token.' })
  async get(
    @CurrentCaller() { principal }: Caller,
    @Param('serviceAccountSlug') accountSlug: string,
    @Param('tokenSlug') slug: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenResponse> {
    const owner = await this.accounts.getOwner(principal.organizationId, accountSlug);
    return tagged(reply, await this.tokens.get(owner, slug), (token) => TokenResponse.of(token, owner));
  }

  @Patch(':tokenSlug')
  @RequireScopes('api_tokens')
  @ApiIfMatch()
  @NativeOperation({
    id: 'updateToken',
    summary: 'Change a token',
    description:
      'Changes the members that are sent; null clears. The secret stays the same. The caller must hold all that the token may do.',
    refusals: [400, 404, 409, 413, 415, 422],
  })
  @ApiOkResponse({ type: TokenResponse, description: 'The token as it is now.' })
  async update(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') accountSlug: string,
    @Param('tokenSlug') slug: string,
    @Body() body: UpdateTokenRequest,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenResponse> {
    const owner = await this.accounts.getOwner(caller.principal.organizationId, accountSlug);
    const token = await this.tokens.update(caller, owner, slug, UpdateTokenRequest.toChanges(body), expected);
    return tagged(reply, token, () => TokenResponse.of(token, owner));
  }

  @Post(':tokenSlug/rotate')
  @HttpCode(200)
  @RequireScopes('api_tokens')
  @ApiIfMatch()
  @NativeOperation({
    id: 'rotateToken',
    summary: 'Give a token a new secret',
    description:
      'The answer holds the new secret, once. The old ones go on working for the grace period, or stop at once. The caller must hold all that the token may do.',
    refusals: [400, 404, 409, 413, 415, 422],
  })
  @ApiOkResponse({ type: IssuedTokenResponse, description: 'The token with its new secret.' })
  async rotate(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') accountSlug: string,
    @Param('tokenSlug') slug: string,
    @Body() body: RotateTokenRequest,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedTokenResponse> {
    const owner = await this.accounts.getOwner(caller.principal.organizationId, accountSlug);
    const issued = await this.tokens.rotate(caller, owner, slug, body.gracePeriodSeconds ?? 0, expected);
    return tagged(reply, issued.token, () => IssuedTokenResponse.ofIssued(issued, owner));
  }

  @Delete(':tokenSlug')
  @HttpCode(204)
  @RequireScopes('api_tokens')
  @ApiIfMatch()
  @NativeOperation({
    id: 'revokeToken',
    summary: 'Revoke a token',
    description: 'It stops working at once and for good; its metadata stays listed.',
    refusals: [404, 422],
  })
  @ApiNoContentResponse({ description: 'It is revoked.' })
  async revoke(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') accountSlug: string,
    @Param('tokenSlug') slug: string,
    @IfMatch() expected: ExpectedVersions,
  ): Promise<void> {
    await this.tokens.revoke(
      caller,
      await this.accounts.getOwner(caller.principal.organizationId, accountSlug),
      slug,
      expected,
    );
  }
}
