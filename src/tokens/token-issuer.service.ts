import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Caller } from '../access/principal.js';
import { type AuditEventRow, AuditService } from '../audit/audit.service.js';
import { Batches } from '../common/batches.js';
import { slugify, withSuffix } from '../common/slug.js';
import { Config } from '../config/config.js';
import { isDatabaseUnavailable, isDeadlock, refuseViolations } from '../database/database-failure.js';
import { prepared, runPrepared } from '../database/prepared-statement.js';
import { Refusal } from '../errors/refusal.js';
import { SecretDigests } from './secret-digests.js';
import { fieldsOf, inJsonbOrder, LINE } from './token-line.js';
import type { TokenOwner } from './token-owner.js';
import { type TokenView, viewAt } from './token-view.js';

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

/** Everything that makes tokens, their audit events included: the lines of those that found a free slug, by place. */
const ISSUE = prepared(`
select issued.place::int as place, ${LINE} as line
from issue_tokens($1, $2, $3, $4, $5, $6) as issued, lateral (select (issued.token).*) as t`);

/** What `issue_tokens` takes of each token: rows by the names of their columns. */
interface IssueItem {
  readonly token: { readonly id: string; readonly [column: string]: unknown };
  /** The slug that it gets where its own is taken. */
  readonly spareSlug: string | undefined;
  readonly secret: Readonly<Record<string, unknown>>;
  readonly annotations: readonly Readonly<Record<string, unknown>>[];
  readonly event: AuditEventRow;
}

/** Absent when no slug was free. */
type IssuedLine = string | undefined;

/** Writes tokens and secrets for its callers, who have checked what may be granted. */
@Injectable()
export class TokenIssuer {
  private readonly batches: Batches<IssueItem, IssuedLine>;

  constructor(
    private readonly audit: AuditService,
    private readonly digests: SecretDigests,
    private readonly config: Config,
    database: DataSource,
  ) {
    // Tokens of one organization that are issued at once would wait for each other's commit, each on a connection that
    // others could use.
    this.batches = new Batches<IssueItem, IssuedLine>({
      run: (items) => this.write(database.manager, items),
      isOfOneItem: (error) => isDeadlock(error) || !isDatabaseUnavailable(error),
      sizeMax: config.settings.ISSUE_BATCH_MAX,
      waitingMax: config.settings.ISSUE_QUEUE_MAX,
      tooMany: () =>
        new Refusal('service.unavailable', 'Too many tokens are being issued in this organization.', {
          headers: { 'retry-after': '1' },
          cause: new Error('ISSUE_QUEUE_MAX tokens wait in the queue of an organization'),
        }),
    });
  }

  /**
   * Writes a token with a given secret, and its audit event: in the transaction of the manager or, where it has none, in
   * one that they may share with other tokens of the organization.
   */
  async insert(
    db: EntityManager,
    caller: Caller,
    owner: TokenOwner,
    id: string,
    draft: TokenDraft,
    secret: string,
  ): Promise<TokenView> {
    const { principal } = caller;
    const { organizationId } = owner;
    const annotations = inJsonbOrder(draft.annotations ?? {});
    const slug = draft.slug ?? slugify(draft.name);
    const ofToken = { organization_id: organizationId, token_id: id };
    const createdAt = new Date();
    const token = {
      id,
      organization_id: organizationId,
      slug,
      service_account_id: owner.kind === 's' ? owner.ownerId : null,
      user_id: owner.kind === 'p' ? owner.ownerId : null,
      name: draft.name,
      scopes: draft.scopes,
      authorized_ip_addresses: draft.authorizedIpAddresses ?? [],
      rate_limit: draft.rateLimit ?? null,
      expires_at: draft.expiresAt ?? null,
      created_at: createdAt,
      created_by_id: principal.id,
      created_by_name: principal.name ?? null,
    };
    const { digest, pepperId } = this.digests.forStorage(secret);
    const hexDigest = `\\x${digest.toString('hex')}`;
    const firstSecret = { ...ofToken, id: uuidv7(), digest: hexDigest, pepper_id: pepperId, created_at: createdAt };
    const quota = this.config.settings.TOKENS_PER_OWNER_MAX;
    const entry = {
      type: 'token.issued',
      organizationId,
      resourceId: id,
      after: auditedMembers(owner, draft),
    } as const;
    const refusals = {
      uq_tokens_name: () => new Refusal('token.name_taken'),
      ck_tokens_owner_is_there: () =>
        new Refusal(owner.kind === 'p' ? 'member.not_found' : 'service_account.not_found'),
      ck_tokens_per_owner: () =>
        new Refusal('access.quota_reached', `There may be at most ${quota} tokens that are not revoked.`),
    };
    const item = {
      token,
      spareSlug: draft.slug === undefined ? withSuffix(slug) : undefined,
      secret: firstSecret,
      annotations: Object.entries(annotations).map(([key, value]) => ({ ...ofToken, key, value })),
      event: this.audit.eventOf(caller, entry),
    };
    const line = await refuseViolations(refusals, async () =>
      db.queryRunner === undefined ? this.batches.add(organizationId, item) : (await this.write(db, [item]))[0],
    );
    if (line === undefined) throw new Refusal('token.slug_taken');
    this.audit.announce(db, caller, entry);
    return viewAt(fieldsOf(line, 1), 0, organizationId, undefined, () => annotations);
  }

  private async write(db: EntityManager, items: readonly IssueItem[]): Promise<IssuedLine[]> {
    const quota = this.config.settings.TOKENS_PER_OWNER_MAX;
    const rowsByTable = [
      items.map(({ token }) => token),
      Object.fromEntries(items.map(({ token, spareSlug }) => [token.id, spareSlug])),
      items.map(({ secret }) => secret),
      items.flatMap(({ annotations }) => annotations),
      items.map(({ event }) => event),
    ];
    const values = [...rowsByTable.map((rows) => JSON.stringify(rows)), quota];
    const rows = await runPrepared<{ place: number; line: string }>(db, ISSUE, values);
    const lines = new Map(rows.map(({ place, line }) => [place, line]));
    return items.map((_, index) => lines.get(index + 1));
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

/** All but the slug, which is known when it is written. */
function auditedMembers(owner: TokenOwner, draft: TokenDraft): Record<string, unknown> {
  return {
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
