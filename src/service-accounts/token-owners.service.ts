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

  /**
   * The same for a list of tokens that are nobody's in person, with no more than two statements. A token whose service
   * account was deleted meanwhile has no owner any more.
   */
  async ownersOf(
    organizationId: string,
    tokens: readonly TokenView[],
  ): Promise<(token: TokenView) => TokenOwner | undefined> {
    const ids = new Set(tokens.flatMap(({ serviceAccountId }) => serviceAccountId ?? []));
    const accounts = ids.size > 0 ? await this.accounts.getOwners(organizationId, [...ids]) : new Map<string, never>();
    return ({ serviceAccountId }) =>
      serviceAccountId === null ? organizationAsOwner(organizationId) : accounts.get(serviceAccountId);
  }
}
