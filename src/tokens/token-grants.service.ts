import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Caller } from '../access/principal.js';
import { ScopeRegistry } from '../access/scope-registry.js';
import { scopesBeyond } from '../access/scopes.js';
import { invalidAt, Refusal } from '../errors/refusal.js';
import { OrganizationsService } from '../organizations/organizations.service.js';
import { scopesBeyondRole, statedScopes, type TokenOwner } from './token-owner.js';

/** What may be granted with a token: nobody gives, or takes over, more than they hold. */
@Injectable()
export class TokenGrants {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly scopes: ScopeRegistry,
  ) {}

  /** Each scope once and in order, all of them known, none that the caller does not hold or that the owner's role would cut off. */
  requireGrantable(caller: Caller, owner: TokenOwner, wanted: readonly string[] | null): readonly string[] | null {
    if (wanted !== null) {
      const problems = this.scopes.problemsOfTokenScopes(wanted, 'body.scopes', caller.principal.isPlatform);
      if (problems.length > 0)
        throw new Refusal('request.invalid', 'Some scopes cannot be granted.', { errors: problems });
      const cutOff = scopesBeyondRole(owner, wanted);
      if (cutOff.length > 0) {
        const errors = cutOff.map((scope) => ({
          location: `body.scopes[${wanted.indexOf(scope)}]`,
          message: 'exceeds the role of its owner',
          value: scope,
        }));
        throw new Refusal('request.invalid', 'Some scopes exceed the role of the service account.', { errors });
      }
    }
    const scopes = wanted && [...new Set(wanted)];
    this.requireHeld(caller, owner, scopes, wanted);
    return scopes;
  }

  /**
   * That the caller holds all that a token states.
   * @param wanted the scopes of the request, where they are what is asked for: the offenders are then named at their places
   */
  requireHeld(
    caller: Caller,
    owner: TokenOwner,
    scopes: readonly string[] | null,
    wanted?: readonly string[] | null,
  ): void {
    const beyond = scopesBeyond(caller.principal.scopes, statedScopes(owner, scopes));
    if (beyond.length === 0) return;
    const errors = wanted?.flatMap((scope, index) =>
      beyond.includes(scope) ? [{ location: `body.scopes[${index}]`, message: 'is not held by the caller' }] : [],
    );
    throw new Refusal('token.scopes_exceed_grantor', `You do not hold: ${beyond.join(', ')}.`, { errors });
  }

  /** The expiry of a token under the organization's policy. @throws Refusal request.invalid for one that is past or beyond it */
  async expiryFor(owner: TokenOwner, wanted: Date | null, db?: EntityManager): Promise<Date | null> {
    const { tokenLifetimeMaxSeconds: longest, tokenLifetimeDefaultSeconds: preset } =
      owner.tokenPolicy ?? (await this.organizations.getTokenPolicy(owner.organizationId, db));
    const now = Date.now();
    if (wanted === null) {
      const seconds = preset ?? longest;
      return seconds === null ? null : new Date(now + seconds * 1_000);
    }
    if (wanted.getTime() <= now) throw invalidAt('body.expiresAt', 'must be in the future');
    if (longest !== null && wanted.getTime() > now + longest * 1_000) {
      throw invalidAt('body.expiresAt', `must be at most ${longest} seconds from now, the limit of the organization`);
    }
    return wanted;
  }
}
