import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/principal.js';
import { CurrentCaller, RequireScopes } from '../access/require-scopes.decorator.js';
import { type ExpectedVersions, IfMatch } from '../common/etag.js';
import { Idempotency, type IdempotentRequest } from '../idempotency/idempotency.js';
import { CreateTokenRequest, RotateTokenRequest, UpdateTokenRequest } from '../tokens/dto/token.request.js';
import type { IssuedTokenResponse, TokenResponse } from '../tokens/dto/token.response.js';
import { OwnedTokens } from '../tokens/owned-tokens.service.js';
import { TokenOperation } from '../tokens/token-operation.decorators.js';
import type { TokenOwner } from '../tokens/token-owner.js';
import { ServiceAccountsService } from './service-accounts.service.js';

const OWNER = 'a service account';

@ApiTags('Tokens')
@Controller('service-accounts/:serviceAccountSlug/tokens')
export class ServiceAccountTokensController {
  constructor(
    private readonly accounts: ServiceAccountsService,
    private readonly tokens: OwnedTokens,
  ) {}

  @Get()
  @RequireScopes('api_tokens:read')
  @TokenOperation.list('listTokens', OWNER)
  async list(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') accountSlug: string,
    @Query() query: Record<string, unknown>,
  ): Promise<string | Buffer> {
    const { organizationId } = caller.principal;
    return this.tokens.listOf([organizationId, 'account', accountSlug], query, (page, known) =>
      this.accounts.listTokens(organizationId, accountSlug, page, known),
    );
  }

  @Post()
  @RequireScopes('api_tokens')
  @TokenOperation.create('createToken', OWNER)
  async create(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') accountSlug: string,
    @Body() body: CreateTokenRequest,
    @Idempotency() request: IdempotentRequest | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedTokenResponse> {
    return this.tokens.create(caller, await this.ownerFor(caller, accountSlug), body, request, reply);
  }

  @Get(':tokenSlug')
  @RequireScopes('api_tokens:read')
  @TokenOperation.get('getToken', OWNER)
  async get(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') accountSlug: string,
    @Param('tokenSlug') slug: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenResponse> {
    return this.tokens.get(await this.ownerFor(caller, accountSlug), slug, reply);
  }

  @Patch(':tokenSlug')
  @RequireScopes('api_tokens')
  @TokenOperation.update('updateToken', OWNER)
  async update(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') accountSlug: string,
    @Param('tokenSlug') slug: string,
    @Body() body: UpdateTokenRequest,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenResponse> {
    return this.tokens.update(caller, await this.ownerFor(caller, accountSlug), slug, body, expected, reply);
  }

  @Post(':tokenSlug/rotate')
  @RequireScopes('api_tokens')
  @TokenOperation.rotate('rotateToken', OWNER)
  async rotate(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') accountSlug: string,
    @Param('tokenSlug') slug: string,
    @Body() body: RotateTokenRequest,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedTokenResponse> {
    return this.tokens.rotate(caller, await this.ownerFor(caller, accountSlug), slug, body, expected, reply);
  }

  @Delete(':tokenSlug')
  @RequireScopes('api_tokens')
  @TokenOperation.revoke('revokeToken', OWNER)
  async revoke(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') accountSlug: string,
    @Param('tokenSlug') slug: string,
    @IfMatch() expected: ExpectedVersions,
  ): Promise<void> {
    await this.tokens.revoke(caller, await this.ownerFor(caller, accountSlug), slug, expected);
  }

  private ownerFor({ principal }: Caller, slug: string): Promise<TokenOwner> {
    return this.accounts.getOwner(principal.organizationId, { slug });
  }
}
