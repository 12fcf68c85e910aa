import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Caller } from '../access/principal.js';
import { AuditService, changedMembers } from '../audit/audit.service.js';
import { type ExpectedVersions, requireVersion } from '../common/etag.js';
import type { PageRequest } from '../common/pagination.js';
import type { ResourceKey } from '../common/resource-key.js';
import { Config } from '../config/config.js';
import { refuseViolations } from '../database/database-failure.js';
import { invalidAt, Refusal } from '../errors/refusal.js';
import { IdempotencyService, type IdempotentRequest } from '../idempotency/idempotency.js';
import { TokenGrants } from './token-grants.service.js';
import { type TokenDraft, TokenIssuer } from './token-issuer.service.js';
import type { TokenOwner } from './token-owner.js';
import { generateSecret } from './token-secret.js';
import {
  type AnnotationFilter,
  countTokensOfOrganization,
  findToken,
  findTokenById,
  readListed,
  readNewestTokens,
  readTokens,
  readTokensOfOrganization,
  type RecognizedTokens,
  type TokenSelection,
} from './token-queries.js';
import type { TokenView } from './token-view.js';

/** Absent: unchanged. null: cleared. A slug may be sent back, and never changes. */
export type TokenChanges = Partial<TokenDraft>;

export interface IssuedToken {
  readonly token: TokenView;
  /** Absent when an earlier request with the same Idempotency-Key made the token: the secret was shown then and is not kept. */
  readonly secret: string | undefined;
}

/**
 * Tokens of service accounts, of people and of organizations. Whatever it is asked, the owner bounds what it sees, and the
 * caller can neither give a token nor take over from one what the caller does not hold.
 */
@Injectable()
export class TokensService {
  constructor(
    private readonly database: DataSource,
    private readonly audit: AuditService,
    private readonly issuer: TokenIssuer,
    private readonly grants: TokenGrants,
    private readonly idempotency: IdempotencyService,
    private readonly config: Config,
  ) {}

  /** Newest first; one more than the page's limit when there is more. */
  async list(
    owner: TokenOwner,
    { limit, after }: PageRequest,
    selection: TokenSelection = 'all',
  ): Promise<TokenView[]> {
    return readTokens(this.database.manager, owner, { selection, limit: limit + 1, after });
  }

  /** The same with those that are revoked, in the form in which the native dialect lists them; `known` is what it has listed before. */
  async listLines(owner: TokenOwner, { limit, after }: PageRequest, known?: string): Promise<RecognizedTokens> {
    return readListed(this.database.manager, owner, { selection: 'all', limit: limit + 1, after, known });
  }

  /** A stretch of what an organization's service accounts and the organization itself have and is not revoked, newest first. */
  async listOfOrganization(
    organizationId: string,
    filter: AnnotationFilter,
    stretch: { readonly offset: number; readonly limit: number },
  ): Promise<TokenView[]> {
    return readTokensOfOrganization(this.database.manager, organizationId, filter, stretch);
  }

  /** How many tokens that list has, counted no further than `max`. */
  async countOfOrganization(organizationId: string, filter: AnnotationFilter, max: number): Promise<number> {
    return countTokensOfOrganization(this.database.manager, organizationId, filter, max);
  }

  /** The newest tokens of several owners, up to EMBEDDED_TOKENS_MAX each, by owner. */
  async newestOf(
    organizationId: string,
    ownerIds: readonly string[],
    selection: TokenSelection = 'all',
    db = this.database.manager,
  ): Promise<Map<string, TokenView[]>> {
    const tokens =
      ownerIds.length > 0
        ? await readNewestTokens(db, organizationId, ownerIds, selection, this.config.settings.EMBEDDED_TOKENS_MAX)
        : [];
    const byOwner = new Map<string, TokenView[]>(ownerIds.map((id) => [id, []]));
    for (const token of tokens) byOwner.get(token.ownerId)?.push(token);
    return byOwner;
  }

  async get(owner: TokenOwner, key: ResourceKey): Promise<TokenView> {
    const token = await findToken(this.database.manager, owner, key);
    if (token === undefined) throw new Refusal('token.not_found');
    return token;
  }

  /** One token of an organization, whoever owns it. */
  async getById(organizationId: string, id: string, db: EntityManager = this.database.manager): Promise<TokenView> {
    const token = await findTokenById(db, organizationId, id);
    if (token === undefined) throw new Refusal('token.not_found');
    return token;
  }

  /** Makes a token and its secret. The secret is in the answer and nowhere else. */
  async issue(caller: Caller, owner: TokenOwner, draft: TokenDraft, request?: IdempotentRequest): Promise<IssuedToken> {
    const scopes = this.grants.requireGrantable(caller, owner, draft.scopes);
    const expiresAt = await this.grants.expiryFor(owner, draft.expiresAt ?? null);
    const secret = generateSecret(this.config.settings.TOKEN_PREFIX, owner.kind);
    const id = uuidv7();
    const insert = async (db: EntityManager): Promise<IssuedToken> => ({
      token: await this.issuer.insert(db, caller, owner, id, { ...draft, scopes, expiresAt }, secret),
      secret,
    });
    if (request === undefined) return insert(this.database.manager);
    return this.database.transaction(async (tx) => {
      const earlier = await this.idempotency.claim(tx, caller, request, id);
      return earlier === undefined ? insert(tx) : { token: await this.getOf(tx, owner, earlier), secret: undefined };
    });
  }

  /** Changes the metadata of a token that is not revoked. The caller must hold all that the token may do, before and after. */
  async update(
    caller: Caller,
    owner: TokenOwner,
    key: ResourceKey,
    changes: TokenChanges,
    expected: ExpectedVersions,
  ): Promise<TokenView> {
    return this.database.transaction(async (tx) => {
      const token = await this.lockLive(tx, owner, key);
      if (changes.slug !== undefined && changes.slug !== token.slug)
        throw invalidAt('body.slug', 'must be the slug in the path, or left out: a slug never changes');
      requireVersion(token, expected);
      this.grants.requireHeld(caller, owner, token.scopes);
      const scopes =
        changes.scopes === undefined ? token.scopes : this.grants.requireGrantable(caller, owner, changes.scopes);
      const expiresAt =
        changes.expiresAt === undefined
          ? token.expiresAt
          : ((await this.grants.expiryFor(owner, changes.expiresAt, tx))?.toISOString() ?? null);
      const next = {
        name: changes.name ?? token.name,
        scopes,
        authorizedIpAddresses: changes.authorizedIpAddresses ?? token.authorizedIpAddresses,
        rateLimit: changes.rateLimit === undefined ? token.rateLimit : changes.rateLimit,
        expiresAt,
        annotations: changes.annotations ?? token.annotations,
      };
      const changed = changedMembers<Partial<TokenView>>(token, next);
      if (changed === undefined) return token;
      await refuseViolations({ uq_tokens_name: () => new Refusal('token.name_taken') }, () =>
        tx.query(
          `update tokens set name = $3, scopes = $4, authorized_ip_addresses = $5, rate_limit = $6, expires_at = $7, version = version + 1
           where organization_id = $1 and id = $2`,
          [
            owner.organizationId,
            token.id,
            next.name,
            next.scopes,
            next.authorizedIpAddresses,
            next.rateLimit,
            next.expiresAt,
          ],
        ),
      );
      if (changes.annotations !== undefined) {
        await tx.query('delete from annotations where token_id = $1', [token.id]);
        await this.issuer.writeAnnotations(tx, owner, token.id, changes.annotations);
      }
      await this.audit.record(tx, caller, {
        type: 'token.updated',
        organizationId: owner.organizationId,
        resourceId: token.id,
        ...changed,
      });
      return this.getOf(tx, owner, token.id);
    });
  }

  /**
   * Gives a token a new secret. The old ones go on working for `graceSeconds`, or die at once; the number of secrets that
   * work at the same time is bounded, the oldest give way.
   */
  async rotate(
    caller: Caller,
    owner: TokenOwner,
    key: ResourceKey,
    graceSeconds: number,
    expected: ExpectedVersions,
  ): Promise<IssuedToken> {
    const { ROTATION_GRACE_SECONDS_MAX: graceSecondsMax, TOKEN_PREFIX: prefix } = this.config.settings;
    if (graceSeconds > graceSecondsMax)
      throw invalidAt('body.gracePeriodSeconds', `must be at most ${graceSecondsMax}`, graceSeconds);
    const secret = generateSecret(prefix, owner.kind);
    return this.database.transaction(async (tx) => {
      const token = await this.lockLive(tx, owner, key);
      requireVersion(token, expected);
      if (token.expiresAt !== null && token.expiresAt <= new Date().toISOString()) throw new Refusal('token.expired');
      this.grants.requireHeld(caller, owner, token.scopes);
      const now = new Date();
      const retiresAt = new Date(now.getTime() + graceSeconds * 1_000);
      await tx.query('delete from token_secrets where token_id = $1 and retires_at <= $2', [token.id, now]);
      await tx.query('update token_secrets set retires_at = least(coalesce(retires_at, $2), $2) where token_id = $1', [
        token.id,
        retiresAt,
      ]);
      await tx.query(
        `update token_secrets set retires_at = $2 where token_id = $1 and id not in (
           select id from token_secrets where token_id = $1 order by created_at desc, id desc limit $3)`,
        [token.id, now, this.config.settings.SECRETS_PER_TOKEN_MAX - 1],
      );
      await this.issuer.insertSecret(tx, owner, token.id, secret, now);
      await tx.query('update tokens set version = version + 1 where organization_id = $1 and id = $2', [
        owner.organizationId,
        token.id,
      ]);
      await this.audit.record(tx, caller, {
        type: 'token.rotated',
        organizationId: owner.organizationId,
        resourceId: token.id,
        after: { previousSecretsRetireAt: retiresAt.toISOString() },
      });
      return { token: await this.getOf(tx, owner, token.id), secret };
    });
  }

  /** Revokes for good; answers what the token was. The row stays listed. A token that is revoked already is as unknown as one that never was. */
  async revoke(caller: Caller, owner: TokenOwner, key: ResourceKey, expected: ExpectedVersions): Promise<TokenView> {
    return this.database.transaction(async (tx) => {
      const token = await this.lockLive(tx, owner, key);
      requireVersion(token, expected);
      await this.markRevoked(tx, caller, 'id = $5', owner, token.id);
      await this.audit.record(tx, caller, {
        type: 'token.revoked',
        organizationId: owner.organizationId,
        resourceId: token.id,
        before: { name: token.name },
      });
      return token;
    });
  }

  /** Revokes all tokens of an owner that is being deleted, in its transaction, whose audit event tells of it. */
  async revokeAllOf(tx: EntityManager, caller: Caller, owner: TokenOwner): Promise<void> {
    await this.markRevoked(tx, caller, 'owner_id = $5', owner, owner.ownerId);
  }

  /** All that the live tokens of an owner state that they may do, each scope once. */
  async statedScopesOf(tx: EntityManager, organizationId: string, ownerId: string): Promise<string[]> {
    const rows: { scope: string }[] = await tx.query(
      'select distinct unnest(scopes) as scope from tokens where organization_id = $1 and owner_id = $2 and revoked_at is null',
      [organizationId, ownerId],
    );
    return rows.map((row) => row.scope);
  }

  private async lockLive(tx: EntityManager, owner: TokenOwner, key: ResourceKey): Promise<TokenView> {
    const token = await findToken(tx, owner, key, { lock: true });
    if (token === undefined || token.revokedAt !== null) throw new Refusal('token.not_found');
    return token;
  }

  private async getOf(tx: EntityManager, owner: TokenOwner, id: string): Promise<TokenView> {
    const token = await this.getById(owner.organizationId, id, tx);
    if (token.ownerId !== owner.ownerId) throw new Refusal('token.not_found');
    return token;
  }

  private async markRevoked(
    tx: EntityManager,
    { principal }: Caller,
    which: 'id = $5' | 'owner_id = $5',
    owner: TokenOwner,
    id: string,
  ): Promise<void> {
    await tx.query(
      `update tokens set revoked_at = $2, revoked_by_id = $3, revoked_by_name = $4, version = version + 1
       where organization_id = $1 and ${which} and revoked_at is null`,
      [owner.organizationId, new Date(), principal.id, principal.name ?? null, id],
    );
  }
}
