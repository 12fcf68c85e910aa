import { Body, Delete, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../../access/principal.js';
import { CurrentCaller, EnforcePerson } from '../../access/require-scopes.decorator.js';
import { PeopleAsOwners } from '../../tokens/people-as-owners.service.js';
import { CreateUnleashPatRequest, IssuedUnleashPat, UnleashPats } from './dto/unleash-pat.dto.js';
import { PREFIX, UnleashController, UnleashOperation } from './unleash-operation.decorators.js';
import { type PatsOf, UnleashPatsService } from './unleash-pats.service.js';

/** Tokens of the person who calls. A token cannot manage them: a leaked one would otherwise outlive its revocation. */
@UnleashController('Unleash personal tokens', 'user/tokens')
export class UnleashUserTokensController {
  constructor(
    private readonly people: PeopleAsOwners,
    private readonly pats: UnleashPatsService,
  ) {}

  @Get()
  @EnforcePerson()
  @UnleashOperation({
    id: 'unleashListUserTokens',
    summary: 'List the tokens of the caller',
    description: 'All personal tokens of the person who calls that are not deleted, without their secrets.',
  })
  @ApiOkResponse({ type: UnleashPats, description: 'The tokens.' })
  async list(@CurrentCaller() caller: Caller): Promise<UnleashPats> {
    return this.pats.list(await this.patsOf(caller));
  }

  @Post()
  @EnforcePerson()
  @UnleashOperation({
    id: 'unleashCreateUserToken',
    summary: 'Issue a token of the caller',
    description: 'The answer holds the secret, once. The token may do what the role of the person allows, at any time.',
    refusals: [400, 409, 413, 415],
  })
  @ApiCreatedResponse({ type: IssuedUnleashPat, description: 'The token with its secret; Location is its path.' })
  async create(
    @CurrentCaller() caller: Caller,
    @Body() body: CreateUnleashPatRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedUnleashPat> {
    return this.pats.create(caller, await this.patsOf(caller), body, reply);
  }

  @Delete(':id')
  @HttpCode(200)
  @EnforcePerson()
  @UnleashOperation({
    id: 'unleashDeleteUserToken',
    summary: 'Delete a token of the caller',
    description: 'It stops working at once and for good, and its description is free again.',
    numbers: { id: 'Number of the token.' },
    refusals: [400, 404, 413, 415],
  })
  @ApiOkResponse({ description: 'It is gone; the body is empty.' })
  async delete(@CurrentCaller() caller: Caller, @Param('id') token: number): Promise<void> {
    await this.pats.delete(caller, await this.patsOf(caller), token);
  }

  private async patsOf(caller: Caller): Promise<PatsOf> {
    return { owner: await this.people.ownerFor(caller), path: `${PREFIX}/user/tokens` };
  }
}
