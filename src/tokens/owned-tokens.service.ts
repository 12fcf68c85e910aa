import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/principal.js';
import type { ExpectedVersions } from '../common/etag.js';
import { listingOf, type PageRequest, readPageRequest, wholeList } from '../common/pagination.js';
import { markReplay, tagged } from '../common/reply.js';
import { Config } from '../config/config.js';
import type { IdempotentRequest } from '../idempotency/idempotency.js';
import { CreateTokenRequest, type RotateTokenRequest, UpdateTokenRequest } from './dto/token.request.js';
import { tokenListJson } from './dto/token-list-json.js';
import { IssuedTokenResponse, TokenResponse } from './dto/token.response.js';
import { isGoodAt, KeptLists } from './kept-lists.js';
import { positionAt, tokenLinesOf } from './token-line.js';
import type { TokenOwner } from './token-owner.js';
import type { RecognizedTokens } from './token-queries.js';
import { TokensService } from './tokens.service.js';

const LIST = 'tokens';

/** Tokens and whose they are. */
export interface TokensOfOwner {
  readonly owner: TokenOwner;
  readonly tokens: RecognizedTokens;
}

/** @param known the fingerprint of the list whose lines need not be read */
type ReadTokens = (page: PageRequest, known: string | undefined) => Promise<TokensOfOwner>;

/** What the native dialect offers to do with the tokens of an owner. Its controllers differ in who the owner is. */
@Injectable()
export class OwnedTokens {
  constructor(
    private readonly tokens: TokensService,
    private readonly keptLists: KeptLists,
    private readonly config: Config,
  ) {}

  /** The JSON of a list of a known owner's tokens. */
  async list(owner: TokenOwner, query: Record<string, unknown>): Promise<string | Buffer> {
    const whose = [owner.organizationId, owner.kind, owner.ownerId];
    return this.listOf(whose, query, async (page, known) => ({
      owner,
      tokens: await this.tokens.listLines(owner, page, known),
    }));
  }

  /**
   * The same where the owner is found together with the tokens.
   * @param whose what the owner is found by
   */
  async listOf(whose: readonly string[], query: Record<string, unknown>, read: ReadTokens): Promise<string | Buffer> {
    const { pageSizeMax, rowsMax } = this.config.listLimits;
    const asked = readPageRequest(LIST, query, pageSizeMax);
    const page = asked ?? wholeList(rowsMax);
    const key = JSON.stringify([whose, asked]);
    const kept = this.keptLists.get(key);
    let { owner, tokens } = await read(page, kept?.fingerprint);
    if (kept !== undefined && kept.fingerprint === tokens.fingerprint) {
      if (kept.shownOf === shownOf(owner) && isGoodAt(kept, isoNow())) {
        this.keptLists.hits++;
        return kept.json;
      }
      ({ owner, tokens } = await read(page, undefined));
    }
    this.keptLists.misses++;
    const now = isoNow();
    const lines = tokenLinesOf(tokens);
    const listing = listingOf(LIST, lines.starts, asked, rowsMax, (start) => positionAt(lines, start));
    const { json, changesAt } = tokenListJson(listing, lines, owner, now);
    const { fingerprint } = tokens;
    if (fingerprint !== null)
      this.keptLists.keep(key, { fingerprint, shownOf: shownOf(owner), madeAt: now, changesAt }, json);
    return json;
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

function isoNow(): string {
  return new Date().toISOString();
}

/** What a list of tokens shows of their owner. */
function shownOf({ kind, ownerId, roleScopes }: TokenOwner): string {
  return JSON.stringify([kind, ownerId, roleScopes]);
}
