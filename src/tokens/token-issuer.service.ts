import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Caller } from '../access/principal.js';
import { AuditService } from '../audit/audit.service.js';
import { slugify, withSuffix } from '../common/slug.js';
import { Config } from '../config/config.js';
import { refuseViolations } from '../database/database-failure.js';
import { prepared, runPrepared } from '../database/prepared-statement.js';
import { Refusal } from '../errors/refusal.js';
import { SecretDigests } from './secret-digests.js';
import type { TokenOwner } from './token-owner.js';
import { countLiveTokens, findTokenById } from './token-queries.js';
import type { TokenView } from './token-view.js';

/** A token as it is asked for. Dates and ranges are already well formed. */
export interface TokenDraft {
  readonly name: string;
  readonly slug?: string;
  /** null: none of its own, it carries the role of its owner. */
  readonly scopes: readonly string[] | null;
  readonly authorizedIpAddresses?: readonly string[];
  readonly rateLimit?: number | null;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly expiresAt?: Date | null;
}

/** A token and its first secret, in one statement; no row when the slug is taken. */
const INSERT_TOKEN = prepared(`
with token as (
  insert into tokens (id, organization_id, service_account_id, user_id, slug, name, scopes, authorized_ip_addresses, rate_limit,
    expires_at, created_at, created_by_id, created_by_name)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
  on conflict on constraint uq_tokens_slug do nothing returning id, organization_id, created_at
), secret as (
  insert into token_secrets (id, organization_id, token_id, digest, pepper_id, created_at)
  select $14, organization_id, id, $15, $16, created_at from token
)
select id from token`);

/** Writes tokens and secrets, in transactions of its callers', who have checked what may be granted. */
@Injectable()
export class TokenIssuer {
  constructor(
    private readonly audit: AuditService,
    private readonly digests: SecretDigests,
    private readonly config: Config,
  ) {}

  /** Writes a token with a given secret, and its audit event. */
  async insert(
    tx: EntityManager,
    caller: Caller,
    owner: TokenOwner,
    id: string,
    draft: TokenDraft,
    secret: string,
  ): Promise<TokenView> {
    const { principal } = caller;
    const now = new Date();
    const { digest, pepperId } = this.digests.forStorage(secret);
    const insert = (slug: string): Promise<unknown[]> =>
      refuseViolations({ uq_tokens_name: () => new Refusal('token.name_taken') }, () =>
        runPrepared(tx, INSERT_TOKEN, [
          id,
          owner.organizationId,
          owner.kind === 's' ? owner.ownerId : null,
          owner.kind === 'p' ? owner.ownerId : null,
          slug,
          draft.name,
          draft.scopes,
          draft.authorizedIpAddresses ?? [],
          draft.rateLimit ?? null,
          draft.expiresAt ?? null,
          now,
          principal.id,
          principal.name ?? null,
          uuidv7(),
          digest,
          pepperId,
        ]),
      );
    let slug = draft.slug ?? slugify(draft.name);
    let rows = await insert(slug);
    if (rows.length === 0 && draft.slug === undefined) rows = await insert((slug = withSuffix(slug)));
    if (rows.length === 0) throw new Refusal('token.slug_taken');
    await this.writeAnnotations(tx, owner, id, draft.annotations ?? {});
    await this.audit.record(tx, caller, {
      type: 'token.issued',
      organizationId: owner.organizationId,
      resourceId: id,
      after: auditedMembers(owner, slug, draft),
    });
    // Counted behind the audit event, whose lock has put the changes of this organization into one order: the quota holds
    // under concurrency.
    const quota = this.config.settings.TOKENS_PER_OWNER_MAX;
    const token = await findTokenById(tx, owner.organizationId, id);
    if (token === undefined) throw new Error('A token that was just written is not there.');
    if ((await countLiveTokens(tx, owner, quota + 1)) > quota) {
      throw new Refusal('access.quota_reached', `There may be at most ${quota} tokens that are not revoked.`);
    }
    return token;
  }

  /** Gives a token one more secret. */
  async insertSecret(tx: EntityManager, owner: TokenOwner, tokenId: string, secret: string, now: Date): Promise<void> {
    const { digest, pepperId } = this.digests.forStorage(secret);
    await tx.query(
      'insert into token_secrets (id, organization_id, token_id, digest, pepper_id, created_at) values ($1, $2, $3, $4, $5, $6)',
      [uuidv7(), owner.organizationId, tokenId, digest, pepperId, now],
    );
  }

  async writeAnnotations(
    tx: EntityManager,
    owner: TokenOwner,
    tokenId: string,
    annotations: Readonly<Record<string, string>>,
  ): Promise<void> {
    const keys = Object.keys(annotations);
    if (keys.length === 0) return;
    await tx.query(
      'insert into annotations (organization_id, token_id, key, value) select $1, $2, key, value from unnest($3::text[], $4::text[]) as pairs (key, value)',
      [owner.organizationId, tokenId, keys, Object.values(annotations)],
    );
  }
}

function auditedMembers(owner: TokenOwner, slug: string, draft: TokenDraft): Record<string, unknown> {
  return {
    slug,
    name: draft.name,
    ...(owner.kind === 's' ? { serviceAccountId: owner.ownerId } : {}),
    ...(owner.kind === 'p' ? { userId: owner.ownerId } : {}),
    scopes: draft.scopes,
    expiresAt: draft.expiresAt?.toISOString() ?? null,
    authorizedIpAddresses: draft.authorizedIpAddresses ?? [],
    rateLimit: draft.rateLimit ?? null,
    annotations: draft.annotations ?? {},
  };
}
