import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/principal.js';
import type { ExpectedVersions } from '../common/etag.js';
import { type PageRequest, readListing } from '../common/pagination.js';
import { markReplay, tagged } from '../common/reply.js';
import { Config } from '../config/config.js';
import type { IdempotentRequest } from '../idempotency/idempotency.js';
import { CreateTokenRequest, type RotateTokenRequest, UpdateTokenRequest } from './dto/token.request.js';
import { tokenListJson } from './dto/token-list-json.js';
import { IssuedTokenResponse, TokenResponse } from './dto/token.response.js';
import { positionAt, type TokenLines } from './token-line.js';
import type { TokenOwner } from './token-owner.js';
import { TokensService } from './tokens.service.js';

const LIST = 'tokens';

/** Tokens and whose they are. */
export interface TokensOfOwner {
  readonly owner: TokenOwner;
  readonly tokens: TokenLines;
}

/** What the native dialect offers to do with the tokens of an owner. Its controllers differ in who the owner is. */
@Injectable()
export class OwnedTokens {
  constructor(
    private readonly tokens: TokensService,
    private readonly config: Config,
  ) {}

  /** The JSON of a list of a known owner's tokens. */
  async list(owner: TokenOwner, query: Record<string, unknown>): Promise<string> {
    return this.listOf(query, async (page) => ({ owner, tokens: await this.tokens.listLines(owner, page) }));
  }

  /** The same where the owner is found together with the tokens. */
  async listOf(query: Record<string, unknown>, read: (page: PageRequest) => Promise<TokensOfOwner>): Promise<string> {
    let found: TokensOfOwner | undefined;
    const tokens = (): TokensOfOwner => {
      if (found === undefined) throw new Error('A list was answered without being read.');
      return found;
    };
    const listing = await readListing(
      LIST,
      query,
      this.config.listLimits,
      async (page) => (found = await read(page)).tokens.starts,
      (start) => positionAt(tokens().tokens, start),
    );
    return tokenListJson(listing, tokens().tokens, tokens().owner);
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
