/**
 * Scopes: what a credential may do. A scope is `resource`, or `resource:action`, which the former implies; deeper levels
 * work alike. Three patterns stand in roles only, never in a token: `*`, `*:read` and `application:*`.
 */
export const SCOPE_PATTERN = /^[a-z][a-z0-9_.-]*(:[a-z0-9_*.-]+)*$/;
export const SCOPE_LENGTH_MAX = 200;
/** Most scopes of a role or a token. */
export const SCOPES_MAX = 200;

/** Everything but `platform:…`, which is never held through a pattern. */
export const EVERYTHING = '*';
/** Every scope whose last part is `read`. */
export const EVERY_READ = '*:read';
/** Every scope of the product, that is, every one that is not in MANAGEMENT_SCOPES. */
export const EVERY_APPLICATION_SCOPE = 'application:*';

/** The closed list of what can be done with Keyward itself. */
export const MANAGEMENT_SCOPES = {
  organizations: 'Change the organization: its name and its policy',
  'organizations:read': 'Read the organization',
  members: 'Add and remove members and change their roles',
  'members:read': 'Read the members',
  roles: 'Create, change and delete custom roles',
  'roles:read': 'Read the roles',
  service_accounts: 'Create, change, disable and delete service accounts',
  'service_accounts:read': 'Read the service accounts',
  api_tokens: 'Issue, change, rotate and revoke tokens',
  'api_tokens:read': 'Read the metadata of tokens',
  'api_tokens:verify': "Verify tokens of the caller's own organization",
  webhooks: 'Create, change and delete webhooks',
  'webhooks:read': 'Read webhooks and their deliveries',
  audit_events: 'Everything about the audit trail, which is read-only',
  'audit_events:read': 'Read the audit trail',
  'platform:verify': 'Verify tokens of every organization (platform organization only)',
  'platform:organizations': 'Create, read and suspend organizations (platform organization only)',
} as const;

export type ManagementScope = keyof typeof MANAGEMENT_SCOPES;

const RESOURCES_OF_KEYWARD: ReadonlySet<string> = new Set(
  Object.keys(MANAGEMENT_SCOPES).map(resourceOf).concat('application'),
);

/** Names under which other systems know our scopes; understood in JWTs and tokens, and kept as they were written. */
const ALIASES: Readonly<Record<string, readonly ManagementScope[]>> = {
  'read:tokens': ['api_tokens:read', 'service_accounts:read'],
  'write:tokens': ['api_tokens', 'service_accounts'],
};

function resourceOf(scope: string): string {
  const separator = scope.indexOf(':');
  return separator < 0 ? scope : scope.slice(0, separator);
}

export function isManagementScope(scope: string): scope is ManagementScope {
  return Object.hasOwn(MANAGEMENT_SCOPES, scope);
}

export function isScopeAlias(scope: string): boolean {
  return Object.hasOwn(ALIASES, scope);
}

export function isPlatformScope(scope: string): boolean {
  return scope === 'platform' || scope.startsWith('platform:');
}

/** Whether a scope belongs to the product, and not to Keyward. */
export function isApplicationScope(scope: string): boolean {
  return !RESOURCES_OF_KEYWARD.has(resourceOf(scope)) && !isScopeAlias(scope) && !scope.startsWith('*');
}

/** The scopes with aliases replaced by what they stand for. */
export function expandAliases(scopes: readonly string[]): readonly string[] {
  return scopes.some(isScopeAlias)
    ? scopes.flatMap((scope): readonly string[] => (isScopeAlias(scope) ? (ALIASES[scope] ?? []) : [scope]))
    : scopes;
}

/** Whether holding `held` (a scope or a pattern, no alias) is enough where `needed` (no alias) is asked for. */
export function covers(held: string, needed: string): boolean {
  if (held === needed) return true;
  if (needed.startsWith(held) && needed.charCodeAt(held.length) === 58 /* ':' */) return true;
  if (held.charCodeAt(0) !== 42 /* '*' */ && held !== EVERY_APPLICATION_SCOPE) return false;
  if (isPlatformScope(needed)) return false; // a pattern in a tenant's role must never reach the platform
  if (held === EVERYTHING) return true;
  if (held === EVERY_READ) return needed.endsWith(':read');
  return held === EVERY_APPLICATION_SCOPE && isApplicationScope(needed);
}

/** Whether `scopes` allow `needed`. An alias is held where all it stands for is held. */
export function holds(scopes: readonly string[], needed: string): boolean {
  const held = expandAliases(scopes);
  return expandAliases([needed]).every((one) => held.some((scope) => covers(scope, one)));
}

/** The members of `wanted` that `scopes` do not allow. */
export function scopesBeyond(scopes: readonly string[], wanted: readonly string[]): string[] {
  return wanted.filter((scope) => !holds(scopes, scope));
}

/**
 * What both lists allow. One of them is a role's list and may hold patterns, the other one is what a credential says;
 * the answer has the order of the latter.
 */
export function intersectScopes(credential: readonly string[], role: readonly string[]): readonly string[] {
  const allowed = expandAliases(role);
  const both = expandAliases(credential).flatMap((said) => allowed.flatMap((held) => meet(said, held) ?? []));
  return [...new Set(both)];
}

/** What two scopes have in common. */
function meet(said: string, held: string): string | undefined {
  if (covers(held, said)) return said;
  if (covers(said, held)) return held;
  // Neither is part of the other, but `resource` and `*:read` have `resource:read` in common.
  const isNarrowed = held === EVERY_READ && covers(held, `${said}:read`) && !said.startsWith('*');
  return isNarrowed ? `${said}:read` : undefined;
}
