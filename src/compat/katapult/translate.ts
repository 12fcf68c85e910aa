import { invalidAt } from '../../errors/refusal.js';
import type { Organization } from '../../organizations/organization.entity.js';
import { statedScopes, type TokenOwner } from '../../tokens/token-owner.js';
import type { TokenView } from '../../tokens/token-view.js';
import type { IssuedToken } from '../../tokens/tokens.service.js';
import type { AnnotationArgument, PropertiesArgument } from './arguments.js';
import type { KatapultAnnotation, KatapultApiToken, KatapultPagination } from './dto/katapult-api-token.js';
import type { KatapultOrganization } from './dto/katapult-organization.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const ORGANIZATION = 'org_';
const TOKEN = 'tok_';

export const organizationId = (uuid: string): string => ORGANIZATION + uuid;
export const tokenId = (uuid: string): string => TOKEN + uuid;

/** The id of the core; undefined for what was never an id of an organization here. */
export const organizationUuid = (id: string): string | undefined => uuidOf(ORGANIZATION, id);
/** The id of the core; undefined for what was never an id of a token here. */
export const tokenUuid = (id: string): string | undefined => uuidOf(TOKEN, id);

function uuidOf(kind: string, id: string): string | undefined {
  const uuid = id.slice(kind.length);
  return id.startsWith(kind) && UUID.test(uuid) ? uuid : undefined;
}

/** Lists of more than this many items are not counted. */
export const COUNTED_MAX = 1_000;

/** @param count how many items there are, counted no further than one beyond COUNTED_MAX */
export function toPagination(page: number, perPage: number, count: number): KatapultPagination {
  const isLarge = count > COUNTED_MAX;
  return {
    current_page: page,
    total_pages: isLarge ? null : Math.ceil(count / perPage),
    total: isLarge ? null : count,
    per_page: perPage,
    large_set: isLarge,
  };
}

/** The items before a page. Beyond any list it is the greatest number that PostgreSQL and JavaScript both know exactly. */
export function offsetOf(page: number, perPage: number): number {
  return Math.min((page - 1) * perPage, Number.MAX_SAFE_INTEGER);
}

export interface Ownership {
  /** undefined where the owner is gone, so that its role allows nothing. */
  readonly owner: TokenOwner | undefined;
  /** Requests per minute of a token without a limit of its own. */
  readonly defaultRateLimit: number;
  readonly secret?: IssuedToken['secret'];
}

export function toApiToken(token: TokenView, { owner, defaultRateLimit, secret }: Ownership): KatapultApiToken {
  return {
    id: tokenId(token.id),
    name: token.name,
    organization_id: token.userId === null ? organizationId(token.organizationId) : null,
    authorized_ip_addresses: token.authorizedIpAddresses,
    expires_at: token.expiresAt === null ? null : unixSeconds(new Date(token.expiresAt)),
    rate_limit: token.rateLimit ?? defaultRateLimit,
    scopes: owner === undefined ? (token.scopes ?? []) : statedScopes(owner, token.scopes),
    secret: secret ?? null,
  };
}

export function toAnnotations({ annotations }: TokenView): KatapultAnnotation[] {
  return Object.entries(annotations).map(([key, value]) => ({ key, value }));
}

export function toOrganization({ id, name, slug, createdAt, suspendedAt }: Organization): KatapultOrganization {
  return {
    id: organizationId(id),
    name,
    sub_domain: slug,
    created_at: unixSeconds(createdAt),
    suspended: suspendedAt !== null,
  };
}

function unixSeconds(moment: Date): number {
  return Math.floor(moment.getTime() / 1_000);
}

/** The last second of the years that RFC 3339 can write. */
const UNIX_SECONDS_MAX = 253_402_300_799;

/** The members of a request of the core's; its rules are not looked at yet. */
export function toTokenRequest(
  properties: PropertiesArgument,
  annotations: readonly AnnotationArgument[] | undefined,
): Record<string, unknown> {
  return {
    name: properties.name === null ? '' : properties.name,
    scopes: properties.scopes,
    authorizedIpAddresses: properties.authorizedIpAddresses,
    expiresAt: typeof properties.expiresAt === 'number' ? rfc3339(properties.expiresAt) : properties.expiresAt,
    annotations: annotations && annotationsOf(annotations),
  };
}

/** The same for a new token: without a name it breaks a rule, and without scopes it may do nothing. */
export function toNewTokenRequest(
  properties: PropertiesArgument,
  annotations: readonly AnnotationArgument[] | undefined,
): Record<string, unknown> {
  return toTokenRequest({ ...properties, name: properties.name ?? '', scopes: properties.scopes ?? [] }, annotations);
}

/** A moment as the core reads it; one beyond its calendar becomes text that is none, so that the core's rule says so. */
function rfc3339(seconds: number): string {
  return Math.abs(seconds) > UNIX_SECONDS_MAX ? String(seconds) : new Date(seconds * 1_000).toISOString();
}

/** @throws Refusal request.invalid where a key is there twice: which of the values was meant cannot be known */
function annotationsOf(annotations: readonly AnnotationArgument[]): Record<string, string> {
  const pairs = annotations.map(({ key, value }) => [key, value] as const);
  if (new Set(pairs.map(([key]) => key)).size < pairs.length)
    throw invalidAt('body.annotations', 'must not have the same key twice');
  return Object.fromEntries(pairs);
}
