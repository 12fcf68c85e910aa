import { Injectable } from '@nestjs/common';
import type { Caller } from '../access/principal.js';
import { Refusal } from '../errors/refusal.js';
import { MembersService } from '../organizations/members.service.js';
import type { TokenOwner } from './token-owner.js';

/** People as owners of their personal tokens, each bounded by the role that the person has today. */
@Injectable()
export class PeopleAsOwners {
  constructor(private readonly members: MembersService) {}

  /** The person who calls. @throws Refusal access.person_required where nobody in person does */
  async ownerFor({ principal }: Caller): Promise<TokenOwner> {
    if (principal.userId === undefined) throw new Refusal('access.person_required');
    return this.owner(principal.organizationId, principal.userId);
  }

  /** @throws Refusal member.not_found */
  async owner(organizationId: string, userId: string): Promise<TokenOwner> {
    const roleScopes = await this.members.getScopes(organizationId, userId);
    return { kind: 'p', organizationId, ownerId: userId, roleScopes };
  }
}
