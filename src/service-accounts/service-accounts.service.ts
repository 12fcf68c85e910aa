import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, IsNull } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { roleScopes } from '../access/built-in-roles.js';
import type { Caller } from '../access/principal.js';
import { scopesBeyond } from '../access/scopes.js';
import { AuditService, changedMembers } from '../audit/audit.service.js';
import { type ExpectedVersions, requireVersion } from '../common/etag.js';
import type { PageRequest, Position } from '../common/pagination.js';
import { columnOf, type ResourceKey } from '../common/resource-key.js';
import { slugify, withSuffix } from '../common/slug.js';
import { Config } from '../config/config.js';
import { prepared, type PreparedStatement, runPrepared } from '../database/prepared-statement.js';
import { invalidAt, Refusal } from '../errors/refusal.js';
import { IdempotencyService, type IdempotentRequest } from '../idempotency/idempotency.js';
import { TOKEN_POLICY_COLUMNS, type TokenPolicy } from '../organizations/organizations.service.js';
import { RolesService } from '../organizations/roles.service.js';
import type { TokensOfOwner } from '../tokens/owned-tokens.service.js';
import type { TokenOwner } from '../tokens/token-owner.js';
import { listsOfOwner, readOwnerWithTokens, type TokenSelection } from '../tokens/token-queries.js';
import type { TokenView } from '../tokens/token-view.js';
import { TokensService } from '../tokens/tokens.service.js';
import { ServiceAccount } from './service-account.entity.js';

export interface ServiceAccountDraft {
  readonly name: string;
  readonly slug?: string;
  readonly description?: string | null;
  /** Slug of the role that is the ceiling of its tokens; null: none. */
  readonly role?: string | null;
}

/** What makes an account an owner of tokens. */
interface OwnerColumns {
  readonly id: string;
  readonly organizationId: string;
  readonly roleNumber: number | null;
  /** Those of its custom role, if it has one. */
  readonly roleScopes: readonly string[] | null;
}

const OWNER_COLUMNS =
  'a.id, a.organization_id as "organizationId", a.role_number as "roleNumber", r.scopes as "roleScopes"';
const OWNERS = `service_accounts a
left join roles r on r.organization_id = a.organization_id and r.number = a.custom_role_number`;
const ownerBy = (condition: string): string => `
select ${OWNER_COLUMNS} from ${OWNERS} where a.organization_id = $1 and ${condition} and a.deleted_at is null`;
const ownerWithPolicyBy = (condition: string): PreparedStatement =>
  prepared(`
select ${OWNER_COLUMNS}, ${TOKEN_POLICY_COLUMNS} from ${OWNERS} join organizations o on o.id = a.organization_id
where a.organization_id = $1 and ${condition} and a.deleted_at is null`);
const FIND_OWNER = {
  slug: ownerWithPolicyBy('a.slug = $2'),
  number: ownerWithPolicyBy('a.number = $2'),
  id: ownerWithPolicyBy('a.id = $2'),
};
const FIND_OWNERS = prepared(ownerBy('a.id = any ($2::uuid[])'));
const TOKENS_OF_SLUG = listsOfOwner(ownerBy('a.slug = $2'));

/** An account with what is shown beside it. */
export interface ServiceAccountView extends Position {
  readonly account: ServiceAccount;
  readonly roleSlug: string | undefined;
  readonly owner: TokenOwner;
  readonly tokens: readonly TokenView[];
}

/** Service accounts of an organization. A deleted one is as unknown as one of another organization. */
@Injectable()
export class ServiceAccountsService {
  constructor(
    private readonly database: DataSource,
    private readonly roles: RolesService,
    private readonly tokens: TokensService,
    private readonly audit: AuditService,
    private readonly idempotency: IdempotencyService,
    private readonly config: Config,
  ) {}

  /** Newest first; one more than the page's limit when there is more. */
  async list(
    organizationId: string,
    { limit, after }: PageRequest,
    tokens: TokenSelection = 'all',
  ): Promise<ServiceAccountView[]> {
    const query = this.database.manager
      .createQueryBuilder(ServiceAccount, 'a')
      .where('a.organization_id = :organizationId and a.deleted_at is null', { organizationId })
      .orderBy('a.createdAt', 'DESC')
      .addOrderBy('a.id', 'DESC');
    if (after) query.andWhere('(a.created_at, a.id) < (:createdAt, :id)', after);
    return this.view(organizationId, await query.take(limit + 1).getMany(), tokens);
  }

  async get(organizationId: string, key: ResourceKey, tokens: TokenSelection = 'all'): Promise<ServiceAccountView> {
    const account = await this.find(this.database.manager, organizationId, key);
    const [view] = await this.view(organizationId, [account], tokens);
    if (view === undefined) throw new Refusal('service_account.not_found');
    return view;
  }

  /** The account as an owner of tokens. */
  async getOwner(organizationId: string, key: ResourceKey, db = this.database.manager): Promise<TokenOwner> {
    const [column, value] = columnOf(key);
    const [found] = await runPrepared<OwnerColumns & TokenPolicy>(db, FIND_OWNER[column], [organizationId, value]);
    if (found === undefined) throw new Refusal('service_account.not_found');
    const { tokenLifetimeMaxSeconds, tokenLifetimeDefaultSeconds } = found;
    return { ...asOwner(found), tokenPolicy: { tokenLifetimeMaxSeconds, tokenLifetimeDefaultSeconds } };
  }

  /** The account as an owner with its tokens, newest first; one more than the page's limit when there is more. */
  async listTokens(
    organizationId: string,
    slug: string,
    { limit, after }: PageRequest,
    known?: string,
  ): Promise<TokensOfOwner> {
    const request = { selection: 'all', limit: limit + 1, after, known } as const;
    const db = this.database.manager;
    const found = await readOwnerWithTokens<OwnerColumns>(db, TOKENS_OF_SLUG, [organizationId, slug], request);
    if (found === undefined) throw new Refusal('service_account.not_found');
    return { owner: asOwner(found), tokens: found };
  }

  /** Several accounts as owners of tokens, by id; one that is not there is left out. */
  async getOwners(organizationId: string, ids: readonly string[]): Promise<Map<string, TokenOwner>> {
    const accounts = await runPrepared<OwnerColumns>(this.database.manager, FIND_OWNERS, [organizationId, ids]);
    return new Map(accounts.map((account) => [account.id, asOwner(account)]));
  }

  async create(
    caller: Caller,
    draft: ServiceAccountDraft,
    request?: IdempotentRequest,
  ): Promise<{ view: ServiceAccountView; isReplay: boolean }> {
    const { organizationId } = caller.principal;
    const id = uuidv7();
    return this.database.transaction(async (tx) => {
      const earlier = request && (await this.idempotency.claim(tx, caller, request, id));
      const account = earlier
        ? await this.find(tx, organizationId, { id: earlier })
        : await this.insert(tx, caller, id, draft);
      const [view] = await this.view(organizationId, [account], 'all', tx);
      if (view === undefined) throw new Refusal('service_account.not_found');
      return { view, isReplay: earlier !== undefined };
    });
  }

  /** Changes the members that are sent; null clears. A slug never changes. */
  async update(
    caller: Caller,
    key: ResourceKey,
    draft: Partial<ServiceAccountDraft>,
    expected: ExpectedVersions,
  ): Promise<void> {
    await this.database.transaction(async (tx) => {
      const account = await this.lock(tx, caller, key);
      if (draft.slug !== undefined && draft.slug !== account.slug)
        throw invalidAt('body.slug', 'must be the slug in the path, or left out: a slug never changes', draft.slug);
      requireVersion(account, expected);
      const next = {
        name: draft.name ?? account.name,
        description: draft.description === undefined ? account.description : draft.description,
        roleNumber:
          draft.role === undefined
            ? account.roleNumber
            : await this.requireGrantableRole(caller, tx, account, draft.role),
      };
      const changes = changedMembers<Partial<ServiceAccount>>(account, next);
      if (changes === undefined) return;
      await tx.update(ServiceAccount, { id: account.id }, { ...next, version: account.version + 1 });
      await this.audit.record(tx, caller, { type: 'service_account.updated', resourceId: account.id, ...changes });
    });
  }

  /** Disables or enables; a disabled account's tokens do not verify. Asking for the state that it is in changes nothing. */
  async setDisabled(
    caller: Caller,
    key: ResourceKey,
    isDisabled: boolean,
    expected: ExpectedVersions,
  ): Promise<ServiceAccountView> {
    await this.database.transaction(async (tx) => {
      const account = await this.lock(tx, caller, key);
      requireVersion(account, expected);
      if ((account.disabledAt !== null) === isDisabled) return;
      await tx.update(
        ServiceAccount,
        { id: account.id },
        { disabledAt: isDisabled ? new Date() : null, version: account.version + 1 },
      );
      await this.audit.record(tx, caller, {
        type: isDisabled ? 'service_account.disabled' : 'service_account.enabled',
        resourceId: account.id,
      });
    });
    return this.get(caller.principal.organizationId, key);
  }

  /** Deletes an account for everybody to see, and revokes its tokens in the same transaction. Its slug is free again. */
  async delete(caller: Caller, key: ResourceKey, expected: ExpectedVersions): Promise<void> {
    await this.database.transaction(async (tx) => {
      const account = await this.lock(tx, caller, key);
      requireVersion(account, expected);
      // The lock on the account has waited for every token that was being issued for it, and none is issued from then on.
      await this.tokens.revokeAllOf(tx, caller, await this.getOwner(account.organizationId, { id: account.id }, tx));
      await tx.update(ServiceAccount, { id: account.id }, { deletedAt: new Date(), version: account.version + 1 });
      await this.audit.record(tx, caller, {
        type: 'service_account.deleted',
        resourceId: account.id,
        before: { slug: account.slug, name: account.name },
      });
    });
  }

  /** Writes an account in a transaction of the caller's. */
  async insert(tx: EntityManager, caller: Caller, id: string, draft: ServiceAccountDraft): Promise<ServiceAccount> {
    const { principal } = caller;
    const { organizationId } = principal;
    const roleNumber = draft.role ? await this.requireGrantableRole(caller, tx, undefined, draft.role) : null;
    const externalId = `ksa_${randomBytes(24).toString('base64url')}`;
    const insert = (slug: string): Promise<unknown[]> =>
      tx.query(
        `insert into service_accounts (id, organization_id, slug, external_id, name, description, role_number, created_at, created_by_id, created_by_name)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (organization_id, slug) where deleted_at is null do nothing returning id`,
        [
          id,
          organizationId,
          slug,
          externalId,
          draft.name,
          draft.description ?? null,
          roleNumber,
          new Date(),
          principal.id,
          principal.name ?? null,
        ],
      );
    let slug = draft.slug ?? slugify(draft.name);
    let rows = await insert(slug);
    if (rows.length === 0 && draft.slug === undefined) rows = await insert((slug = withSuffix(slug)));
    if (rows.length === 0) throw new Refusal('service_account.slug_taken');
    const after = { slug, name: draft.name, description: draft.description ?? null, roleNumber };
    await this.audit.record(tx, caller, { type: 'service_account.created', resourceId: id, after });
    // Counted behind the audit event, whose lock has put the changes of this organization into one order.
    const quota = this.config.settings.SERVICE_ACCOUNTS_PER_ORGANIZATION_MAX;
    if ((await tx.countBy(ServiceAccount, { organizationId, deletedAt: IsNull() })) > quota) {
      throw new Refusal('access.quota_reached', `There may be at most ${quota} service accounts.`);
    }
    return this.find(tx, organizationId, { id });
  }

  private async find(db: EntityManager, organizationId: string, key: ResourceKey): Promise<ServiceAccount> {
    const account = await db.findOneBy(ServiceAccount, { organizationId, ...key, deletedAt: IsNull() });
    if (account === null) throw new Refusal('service_account.not_found');
    return account;
  }

  private async lock(tx: EntityManager, caller: Caller, key: ResourceKey): Promise<ServiceAccount> {
    const { organizationId } = caller.principal;
    const where = { organizationId, ...key, deletedAt: IsNull() };
    const account = await tx.findOne(ServiceAccount, { where, lock: { mode: 'for_no_key_update' } });
    if (account === null) throw new Refusal('service_account.not_found');
    return account;
  }

  private async view(
    organizationId: string,
    accounts: readonly ServiceAccount[],
    selection: TokenSelection,
    db?: EntityManager,
  ): Promise<ServiceAccountView[]> {
    const ids = accounts.map((account) => account.id);
    const numbers = accounts.map((account) => account.roleNumber);
    const role = await this.roles.byNumber(organizationId, numbers, db);
    const tokens = await this.tokens.newestOf(organizationId, ids, selection, db);
    return accounts.map((account) => ({
      id: account.id,
      createdAt: account.createdAt,
      account,
      roleSlug: role(account.roleNumber)?.slug,
      owner: asOwner({ ...account, roleScopes: role(account.roleNumber)?.scopes ?? null }),
      tokens: tokens.get(account.id) ?? [],
    }));
  }

  /**
   * The number of a role that the caller may set. The new role must not exceed the caller. Without a role its tokens state
   * their own scopes again, so whoever lifts the ceiling must hold all of those.
   */
  private async requireGrantableRole(
    caller: Caller,
    tx: EntityManager,
    account: ServiceAccount | undefined,
    slug: string | null,
  ): Promise<number | null> {
    const { organizationId, scopes } = caller.principal;
    if (slug === null) {
      const released = account ? await this.tokens.statedScopesOf(tx, account.organizationId, account.id) : [];
      if (scopesBeyond(scopes, released).length > 0)
        throw new Refusal(
          'service_account.role_exceeds_grantor',
          'Without its role the tokens of the account could do more than you may.',
        );
      return null;
    }
    const role = await this.roles.find(organizationId, slug, tx);
    if (role === undefined)
      throw invalidAt('body.role', 'is not a role of the organization; GET /organization/roles lists them', slug);
    if (scopesBeyond(scopes, role.scopes).length > 0) throw new Refusal('service_account.role_exceeds_grantor');
    return role.number;
  }
}

function asOwner({ id, organizationId, roleNumber, roleScopes: ofCustomRole }: OwnerColumns): TokenOwner {
  // An account whose role cannot be found is not one without a role: nothing is allowed then.
  const ceiling = roleNumber === null ? undefined : roleScopes(roleNumber, ofCustomRole);
  return { kind: 's', organizationId, ownerId: id, roleScopes: ceiling };
}
