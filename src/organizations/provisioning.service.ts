import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { BUILT_IN_ROLES, roleScopes } from '../access/built-in-roles.js';
import type { Caller, Principal, RequestOrigin } from '../access/principal.js';
import { intersectScopes } from '../access/scopes.js';
import { Config } from '../config/config.js';
import { violatedConstraint } from '../database/database-failure.js';
import { Refusal } from '../errors/refusal.js';
import { MembersService } from './members.service.js';
import { Membership } from './membership.entity.js';
import { OrganizationsService } from './organizations.service.js';
import { RolesService } from './roles.service.js';

/** What a verified JWT says. */
export interface JwtIdentity {
  readonly issuer: string;
  readonly subject: string;
  readonly name: string | undefined;
  /** Value of the organization claim. */
  readonly externalOrganizationId: string;
  /** Value of the role claim, whether or not there is such a role. */
  readonly role: string | undefined;
  /** Scopes of the scope claim; undefined when there is none, which narrows nothing. */
  readonly scopes: readonly string[] | undefined;
}

interface Standing {
  readonly organizationId: string;
  readonly suspendedAt: Date | null;
  readonly userId: string;
  readonly memberName: string | null;
  readonly roleNumber: number;
  readonly roleScopes: string[] | null;
  readonly removedAt: Date | null;
  readonly version: number;
}

const STANDING_QUERY = `
select o.id as "organizationId", o.suspended_at as "suspendedAt", u.id as "userId", m.name as "memberName",
  m.role_number as "roleNumber", m.removed_at as "removedAt", m.version, r.scopes as "roleScopes"
from organizations o
join memberships m on m.organization_id = o.id
join users u on u.id = m.user_id
left join roles r on r.organization_id = o.id and r.number = m.custom_role_number
where o.external_id = $1 and not o.is_platform and u.issuer = $2 and u.subject = $3`;

/** Turns the identity of a verified JWT into a principal, creating the organization and the member at first sight where that is on. */
@Injectable()
export class Provisioning {
  constructor(
    private readonly database: DataSource,
    private readonly organizations: OrganizationsService,
    private readonly members: MembersService,
    private readonly roles: RolesService,
    private readonly config: Config,
  ) {}

  /**
   * The platform organization is never entered: it has no external id, and the query says so once more.
   * @throws Refusal access.not_a_member, organization.suspended
   */
  async admit(identity: JwtIdentity, origin: RequestOrigin): Promise<Principal> {
    const known = await this.find(identity);
    const standing = known ?? (await this.provision(identity, origin));
    if (standing.removedAt !== null) throw new Refusal('access.not_a_member');
    if (standing.suspendedAt !== null) throw new Refusal('organization.suspended');
    const allowed = await this.takeOverRole(standing, identity, origin);
    return principalOf(standing, identity, allowed);
  }

  private async find(identity: JwtIdentity): Promise<Standing | undefined> {
    const [standing]: Standing[] = await this.database.query(STANDING_QUERY, [
      identity.externalOrganizationId,
      identity.issuer,
      identity.subject,
    ]);
    return standing;
  }

  /** The role claim is the authority where it names a role: what it says is written down at each sight. */
  private async takeOverRole(
    standing: Standing,
    identity: JwtIdentity,
    origin: RequestOrigin,
  ): Promise<readonly string[]> {
    const claimed =
      identity.role === undefined ? undefined : await this.roles.find(standing.organizationId, identity.role);
    if (claimed === undefined) return roleScopes(standing.roleNumber, standing.roleScopes);
    if (claimed.number !== standing.roleNumber) {
      const { organizationId, userId } = standing;
      await this.database.transaction(async (tx) => {
        const membership = await tx.findOne(Membership, {
          where: { organizationId, userId },
          lock: { mode: 'for_no_key_update' },
        });
        if (membership === null || membership.removedAt !== null) throw new Refusal('access.not_a_member');
        if (membership.roleNumber !== claimed.number)
          await this.members.changeRole(tx, asCaller(standing, identity, origin), membership, claimed.number);
      });
    }
    return claimed.scopes;
  }

  /** Two first requests at once both end well: the constraints pick who creates, the other one finds what was created. */
  private async provision(identity: JwtIdentity, origin: RequestOrigin): Promise<Standing> {
    if (!this.config.settings.AUTH_AUTO_PROVISION) throw new Refusal('access.not_a_member');
    try {
      await this.createOrganization(identity, origin);
    } catch (error) {
      const isRace = error instanceof Refusal && error.code === 'organization.external_id_taken'; // another request has just created it
      if (!isRace) throw error;
    }
    await this.createMember(identity, origin);
    const standing = await this.find(identity);
    if (standing === undefined) throw new Refusal('access.not_a_member');
    return standing;
  }

  private async createOrganization(identity: JwtIdentity, origin: RequestOrigin): Promise<void> {
    const externalId = identity.externalOrganizationId;
    const [existing]: unknown[] = await this.database.query('select 1 from organizations where external_id = $1', [
      externalId,
    ]);
    if (existing !== undefined) return;
    const id = uuidv7();
    await this.database.transaction((tx) =>
      this.organizations.insert(tx, firstSight(id, identity, origin), id, {
        name: [...externalId].slice(0, 100).join(''),
        externalId,
      }),
    );
  }

  private async createMember(identity: JwtIdentity, origin: RequestOrigin): Promise<void> {
    try {
      await this.database.transaction(async (tx) => {
        // The lock makes one person the first: the owner.
        const [organization]: { id: string; is_platform: boolean; suspended_at: Date | null }[] = await tx.query(
          'select id, is_platform, suspended_at from organizations where external_id = $1 for no key update',
          [identity.externalOrganizationId],
        );
        if (organization === undefined || organization.is_platform) throw new Refusal('access.not_a_member');
        if (organization.suspended_at !== null) throw new Refusal('organization.suspended');
        const userId = await this.members.ensureUser(tx, identity);
        if (await tx.existsBy(Membership, { organizationId: organization.id, userId })) return; // joined meanwhile, or removed before
        const isFirst = !(await tx.existsBy(Membership, { organizationId: organization.id }));
        const claimed =
          identity.role === undefined ? undefined : await this.roles.find(organization.id, identity.role, tx);
        const role =
          claimed ?? (isFirst ? BUILT_IN_ROLES.owner : BUILT_IN_ROLES[this.config.settings.AUTH_DEFAULT_ROLE]);
        await this.members.join(tx, firstSight(organization.id, identity, origin, userId), {
          organizationId: organization.id,
          userId,
          name: identity.name,
          roleNumber: role.number,
        });
      });
    } catch (error) {
      if (violatedConstraint(error) !== 'fk_memberships_role') throw error;
      throw new Refusal('access.not_a_member', 'The role that the credential names has just been deleted.');
    }
  }
}

function principalOf(standing: Standing, identity: JwtIdentity, allowed: readonly string[]): Principal {
  return {
    kind: 'user',
    id: standing.userId,
    name: identity.name ?? standing.memberName ?? undefined,
    organizationId: standing.organizationId,
    isPlatform: false,
    userId: standing.userId,
    tokenId: undefined,
    scopes: identity.scopes === undefined ? allowed : intersectScopes(identity.scopes, allowed),
  };
}

function asCaller(standing: Standing, identity: JwtIdentity, origin: RequestOrigin): Caller {
  return { principal: principalOf(standing, identity, []), ...origin };
}

/** Who acts when an organization or a person is seen for the first time: the system, on the word of the identity provider. */
function firstSight(organizationId: string, identity: JwtIdentity, origin: RequestOrigin, userId?: string): Caller {
  const principal: Principal = {
    kind: userId === undefined ? 'system' : 'user',
    id: userId ?? 'system',
    name: identity.name,
    organizationId,
    isPlatform: false,
    userId,
    tokenId: undefined,
    scopes: [],
  };
  return { principal, ...origin };
}
