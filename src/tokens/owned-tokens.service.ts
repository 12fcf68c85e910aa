import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/principal.js';
import type { ExpectedVersions } from '../common/etag.js';
import { answerList, type Page } from '../common/pagination.js';
import { markReplay, tagged } from '../common/reply.js';
import { Config } from '../config/config.js';
import type { IdempotentRequest } from '../idempotency/idempotency.js';
import { CreateTokenRequest, type RotateTokenRequest, UpdateTokenRequest } from './dto/token.request.js';
import { IssuedTokenResponse, TokenResponse } from './dto/token.response.js';
import type { TokenOwner } from './token-owner.js';
import { TokensService } from './tokens.service.js';

const LIST = 'tokens';

/** What the native dialect offers to do with the tokens of an owner. Its controllers differ in who the owner is. */
@Injectable()
export class OwnedTokens {
  constructor(
    private readonly tokens: TokensService,
    private readonly config: Config,
  ) {}

  async list(owner: TokenOwner, query: Record<string, unknown>): Promise<TokenResponse[] | Page<TokenResponse>> {
    return answerList(
      LIST,
      query,
      this.config.listLimits,
      (page) => this.tokens.list(owner, page),
      (token) => TokenResponse.of(token, owner),
    );
  }

  async create(
    caller: Caller,
    owner: TokenOwner,
    body: CreateTokenRequest,
    request: IdempotentRequest | undefined,
    reply: FastifyReply,
  ): Promise<IssuedTokenResponse> {
    const issued = await this.tokens.issue(caller, owner, CreateTokenRequest.toDraft(body), request);
    markReplay(reply, issued.secret === undefined);
    return tagged(reply, issued.token, () => IssuedTokenResponse.ofIssued(issued, owner));
  }

  async get(owner: TokenOwner, slug: string, reply: FastifyReply): Promise<TokenResponse> {
    return tagged(reply, await this.tokens.get(owner, { slug }), (token) => TokenResponse.of(token, owner));
  }

  async update(
    caller: Caller,
    owner: TokenOwner,
    slug: string,
    body: UpdateTokenRequest,
    expected: ExpectedVersions,
    reply: FastifyReply,
  ): Promise<TokenResponse> {
    const token = await this.tokens.update(caller, owner, { slug }, UpdateTokenRequest.toChanges(body), expected);
    return tagged(reply, token, () => TokenResponse.of(token, owner));
  }

  async rotate(
    caller: Caller,
    owner: TokenOwner,
    slug: string,
    body: RotateTokenRequest,
    expected: ExpectedVersions,
    reply: FastifyReply,
  ): Promise<IssuedTokenResponse> {
    const issued = await this.tokens.rotate(caller, owner, { slug }, body.gracePeriodSeconds ?? 0, expected);
    return tagged(reply, issued.token, () => IssuedTokenResponse.ofIssued(issued, owner));
  }

  async revoke(caller: Caller, owner: TokenOwner, slug: string, expected: ExpectedVersions): Promise<void> {
    await this.tokens.revoke(caller, owner, { slug }, expected);
  }
}
