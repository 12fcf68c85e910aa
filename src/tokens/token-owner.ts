import { BUILT_IN_ROLES } from '../access/built-in-roles.js';
import { scopesBeyond } from '../access/scopes.js';
import type { TokenPolicy } from '../organizations/organizations.service.js';
import type { SecretKind } from './token-secret.js';

/** Whose a token is, and the ceiling that its owner's role puts on it today. */
export interface TokenOwner {
  readonly kind: SecretKind;
  readonly organizationId: string;
  /** Id of the service account, the person, or the organization. */
  readonly ownerId: string;
  /** What the role of the owner allows; undefined: no ceiling. */
  readonly roleScopes: readonly string[] | undefined;
  /** That of the organization, where it was read together with the owner. */
  readonly tokenPolicy?: TokenPolicy;
}

/** The organization itself as an owner. A token of it without scopes of its own has the admin role. */
export function organizationAsOwner(organizationId: string): TokenOwner {
  return { kind: 'o', organizationId, ownerId: organizationId, roleScopes: undefined };
}

/** What a token says that it may do: its own scopes, or else the role of its owner. */
export function statedScopes(owner: TokenOwner, scopes: readonly string[] | null): readonly string[] {
  if (scopes !== null) return scopes;
  return owner.roleScopes ?? (owner.kind === 'o' ? BUILT_IN_ROLES.admin.scopes : []);
}

/** The scopes among these that the owner's role would not let a token use. */
export function scopesBeyondRole(owner: TokenOwner, scopes: readonly string[]): string[] {
  return owner.roleScopes === undefined ? [] : scopesBeyond(owner.roleScopes, scopes);
}
