import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { BUILT_IN_ROLES, roleScopes, type RoleDefinition } from '../access/built-in-roles.js';
import type { Caller } from '../access/principal.js';
import { scopesBeyond } from '../access/scopes.js';
import { AuditService } from '../audit/audit.service.js';
import { type ExpectedVersions, requireVersion } from '../common/etag.js';
import type { PageRequest } from '../common/pagination.js';
import { Config } from '../config/config.js';
import { invalidAt, Refusal } from '../errors/refusal.js';
import { Membership } from './membership.entity.js';
import type { Role } from './role.entity.js';
import { RolesService } from './roles.service.js';
import { User } from './user.entity.js';

/** The issuer of people whose JWTs name none. */
export const DEFAULT_ISSUER = 'keyward';

/** A person in an organization, with their role's slug. */
export interface Member {
  readonly id: string;
  readonly issuer: string;
  readonly subject: string;
  readonly name: string | null;
  readonly role: string;
  readonly createdAt: Date;
  readonly version: number;
}

export interface MemberDraft {
  readonly issuer: string;
  readonly subject: string;
  readonly name?: string;
  readonly role: string;
}

const MEMBER_QUERY = `
select u.id, u.issuer, u.subject, m.name, m.role_number as "roleNumber", m.created_at as "createdAt", m.version
from memberships m join users u on u.id = m.user_id
where m.organization_id = $1 and m.removed_at is null`;

type MemberRow = Omit<Member, 'role'> & { readonly roleNumber: number };

/** Who belongs to an organization, and with which role. */
@Injectable()
export class MembersService {
  constructor(
    private readonly database: DataSource,
    private readonly audit: AuditService,
    private readonly roles: RolesService,
    private readonly config: Config,
  ) {}

  /** Newest first; one row more than the page's limit when there is more. */
  async list(organizationId: string, { limit, after }: PageRequest): Promise<Member[]> {
    const rows: MemberRow[] = await this.database.query(
      `${MEMBER_QUERY} and ($2::timestamptz is null or (m.created_at, m.user_id) < ($2, $3::uuid)) order by m.created_at desc, m.user_id desc limit $4`,
      [organizationId, after?.createdAt ?? null, after?.id ?? null, limit + 1],
    );
    return this.withRoles(organizationId, rows);
  }

  async get(organizationId: string, userId: string, db: EntityManager = this.database.manager): Promise<Member> {
    const rows: MemberRow[] = await db.query(`${MEMBER_QUERY} and m.user_id = $2`, [organizationId, userId]);
    const [member] = await this.withRoles(organizationId, rows, db);
    if (member === undefined) throw new Refusal('member.not_found');
    return member;
  }

  /** What the role of a member allows today. @throws Refusal member.not_found */
  async getScopes(organizationId: string, userId: string): Promise<readonly string[]> {
    const [member]: MemberRow[] = await this.database.query(`${MEMBER_QUERY} and m.user_id = $2`, [
      organizationId,
      userId,
    ]);
    if (member === undefined) throw new Refusal('member.not_found');
    const role = await this.roles.byNumber(organizationId, [member.roleNumber]);
    return role(member.roleNumber)?.scopes ?? [];
  }

  /** Adds a person, also one who was removed before. */
  async add(caller: Caller, draft: MemberDraft): Promise<Member> {
    const { organizationId } = caller.principal;
    return this.database.transaction(async (tx) => {
      const role = await this.requireGrantableRole(caller, tx, draft.role);
      const userId = await this.ensureUser(tx, draft);
      const existing = await tx.findOne(Membership, {
        where: { organizationId, userId },
        lock: { mode: 'for_no_key_update' },
      });
      if (existing !== null && existing.removedAt === null) throw new Refusal('member.already_exists');
      await this.join(tx, caller, { organizationId, userId, name: draft.name, roleNumber: role.number });
      return this.get(organizationId, userId, tx);
    });
  }

  /** Gives a member another role. The caller must hold what the member loses and what the member gets. */
  async setRole(caller: Caller, userId: string, roleSlug: string, expected: ExpectedVersions): Promise<Member> {
    const { organizationId } = caller.principal;
    return this.database.transaction(async (tx) => {
      const membership = await this.lock(tx, organizationId, userId);
      requireVersion(membership, expected);
      const role = await this.requireGrantableRole(caller, tx, roleSlug);
      if (role.number === membership.roleNumber) return this.get(organizationId, userId, tx);
      await this.requireHeldRole(caller, tx, membership.roleNumber);
      await this.requireOtherOwner(tx, membership);
      await this.changeRole(tx, caller, membership, role.number);
      return this.get(organizationId, userId, tx);
    });
  }

  /** Removes a member; personal tokens stop working with it. The person stays out, also with a good JWT, until added again. */
  async remove(caller: Caller, userId: string, expected: ExpectedVersions): Promise<void> {
    const { organizationId } = caller.principal;
    await this.database.transaction(async (tx) => {
      const membership = await this.lock(tx, organizationId, userId);
      requireVersion(membership, expected);
      await this.requireHeldRole(caller, tx, membership.roleNumber);
      await this.requireOtherOwner(tx, membership);
      await tx.update(
        Membership,
        { organizationId, userId },
        { removedAt: new Date(), version: membership.version + 1 },
      );
      await this.audit.record(tx, caller, {
        type: 'member.removed',
        resourceId: userId,
        before: { roleNumber: membership.roleNumber },
      });
    });
  }

  /** Writes a membership and its audit event, in a transaction of the caller's. */
  async join(
    tx: EntityManager,
    caller: Caller,
    {
      organizationId,
      userId,
      name,
      roleNumber,
    }: { organizationId: string; userId: string; name: string | undefined; roleNumber: number },
  ): Promise<void> {
    await tx.query(
      `insert into memberships as m (organization_id, user_id, name, role_number, created_at) values ($1, $2, $3, $4, $5)
       on conflict on constraint pk_memberships do update set name = coalesce(excluded.name, m.name),
         role_number = excluded.role_number, created_at = excluded.created_at, removed_at = null, version = m.version + 1`,
      [organizationId, userId, name ?? null, roleNumber, new Date()],
    );
    await this.audit.record(tx, caller, {
      type: 'member.added',
      organizationId,
      resourceId: userId,
      after: { roleNumber },
    });
    const count = await tx.countBy(Membership, { organizationId });
    if (count > this.config.settings.MEMBERS_PER_ORGANIZATION_MAX) {
      throw new Refusal('access.quota_reached', 'The organization has as many members as it may have.');
    }
  }

  /** Writes a change of role and its audit event, in a transaction of the caller's. */
  async changeRole(tx: EntityManager, caller: Caller, membership: Membership, roleNumber: number): Promise<void> {
    const { organizationId, userId } = membership;
    await tx.update(Membership, { organizationId, userId }, { roleNumber, version: membership.version + 1 });
    await this.audit.record(tx, caller, {
      type: 'member.role_changed',
      organizationId,
      resourceId: userId,
      before: { roleNumber: membership.roleNumber },
      after: { roleNumber },
    });
  }

  /** The id of the person with this identity, who is written down at first sight. */
  async ensureUser(tx: EntityManager, identity: { issuer: string; subject: string }): Promise<string> {
    await tx.query(
      'insert into users (id, issuer, subject, created_at) values ($1, $2, $3, $4) on conflict on constraint uq_users_identity do nothing',
      [uuidv7(), identity.issuer, identity.subject, new Date()],
    );
    const user = await tx.findOneByOrFail(User, { issuer: identity.issuer, subject: identity.subject });
    return user.id;
  }

  /** Changes of members come one after the other in an organization: two owners who remove each other must not wait for each other. */
  private async lock(tx: EntityManager, organizationId: string, userId: string): Promise<Membership> {
    await tx.query('select 1 from organizations where id = $1 for no key update', [organizationId]);
    const membership = await tx.findOne(Membership, {
      where: { organizationId, userId },
      lock: { mode: 'for_no_key_update' },
    });
    if (membership === null || membership.removedAt !== null) throw new Refusal('member.not_found');
    return membership;
  }

  private async requireGrantableRole(caller: Caller, tx: EntityManager, slug: string): Promise<RoleDefinition | Role> {
    const role = await this.roles.find(caller.principal.organizationId, slug, tx);
    if (role === undefined)
      throw invalidAt('body.role', 'is not a role of the organization; GET /organization/roles lists them', slug);
    if (scopesBeyond(caller.principal.scopes, role.scopes).length > 0) throw new Refusal('member.role_exceeds_grantor');
    return role;
  }

  private async requireHeldRole(caller: Caller, tx: EntityManager, number: number): Promise<void> {
    const role = (await this.roles.byNumber(caller.principal.organizationId, [number], tx))(number);
    if (scopesBeyond(caller.principal.scopes, roleScopes(number, role ? [...role.scopes] : null)).length > 0) {
      throw new Refusal('member.role_exceeds_grantor');
    }
  }

  private async requireOtherOwner(tx: EntityManager, membership: Membership): Promise<void> {
    const { owner } = BUILT_IN_ROLES;
    if (membership.roleNumber !== owner.number) return;
    const owners: { user_id: string }[] = await tx.query(
      'select user_id from memberships where organization_id = $1 and role_number = $2 and removed_at is null order by user_id limit 2',
      [membership.organizationId, owner.number],
    );
    if (!owners.some((other) => other.user_id !== membership.userId)) throw new Refusal('member.last_owner');
  }

  private async withRoles(organizationId: string, rows: MemberRow[], db?: EntityManager): Promise<Member[]> {
    const role = await this.roles.byNumber(
      organizationId,
      rows.map((row) => row.roleNumber),
      db,
    );
    return rows.map(({ roleNumber, ...row }) => ({ ...row, role: role(roleNumber)?.slug ?? String(roleNumber) }));
  }
}
