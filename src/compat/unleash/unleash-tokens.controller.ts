import { Body, Delete, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../../access/principal.js';
import { CurrentCaller, EnforceScopes } from '../../access/require-scopes.decorator.js';
import { ServiceAccountsService } from '../../service-accounts/service-accounts.service.js';
import { CreateUnleashPatRequest, IssuedUnleashPat, UnleashPats } from './dto/unleash-pat.dto.js';
import { PREFIX, UnleashController, UnleashOperation } from './unleash-operation.decorators.js';
import { type PatsOf, UnleashPatsService } from './unleash-pats.service.js';

const ACCOUNT = { id: 'Number of the service account.' };

@UnleashController('Unleash tokens', 'service-account/:id/token')
export class UnleashTokensController {
  constructor(
    private readonly accounts: ServiceAccountsService,
    private readonly pats: UnleashPatsService,
  ) {}

  @Get()
  @EnforceScopes('api_tokens:read')
  @UnleashOperation({
    id: 'unleashListTokens',
    summary: 'List the tokens of a service account',
    description: 'All tokens of the account that are not deleted, expired ones included, without their secrets.',
    numbers: ACCOUNT,
    refusals: [400, 404],
  })
  @ApiOkResponse({ type: UnleashPats, description: 'The tokens.' })
  async list(@CurrentCaller() caller: Caller, @Param('id') account: number): Promise<UnleashPats> {
    return this.pats.list(await this.patsOf(caller, account));
  }

  @Post()
  @EnforceScopes('api_tokens')
  @UnleashOperation({
    id: 'unleashCreateToken',
    summary: 'Issue a token of a service account',
    description:
      'The answer holds the secret, once. The token may do what the role of the account allows, which the caller must hold.',
    numbers: ACCOUNT,
    refusals: [400, 404, 409, 413, 415],
  })
  @ApiCreatedResponse({ type: IssuedUnleashPat, description: 'The token with its secret; Location is its path.' })
  async create(
    @CurrentCaller() caller: Caller,
    @Param('id') account: number,
    @Body() body: CreateUnleashPatRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedUnleashPat> {
    return this.pats.create(caller, await this.patsOf(caller, account), body, reply);
  }

  @Delete(':tokenId')
  @HttpCode(200)
  @EnforceScopes('api_tokens')
  @UnleashOperation({
    id: 'unleashDeleteToken',
    summary: 'Delete a token of a service account',
    description: 'It stops working at once and for good, and its description is free again.',
    numbers: { ...ACCOUNT, tokenId: 'Number of the token.' },
    refusals: [400, 404, 413, 415],
  })
  @ApiOkResponse({ description: 'It is gone; the body is empty.' })
  async delete(
    @CurrentCaller() caller: Caller,
    @Param('id') account: number,
    @Param('tokenId') token: number,
  ): Promise<void> {
    await this.pats.delete(caller, await this.patsOf(caller, account), token);
  }

  private async patsOf({ principal }: Caller, number: number): Promise<PatsOf> {
    const owner = await this.accounts.getOwner(principal.organizationId, { number });
    return { owner, accountNumber: number, path: `${PREFIX}/service-account/${number}/token` };
  }
}
