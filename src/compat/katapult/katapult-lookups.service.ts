import { Injectable } from '@nestjs/common';
import type { Caller } from '../../access/principal.js';
import { Refusal } from '../../errors/refusal.js';
import type { Organization } from '../../organizations/organization.entity.js';
import { OrganizationsService } from '../../organizations/organizations.service.js';
import { TokenOwners } from '../../service-accounts/token-owners.service.js';
import type { TokenOwner } from '../../tokens/token-owner.js';
import { TokensService } from '../../tokens/tokens.service.js';
import type { OrganizationLookup } from './arguments.js';
import { organizationUuid, tokenUuid } from './translate.js';

/** Finds what arguments name, within the organization of the caller: whatever else they name is not there. */
@Injectable()
export class KatapultLookups {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly tokens: TokensService,
    private readonly owners: TokenOwners,
  ) {}

  /**
   * The organization of the caller, if that is what is named. Nobody else's is looked for, so that not even the time that
   * it takes tells whether there is one. @throws Refusal organization.not_found
   */
  async getOrganization({ principal }: Caller, lookup: OrganizationLookup | undefined): Promise<Organization> {
    const own = await this.organizations.get(principal.organizationId);
    if (lookup === undefined) return own;
    const isOwn = lookup.key === 'id' ? organizationUuid(lookup.value) === own.id : lookup.value === own.slug;
    if (!isOwn) throw new Refusal('organization.not_found');
    return own;
  }

  /**
   * A token that is not revoked, as the core is told of it. Personal tokens are there for their person alone, who must call
   * with a JWT: a token that leaked must not reach what would outlive its revocation.
   * @throws Refusal token.not_found
   */
  async getToken({ principal }: Caller, id: string): Promise<{ key: { readonly id: string }; owner: TokenOwner }> {
    const uuid = tokenUuid(id);
    if (uuid === undefined) throw new Refusal('token.not_found');
    const token = await this.tokens.getById(principal.organizationId, uuid);
    const isHidden = token.userId !== null && (token.userId !== principal.userId || principal.tokenId !== undefined);
    if (isHidden || token.revokedAt !== null) throw new Refusal('token.not_found');
    return { key: { id: uuid }, owner: await this.owners.ownerOf(token) };
  }
}
