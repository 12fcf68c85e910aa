import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Caller } from '../access/principal.js';
import { AuditService, changedMembers } from '../audit/audit.service.js';
import { type ExpectedVersions, requireVersion } from '../common/etag.js';
import type { PageRequest } from '../common/pagination.js';
import { slugify, withSuffix } from '../common/slug.js';
import { refuseViolations } from '../database/database-failure.js';
import { prepared, runPrepared } from '../database/prepared-statement.js';
import { invalidAt, Refusal } from '../errors/refusal.js';
import { IdempotencyService, type IdempotentRequest } from '../idempotency/idempotency.js';
import { Organization } from './organization.entity.js';

/** Slugs that mean something else in a path, or belong to the operator. */
export const RESERVED_SLUGS: readonly string[] = ['organization', 'platform'];

export interface OrganizationDraft {
  readonly name: string;
  readonly slug?: string;
  readonly externalId?: string;
}

export type TokenPolicy = Pick<Organization, 'tokenLifetimeMaxSeconds' | 'tokenLifetimeDefaultSeconds'>;

/** SQL for the policy of an organization `o`. */
export const TOKEN_POLICY_COLUMNS =
  'o.token_lifetime_max_seconds as "tokenLifetimeMaxSeconds", o.token_lifetime_default_seconds as "tokenLifetimeDefaultSeconds"';
const TOKEN_POLICY = prepared(`select ${TOKEN_POLICY_COLUMNS} from organizations o where o.id = $1`);

export type OrganizationChanges = Partial<
  Pick<Organization, 'name' | 'tokenLifetimeMaxSeconds' | 'tokenLifetimeDefaultSeconds'>
>;

/** Tenants: the caller's own, and, for the operator, all of them. */
@Injectable()
export class OrganizationsService {
  constructor(
    private readonly database: DataSource,
    private readonly audit: AuditService,
    private readonly idempotency: IdempotencyService,
  ) {}

  async get(id: string, db: EntityManager = this.database.manager): Promise<Organization> {
    const organization = await db.findOneBy(Organization, { id });
    if (organization === null) throw new Refusal('organization.not_found');
    return organization;
  }

  /** The bounds on the lifetime of new tokens. Asked for with each token, so it takes no more than it needs. */
  async getTokenPolicy(id: string, db: EntityManager = this.database.manager): Promise<TokenPolicy> {
    const [policy] = await runPrepared<TokenPolicy>(db, TOKEN_POLICY, [id]);
    if (policy === undefined) throw new Refusal('organization.not_found');
    return policy;
  }

  async getBySlug(slug: string): Promise<Organization> {
    const organization = await this.database.manager.findOneBy(Organization, { slug });
    if (organization === null) throw new Refusal('organization.not_found');
    return organization;
  }

  /** Newest first; one row more than the page's limit when there is more. */
  async list({ limit, after }: PageRequest): Promise<Organization[]> {
    const query = this.database.manager
      .createQueryBuilder(Organization, 'o')
      .orderBy('o.createdAt', 'DESC')
      .addOrderBy('o.id', 'DESC');
    if (after) query.where('(o.created_at, o.id) < (:createdAt, :id)', after);
    return query.take(limit + 1).getMany();
  }

  async create(
    caller: Caller,
    draft: OrganizationDraft,
    request?: IdempotentRequest,
  ): Promise<{ organization: Organization; isReplay: boolean }> {
    return this.database.transaction(async (tx) => {
      const id = uuidv7();
      const earlier = request && (await this.idempotency.claim(tx, caller, request, id));
      if (earlier) return { organization: await this.get(earlier, tx), isReplay: true };
      const organization = await this.insert(tx, caller, id, draft);
      return { organization, isReplay: false };
    });
  }

  /** Creates an organization in a transaction of the caller's. A slug that was asked for must be free; one made from the name gives way. */
  async insert(
    tx: EntityManager,
    caller: Caller,
    id: string,
    draft: OrganizationDraft & { readonly isPlatform?: boolean },
  ): Promise<Organization> {
    if (!draft.isPlatform && draft.slug !== undefined && RESERVED_SLUGS.includes(draft.slug))
      throw new Refusal('organization.slug_taken');
    const wanted = draft.slug ?? slugify(draft.name);
    const isReserved = draft.slug === undefined && RESERVED_SLUGS.includes(wanted);
    const organization = {
      id,
      slug: isReserved ? withSuffix(wanted) : wanted,
      externalId: draft.externalId ?? null,
      name: draft.name,
      isPlatform: draft.isPlatform ?? false,
      suspendedAt: null,
      tokenLifetimeMaxSeconds: null,
      tokenLifetimeDefaultSeconds: null,
      version: 1,
      createdAt: new Date(),
    };
    const insert = (): Promise<boolean> =>
      refuseViolations(
        { uq_organizations_external_id: () => new Refusal('organization.external_id_taken') },
        async () => {
          const rows: unknown[] = await tx.query(
            `insert into organizations (id, slug, external_id, name, is_platform, created_at) values ($1, $2, $3, $4, $5, $6)
           on conflict on constraint uq_organizations_slug do nothing returning id`,
            [
              id,
              organization.slug,
              organization.externalId,
              organization.name,
              organization.isPlatform,
              organization.createdAt,
            ],
          );
          return rows.length > 0;
        },
      );
    if (!(await insert())) {
      if (draft.slug !== undefined) throw new Refusal('organization.slug_taken');
      organization.slug = withSuffix(wanted);
      if (!(await insert())) throw new Refusal('organization.slug_taken');
    }
    const after = { slug: organization.slug, name: draft.name, externalId: draft.externalId };
    await this.audit.record(tx, caller, { type: 'organization.created', organizationId: id, resourceId: id, after });
    return organization;
  }

  async update(caller: Caller, changes: OrganizationChanges, expected: ExpectedVersions): Promise<Organization> {
    const { organizationId } = caller.principal;
    return this.database.transaction(async (tx) => {
      const organization = await this.lock(tx, { id: organizationId });
      requireVersion(organization, expected);
      const changed = changedMembers<OrganizationChanges>(organization, changes);
      if (changed === undefined) return organization;
      const next = { ...organization, ...changes };
      const { tokenLifetimeMaxSeconds: longest, tokenLifetimeDefaultSeconds: preset } = next;
      if (longest !== null && preset !== null && preset > longest) {
        throw invalidAt('body.tokenLifetimeDefaultSeconds', 'must not be greater than tokenLifetimeMaxSeconds', preset);
      }
      await tx.update(Organization, { id: organizationId }, { ...changes, version: organization.version + 1 });
      await this.audit.record(tx, caller, { type: 'organization.updated', resourceId: organizationId, ...changed });
      return { ...next, version: organization.version + 1 };
    });
  }

  /** Suspends or resumes; asking for the state that it is in changes nothing. The platform organization cannot be suspended. */
  async setSuspended(caller: Caller, slug: string, isSuspended: boolean): Promise<Organization> {
    return this.database.transaction(async (tx) => {
      const organization = await this.lock(tx, { slug });
      if ((organization.suspendedAt !== null) === isSuspended) return organization;
      if (organization.isPlatform) throw new Refusal('access.denied', 'The platform organization cannot be suspended.');
      const suspendedAt = isSuspended ? new Date() : null;
      const version = organization.version + 1;
      await tx.update(Organization, { id: organization.id }, { suspendedAt, version });
      const type = isSuspended ? 'organization.suspended' : 'organization.resumed';
      await this.audit.record(tx, caller, { type, organizationId: organization.id, resourceId: organization.id });
      return { ...organization, suspendedAt, version };
    });
  }

  /** Not a lock of the key: that would meet, in a deadlock, the foreign keys of changes that are further on in this organization. */
  private async lock(tx: EntityManager, where: { id: string } | { slug: string }): Promise<Organization> {
    const organization = await tx.findOne(Organization, { where, lock: { mode: 'for_no_key_update' } });
    if (organization === null) throw new Refusal('organization.not_found');
    return organization;
  }
}
