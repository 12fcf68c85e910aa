import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import type { RefusalDetail } from '../errors/refusal.js';
import {
  EVERY_APPLICATION_SCOPE,
  EVERY_READ,
  EVERYTHING,
  isApplicationScope,
  isManagementScope,
  isPlatformScope,
  isScopeAlias,
  SCOPE_LENGTH_MAX,
  SCOPE_PATTERN,
} from './scopes.js';

export interface ScopeDescription {
  readonly name: string;
  readonly description: string;
}

const PATTERNS: readonly string[] = [EVERYTHING, EVERY_READ, EVERY_APPLICATION_SCOPE];

/** Knows which scopes exist: the closed list of Keyward's own, and what the operator declared for the product. */
@Injectable()
export class ScopeRegistry {
  constructor(private readonly config: Config) {}

  /** The product's scopes, or undefined when none are declared and any is accepted. */
  get applicationScopes(): ScopeDescription[] | undefined {
    const declared = this.config.applicationScopes;
    return declared && [...declared].map(([name, description]) => ({ name, description }));
  }

  /** What is wrong with scopes that a token shall carry, each offender at its place. */
  problemsOfTokenScopes(scopes: readonly string[], location: string, isPlatform: boolean): RefusalDetail[] {
    return this.problems(scopes, location, (scope) => this.isKnown(scope, isPlatform));
  }

  /** The same for a role, which may also hold the patterns. */
  problemsOfRoleScopes(scopes: readonly string[], location: string, isPlatform: boolean): RefusalDetail[] {
    return this.problems(scopes, location, (scope) => PATTERNS.includes(scope) || this.isKnown(scope, isPlatform));
  }

  private problems(
    scopes: readonly string[],
    location: string,
    isAccepted: (scope: string) => boolean,
  ): RefusalDetail[] {
    return scopes.flatMap((scope, index) =>
      isAccepted(scope)
        ? []
        : [
            {
              location: `${location}[${index}]`,
              message: 'is not a scope that can be granted; GET /scopes lists them',
              value: scope,
            },
          ],
    );
  }

  private isKnown(scope: string, isPlatform: boolean): boolean {
    if (!SCOPE_PATTERN.test(scope) || scope.length > SCOPE_LENGTH_MAX) return false;
    if (isManagementScope(scope)) return isPlatform || !isPlatformScope(scope);
    if (isScopeAlias(scope)) return true;
    return isApplicationScope(scope) && (this.config.applicationScopes?.has(scope) ?? true);
  }
}
