import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../../access/principal.js';
import { Config } from '../../config/config.js';
import { Refusal } from '../../errors/refusal.js';
import type { TokenOwner } from '../../tokens/token-owner.js';
import { TokensService } from '../../tokens/tokens.service.js';
import type { CreateUnleashPatRequest, IssuedUnleashPat, UnleashPats } from './dto/unleash-pat.dto.js';
import { toTokenDraft, toUnleashPat } from './translate.js';

/** Whose tokens an operation is about, and the path under which they are. */
export interface PatsOf {
  readonly owner: TokenOwner;
  /** Number of the service account; undefined where the owner is a person. */
  readonly accountNumber?: number;
  readonly path: string;
}

/** What this dialect offers to do with the tokens of an owner. Its controllers differ in who the owner is. */
@Injectable()
export class UnleashPatsService {
  constructor(
    private readonly tokens: TokensService,
    private readonly config: Config,
  ) {}

  /** Everything that is not revoked: this dialect has no pages. @throws Refusal list.too_large, never a part without a word */
  async list({ owner, accountNumber }: PatsOf): Promise<UnleashPats> {
    const { rowsMax } = this.config.listLimits;
    const tokens = await this.tokens.list(owner, { limit: rowsMax, after: undefined }, 'live');
    if (tokens.length > rowsMax) throw new Refusal('list.too_large');
    return { pats: tokens.map((token) => toUnleashPat(token, accountNumber)) };
  }

  async create(
    caller: Caller,
    { owner, accountNumber, path }: PatsOf,
    body: CreateUnleashPatRequest,
    reply: FastifyReply,
  ): Promise<IssuedUnleashPat> {
    const { token, secret } = await this.tokens.issue(caller, owner, toTokenDraft(body, new Date()));
    if (secret === undefined) throw new Error('A token was issued without a secret.');
    void reply.header('location', `${path}/${token.number}`);
    return { ...toUnleashPat(token, accountNumber), secret };
  }

  /** The token leaves the lists of this dialect; the core keeps its row as revoked. */
  async delete(caller: Caller, { owner }: PatsOf, number: number): Promise<void> {
    await this.tokens.revoke(caller, owner, { number }, undefined);
  }
}
