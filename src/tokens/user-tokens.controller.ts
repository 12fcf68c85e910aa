import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/principal.js';
import { CurrentCaller, RequirePerson } from '../access/require-scopes.decorator.js';
import { type ExpectedVersions, IfMatch } from '../common/etag.js';
import { Idempotency, type IdempotentRequest } from '../idempotency/idempotency.js';
import { CreateTokenRequest, RotateTokenRequest, UpdateTokenRequest } from './dto/token.request.js';
import type { IssuedTokenResponse, TokenResponse } from './dto/token.response.js';
import { OwnedTokens } from './owned-tokens.service.js';
import { PeopleAsOwners } from './people-as-owners.service.js';
import { TokenOperation } from './token-operation.decorators.js';

const OWNER = 'the caller';

/**
 * Tokens of the person who calls, in the organization that the JWT names. Everybody may have them, since they can do no more
 * than the person; nobody sees another one's. A token cannot issue them: a leaked one would otherwise outlive its revocation.
 */
@ApiTags('Personal tokens')
@Controller('user/tokens')
export class UserTokensController {
  constructor(
    private readonly tokens: OwnedTokens,
    private readonly people: PeopleAsOwners,
  ) {}

  @Get()
  @RequirePerson()
  @TokenOperation.list('listUserTokens', OWNER)
  async list(@CurrentCaller() caller: Caller, @Query() query: Record<string, unknown>): Promise<string | Buffer> {
    return this.tokens.list(await this.people.ownerFor(caller), query);
  }

  @Post()
  @RequirePerson()
  @TokenOperation.create('createUserToken', OWNER)
  async create(
    @CurrentCaller() caller: Caller,
    @Body() body: CreateTokenRequest,
    @Idempotency() request: IdempotentRequest | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedTokenResponse> {
    return this.tokens.create(caller, await this.people.ownerFor(caller), body, request, reply);
  }

  @Get(':tokenSlug')
  @RequirePerson()
  @TokenOperation.get('getUserToken', OWNER)
  async get(
    @CurrentCaller() caller: Caller,
    @Param('tokenSlug') slug: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenResponse> {
    return this.tokens.get(await this.people.ownerFor(caller), slug, reply);
  }

  @Patch(':tokenSlug')
  @RequirePerson()
  @TokenOperation.update('updateUserToken', OWNER)
  async update(
    @CurrentCaller() caller: Caller,
    @Param('tokenSlug') slug: string,
    @Body() body: UpdateTokenRequest,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenResponse> {
    return this.tokens.update(caller, await this.people.ownerFor(caller), slug, body, expected, reply);
  }

  @Post(':tokenSlug/rotate')
  @RequirePerson()
  @TokenOperation.rotate('rotateUserToken', OWNER)
  async rotate(
    @CurrentCaller() caller: Caller,
    @Param('tokenSlug') slug: string,
    @Body() body: RotateTokenRequest,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedTokenResponse> {
    return this.tokens.rotate(caller, await this.people.ownerFor(caller), slug, body, expected, reply);
  }

  @Delete(':tokenSlug')
  @RequirePerson()
  @TokenOperation.revoke('revokeUserToken', OWNER)
  async revoke(
    @CurrentCaller() caller: Caller,
    @Param('tokenSlug') slug: string,
    @IfMatch() expected: ExpectedVersions,
  ): Promise<void> {
    return this.tokens.revoke(caller, await this.people.ownerFor(caller), slug, expected);
  }
}
