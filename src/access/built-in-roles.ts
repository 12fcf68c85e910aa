import { EVERY_APPLICATION_SCOPE, EVERY_READ, EVERYTHING } from './scopes.js';

/** A named set of scopes. Its number is its identity: everywhere, and in the Unleash dialect on the wire. */
export interface RoleDefinition {
  readonly number: number;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly scopes: readonly string[];
}

const ACCOUNTS_AND_TOKENS = ['service_accounts', 'api_tokens'] as const;

/**
 * The roles that every organization has. They live in code, not in rows, so that a new release can extend them;
 * custom roles have numbers from CUSTOM_ROLE_NUMBER_MIN on.
 */
export const BUILT_IN_ROLES = {
  admin: {
    number: 1,
    slug: 'admin',
    name: 'Admin',
    description: 'Everything but giving the organization away.',
    scopes: [
      'organizations',
      'members',
      'roles',
      ...ACCOUNTS_AND_TOKENS,
      'webhooks',
      'audit_events',
      EVERY_APPLICATION_SCOPE,
    ],
  },
  editor: {
    number: 2,
    slug: 'editor',
    name: 'Editor',
    description: 'Service accounts and tokens.',
    scopes: [...ACCOUNTS_AND_TOKENS, 'organizations:read', 'members:read', 'roles:read', EVERY_APPLICATION_SCOPE],
  },
  viewer: {
    number: 3,
    slug: 'viewer',
    name: 'Viewer',
    description: 'Reads everything, changes nothing.',
    scopes: [EVERY_READ],
  },
  owner: { number: 4, slug: 'owner', name: 'Owner', description: 'Everything.', scopes: [EVERYTHING] },
} as const satisfies Record<string, RoleDefinition>;

export type BuiltInRoleSlug = keyof typeof BUILT_IN_ROLES;

export const BUILT_IN_ROLE_LIST: readonly RoleDefinition[] = Object.values(BUILT_IN_ROLES);

export const CUSTOM_ROLE_NUMBER_MIN = 100;

const BY_NUMBER: ReadonlyMap<number, RoleDefinition> = new Map(BUILT_IN_ROLE_LIST.map((role) => [role.number, role]));

export function findBuiltInRole(number: number): RoleDefinition | undefined {
  return BY_NUMBER.get(number);
}

/**
 * What a role allows. A custom role's scopes come from its row.
 * @returns nothing for a role that is not known, so that it allows nothing
 */
export function roleScopes(number: number, customScopes: readonly string[] | null): readonly string[] {
  return BY_NUMBER.get(number)?.scopes ?? customScopes ?? [];
}
