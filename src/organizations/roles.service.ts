import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import {
  BUILT_IN_ROLE_LIST,
  CUSTOM_ROLE_NUMBER_MIN,
  findBuiltInRole,
  type RoleDefinition,
} from '../access/built-in-roles.js';
import type { Caller } from '../access/principal.js';
import { ScopeRegistry } from '../access/scope-registry.js';
import { scopesBeyond } from '../access/scopes.js';
import { AuditService, changedMembers } from '../audit/audit.service.js';
import { type ExpectedVersions, requireVersion } from '../common/etag.js';
import type { PageRequest, Position } from '../common/pagination.js';
import { slugify, withSuffix } from '../common/slug.js';
import { Config } from '../config/config.js';
import { refuseViolations } from '../database/database-failure.js';
import { Refusal } from '../errors/refusal.js';
import { IdempotencyService, type IdempotentRequest } from '../idempotency/idempotency.js';
import { Role } from './role.entity.js';

/** A role with its place in the list, in which the built-in ones are the oldest. */
export interface ListedRole extends Position {
  readonly role: RoleDefinition | Role;
}

export interface RoleDraft {
  readonly name: string;
  readonly slug?: string;
  readonly description?: string | null;
  readonly scopes: readonly string[];
}

/** Roles of organizations: the built-in ones, and custom ones that each organization adds. */
@Injectable()
export class RolesService {
  constructor(
    private readonly database: DataSource,
    private readonly audit: AuditService,
    private readonly scopes: ScopeRegistry,
    private readonly idempotency: IdempotencyService,
    private readonly config: Config,
  ) {}

  /** The custom roles, newest first, then the built-in ones; one more than the page's limit when there is more. Their number is bounded. */
  async list(organizationId: string, { limit, after }: PageRequest): Promise<ListedRole[]> {
    const custom = await this.database.manager.find(Role, {
      where: { organizationId },
      order: { createdAt: 'DESC', id: 'DESC' },
    });
    const builtIn = BUILT_IN_ROLE_LIST.map((role) => ({
      role,
      createdAt: new Date(0),
      id: `00000000-0000-0000-0000-00000000000${5 - role.number}`,
    }));
    const all: ListedRole[] = [...custom.map((role) => ({ role, createdAt: role.createdAt, id: role.id })), ...builtIn];
    const start = after === undefined ? 0 : all.findIndex((row) => isAfter(row, after));
    return start < 0 ? [] : all.slice(start, start + limit + 1);
  }

  async get(
    organizationId: string,
    slug: string,
    db: EntityManager = this.database.manager,
  ): Promise<RoleDefinition | Role> {
    const role = await this.find(organizationId, slug, db);
    if (role === undefined) throw new Refusal('role.not_found');
    return role;
  }

  async find(
    organizationId: string,
    slug: string,
    db: EntityManager = this.database.manager,
  ): Promise<RoleDefinition | Role | undefined> {
    const builtIn = BUILT_IN_ROLE_LIST.find((role) => role.slug === slug);
    return builtIn ?? (await db.findOneBy(Role, { organizationId, slug })) ?? undefined;
  }

  /** Slugs and scopes of the roles with these numbers; asks the database only when a custom one is among them. */
  async byNumber(
    organizationId: string,
    numbers: readonly (number | null)[],
    db: EntityManager = this.database.manager,
  ): Promise<(number: number | null) => RoleDefinition | Role | undefined> {
    const hasCustom = numbers.some((number) => number !== null && number >= CUSTOM_ROLE_NUMBER_MIN);
    const custom = hasCustom ? await db.findBy(Role, { organizationId }) : [];
    return (number) =>
      number === null ? undefined : (findBuiltInRole(number) ?? custom.find((role) => role.number === number));
  }

  async create(
    caller: Caller,
    draft: RoleDraft,
    request?: IdempotentRequest,
  ): Promise<{ role: Role; isReplay: boolean }> {
    const { organizationId } = caller.principal;
    const scopes = this.requireGrantable(caller, draft.scopes);
    const id = uuidv7();
    return this.database.transaction(async (tx) => {
      const earlier = request && (await this.idempotency.claim(tx, caller, request, id));
      if (earlier) return { role: await this.getById(tx, organizationId, earlier), isReplay: true };

      const fields = {
        organizationId,
        id,
        name: draft.name,
        description: draft.description ?? null,
        scopes,
        version: 1,
        createdAt: new Date(),
      };
      const slug = draft.slug ?? (await this.freeSlug(tx, organizationId, slugify(draft.name)));
      if (BUILT_IN_ROLE_LIST.some((role) => role.slug === slug)) throw new Refusal('role.slug_taken');
      await refuseViolations({ uq_roles_slug: () => new Refusal('role.slug_taken') }, () =>
        tx.insert(Role, { ...fields, slug }),
      );
      await this.audit.record(tx, caller, {
        type: 'role.created',
        resourceId: id,
        after: { slug, name: draft.name, scopes },
      });
      // Counted behind the audit event, whose lock has put the changes of this organization into one order.
      const count = await tx.countBy(Role, { organizationId });
      if (count > this.config.settings.ROLES_PER_ORGANIZATION_MAX)
        throw new Refusal('access.quota_reached', 'The organization has as many custom roles as it may have.');
      return { role: await this.getById(tx, organizationId, id), isReplay: false };
    });
  }

  /** Changes a custom role. What its members and accounts may do follows at once, so the caller must hold what it held and what it will hold. */
  async update(caller: Caller, slug: string, draft: RoleDraft, expected: ExpectedVersions): Promise<Role> {
    if (draft.slug !== undefined && draft.slug !== slug) {
      throw new Refusal('request.invalid', 'A slug never changes.', {
        errors: [{ location: 'body.slug', message: 'must be the slug in the path, or left out', value: draft.slug }],
      });
    }
    const { organizationId } = caller.principal;
    const scopes = this.requireGrantable(caller, draft.scopes);
    return this.database.transaction(async (tx) => {
      const role = await this.lockCustom(tx, organizationId, slug);
      requireVersion(role, expected);
      this.requireGrantable(caller, role.scopes);
      const next = {
        name: draft.name,
        description: draft.description === undefined ? role.description : draft.description,
        scopes,
      };
      const changes = changedMembers({ name: role.name, description: role.description, scopes: role.scopes }, next);
      if (changes === undefined) return role;
      await tx.update(Role, { organizationId, number: role.number }, { ...next, version: role.version + 1 });
      await this.audit.record(tx, caller, { type: 'role.updated', resourceId: role.id, ...changes });
      return this.getById(tx, organizationId, role.id);
    });
  }

  async delete(caller: Caller, slug: string, expected: ExpectedVersions): Promise<void> {
    const { organizationId } = caller.principal;
    await this.database.transaction(async (tx) => {
      const role = await this.lockCustom(tx, organizationId, slug);
      requireVersion(role, expected);
      const inUse = (): Refusal => new Refusal('role.in_use');
      // Removed members and deleted accounts keep their rows; they must not keep a role alive that nobody can see in use.
      const where = [organizationId, role.number];
      await tx.query(
        'update memberships set role_number = 3 where organization_id = $1 and custom_role_number = $2 and removed_at is not null',
        where,
      );
      await tx.query(
        'update service_accounts set role_number = null where organization_id = $1 and custom_role_number = $2 and deleted_at is not null',
        where,
      );
      await refuseViolations({ fk_memberships_role: inUse, fk_service_accounts_role: inUse }, () =>
        tx.delete(Role, { organizationId, number: role.number }),
      );
      await this.audit.record(tx, caller, {
        type: 'role.deleted',
        resourceId: role.id,
        before: { slug, name: role.name, scopes: role.scopes },
      });
    });
  }

  /** Each scope once, all known, and none that the caller does not hold. */
  private requireGrantable(caller: Caller, wanted: readonly string[]): string[] {
    const { principal } = caller;
    const problems = this.scopes.problemsOfRoleScopes(wanted, 'body.scopes', principal.isPlatform);
    if (problems.length > 0)
      throw new Refusal('request.invalid', 'Some scopes cannot be granted.', { errors: problems });
    const scopes = [...new Set(wanted)];
    const beyond = scopesBeyond(principal.scopes, scopes);
    if (beyond.length > 0) {
      const errors = beyond.map((scope) => ({
        location: `body.scopes[${wanted.indexOf(scope)}]`,
        message: 'is not held by the caller',
        value: scope,
      }));
      throw new Refusal('role.scopes_exceed_grantor', `You do not hold: ${beyond.join(', ')}.`, { errors });
    }
    return scopes;
  }

  private async freeSlug(tx: EntityManager, organizationId: string, slug: string): Promise<string> {
    return (await this.find(organizationId, slug, tx)) === undefined ? slug : withSuffix(slug);
  }

  private async lockCustom(tx: EntityManager, organizationId: string, slug: string): Promise<Role> {
    if (BUILT_IN_ROLE_LIST.some((role) => role.slug === slug)) throw new Refusal('role.built_in');
    const role = await tx.findOne(Role, { where: { organizationId, slug }, lock: { mode: 'for_no_key_update' } });
    if (role === null) throw new Refusal('role.not_found');
    return role;
  }

  private async getById(tx: EntityManager, organizationId: string, id: string): Promise<Role> {
    const role = await tx.findOneBy(Role, { organizationId, id });
    if (role === null) throw new Refusal('role.not_found');
    return role;
  }
}

/** Whether a row comes behind a position of a list that is ordered newest first. */
function isAfter(row: Position, { createdAt, id }: Position): boolean {
  const milliseconds = row.createdAt.getTime() - createdAt.getTime();
  return milliseconds < 0 || (milliseconds === 0 && row.id < id);
}
