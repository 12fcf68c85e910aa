import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/principal.js';
import { CurrentCaller, RequireScopes } from '../access/require-scopes.decorator.js';
import { type ExpectedVersions, IfMatch } from '../common/etag.js';
import { Idempotency, type IdempotentRequest } from '../idempotency/idempotency.js';
import { CreateTokenRequest, RotateTokenRequest, UpdateTokenRequest } from './dto/token.request.js';
import type { IssuedTokenResponse, TokenResponse } from './dto/token.response.js';
import { OwnedTokens } from './owned-tokens.service.js';
import { TokenOperation } from './token-operation.decorators.js';
import { organizationAsOwner, type TokenOwner } from './token-owner.js';

const OWNER = 'the organization';

/** Tokens that belong to the organization itself and to none of its accounts or people. */
@ApiTags('Organization tokens')
@Controller('organization/tokens')
export class OrganizationTokensController {
  constructor(private readonly tokens: OwnedTokens) {}

  @Get()
  @RequireScopes('api_tokens:read')
  @TokenOperation.list('listOrganizationTokens', OWNER)
  list(@CurrentCaller() caller: Caller, @Query() query: Record<string, unknown>): Promise<string | Buffer> {
    return this.tokens.list(ownerOf(caller), query);
  }

  @Post()
  @RequireScopes('api_tokens')
  @TokenOperation.create('createOrganizationToken', OWNER)
  create(
    @CurrentCaller() caller: Caller,
    @Body() body: CreateTokenRequest,
    @Idempotency() request: IdempotentRequest | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedTokenResponse> {
    return this.tokens.create(caller, ownerOf(caller), body, request, reply);
  }

  @Get(':tokenSlug')
  @RequireScopes('api_tokens:read')
  @TokenOperation.get('getOrganizationToken', OWNER)
  get(
    @CurrentCaller() caller: Caller,
    @Param('tokenSlug') slug: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenResponse> {
    return this.tokens.get(ownerOf(caller), slug, reply);
  }

  @Patch(':tokenSlug')
  @RequireScopes('api_tokens')
  @TokenOperation.update('updateOrganizationToken', OWNER)
  update(
    @CurrentCaller() caller: Caller,
    @Param('tokenSlug') slug: string,
    @Body() body: UpdateTokenRequest,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenResponse> {
    return this.tokens.update(caller, ownerOf(caller), slug, body, expected, reply);
  }

  @Post(':tokenSlug/rotate')
  @RequireScopes('api_tokens')
  @TokenOperation.rotate('rotateOrganizationToken', OWNER)
  rotate(
    @CurrentCaller() caller: Caller,
    @Param('tokenSlug') slug: string,
    @Body() body: RotateTokenRequest,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedTokenResponse> {
    return this.tokens.rotate(caller, ownerOf(caller), slug, body, expected, reply);
  }

  @Delete(':tokenSlug')
  @RequireScopes('api_tokens')
  @TokenOperation.revoke('revokeOrganizationToken', OWNER)
  revoke(
    @CurrentCaller() caller: Caller,
    @Param('tokenSlug') slug: string,
    @IfMatch() expected: ExpectedVersions,
  ): Promise<void> {
    return this.tokens.revoke(caller, ownerOf(caller), slug, expected);
  }
}

function ownerOf({ principal }: Caller): TokenOwner {
  return organizationAsOwner(principal.organizationId);
}
