import { prepared } from '../database/prepared-statement.js';

/** All that is needed to judge a secret, in one row. Moments are milliseconds since 1970, so that a check is a comparison. */
export interface CredentialRow {
  readonly digest: Buffer;
  readonly secretId: string;
  readonly pepperId: string;
  readonly secretRetiresAt: number | null;
  readonly tokenId: string;
  readonly tokenSlug: string;
  readonly tokenName: string;
  readonly tokenScopes: string[] | null;
  readonly authorizedIpAddresses: string[];
  readonly rateLimit: number | null;
  readonly annotations: Record<string, string>;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly organizationId: string;
  readonly organizationSlug: string;
  readonly isPlatform: boolean;
  readonly isSuspended: boolean;
  readonly serviceAccountId: string | null;
  readonly serviceAccountSlug: string | null;
  readonly serviceAccountName: string | null;
  readonly isDisabled: boolean | null;
  readonly isDeleted: boolean | null;
  readonly userId: string | null;
  readonly userName: string | null;
  readonly isRemoved: boolean | null;
  /** Number of the role of the service account or the member; null where there is none. */
  readonly roleNumber: number | null;
  readonly customRoleScopes: string[] | null;
}

/** The one statement of the hot path: an index look-up by digest, and primary keys from there. $1 is the digests under which the secret may be stored. */
export const CREDENTIAL_QUERY = prepared(`
select s.digest, s.id as "secretId", s.pepper_id as "pepperId", extract(epoch from s.retires_at)::float8 * 1000 as "secretRetiresAt",
  t.id as "tokenId", t.slug as "tokenSlug", t.name as "tokenName", t.scopes as "tokenScopes",
  array(select unnest(t.authorized_ip_addresses)::text) as "authorizedIpAddresses", t.rate_limit as "rateLimit", extract(epoch from t.created_at)::float8 * 1000 as "createdAt",
  (select coalesce(jsonb_object_agg(a.key, a.value), '{}') from annotations a where a.token_id = t.id) as annotations,
  extract(epoch from t.expires_at)::float8 * 1000 as "expiresAt", extract(epoch from t.revoked_at)::float8 * 1000 as "revokedAt",
  o.id as "organizationId", o.slug as "organizationSlug", o.is_platform as "isPlatform", o.suspended_at is not null as "isSuspended",
  sa.id as "serviceAccountId", sa.slug as "serviceAccountSlug", sa.name as "serviceAccountName",
  sa.disabled_at is not null as "isDisabled", sa.deleted_at is not null as "isDeleted",
  u.id as "userId", m.name as "userName", (m.user_id is null or m.removed_at is not null) as "isRemoved",
  coalesce(sa.role_number, m.role_number) as "roleNumber", r.scopes as "customRoleScopes"
from token_secrets s
join tokens t on t.id = s.token_id
join organizations o on o.id = t.organization_id
left join service_accounts sa on sa.id = t.service_account_id
left join memberships m on m.organization_id = t.organization_id and m.user_id = t.user_id
left join users u on u.id = t.user_id
left join roles r on r.organization_id = t.organization_id and r.number = coalesce(sa.custom_role_number, m.custom_role_number)
where s.digest = any ($1)`);
