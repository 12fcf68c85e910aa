import { Injectable } from '@nestjs/common';
import { PeopleAsOwners } from '../tokens/people-as-owners.service.js';
import { organizationAsOwner, type TokenOwner } from '../tokens/token-owner.js';
import type { TokenView } from '../tokens/token-view.js';
import { ServiceAccountsService } from './service-accounts.service.js';

/** Finds out whose a token is, for dialects that name tokens without their owners. */
@Injectable()
export class TokenOwners {
  constructor(
    private readonly accounts: ServiceAccountsService,
    private readonly people: PeopleAsOwners,
  ) {}

  async ownerOf({ organizationId, serviceAccountId, userId }: TokenView): Promise<TokenOwner> {
    if (serviceAccountId !== null) return this.accounts.getOwner(organizationId, { id: serviceAccountId });
    if (userId !== null) return this.people.owner(organizationId, userId);
    return organizationAsOwner(organizationId);
  }
}
