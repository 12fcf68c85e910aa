import { BlockList, isIPv6 } from 'node:net';
import { BUILT_IN_ROLES, roleScopes } from '../access/built-in-roles.js';
import type { Principal } from '../access/principal.js';
import { expandAliases, holds, intersectScopes } from '../access/scopes.js';
import { asciiJson } from '../common/ascii-json.js';
import { normalizeAddress } from '../common/ip-address.js';
import type { CredentialRow } from './credential-query.js';
import { BEGINNINGS, type CredentialState } from './verification-code.js';

/**
 * A credential made ready for being judged many times: what can be computed once is, and what is only shown is kept as
 * the JSON that shows it. A hundred thousand of them are in memory, so it holds little more than that.
 */
export class KnownCredential {
  readonly secretId: string;
  readonly pepperId: string;
  readonly tokenId: string;
  readonly organizationId: string;
  readonly rateLimit: number | null;
  readonly isPlatform: boolean;
  /** Milliseconds since 1970; infinite for a token that does not expire. */
  readonly expiresAt: number;
  /** What it may do today: what it says, within what the role of its owner allows. */
  readonly scopes: readonly string[];
  /** Whom its bearer may ask about; it depends on nothing but the scopes. */
  readonly mayVerify: 'every organization' | 'its organization' | 'nobody';
  /** The JSON that is answered when it is good, whole: most answers are this one, and joining texts for each would cost. */
  readonly validText: string;
  /** A use that is not written to the database yet: moment (0: none), address and user agent. */
  usedAt = 0;
  usedIp: string | undefined;
  usedUserAgent: string | undefined;

  private readonly kind: Principal['kind'];
  private readonly issuedAt: number;
  private introspected: string | undefined;
  private headers: readonly string[] | undefined;
  /** Service account or person. */
  private readonly ownerId: string | null;
  private readonly name: string;
  /** What it is as long as it has not come to its end. */
  private readonly state: Exclude<CredentialState, 'EXPIRED'>;
  private readonly retiresAt: number;
  /** The scopes with aliases replaced; most often the same list. */
  private readonly heldScopes: readonly string[];
  private readonly authorized: Ranges | undefined;

  /** @param readAt when the row was read, in milliseconds since 1970 */
  constructor(
    row: CredentialRow,
    readonly readAt: number,
  ) {
    this.secretId = row.secretId;
    this.pepperId = interned(row.pepperId);
    this.tokenId = row.tokenId;
    this.organizationId = interned(row.organizationId);
    this.rateLimit = row.rateLimit;
    this.isPlatform = row.isPlatform;
    this.issuedAt = row.createdAt;
    this.expiresAt = row.expiresAt ?? Infinity;
    this.retiresAt = row.secretRetiresAt ?? Infinity;
    this.ownerId = internedOrNull(row.serviceAccountId ?? row.userId);
    this.kind = row.serviceAccountId !== null ? 'service_account' : row.userId !== null ? 'user' : 'organization';
    this.name = interned(row.serviceAccountName ?? row.userName ?? row.tokenName);
    this.state = stateOf(row);
    this.scopes = internedList(effectiveScopes(row));
    this.heldScopes = expandAliases(this.scopes);
    this.authorized = rangesOf(row.authorizedIpAddresses);
    this.mayVerify = reachOf(row.isPlatform, this.heldScopes);
    this.validText = inOnePiece(`${BEGINNINGS.VALID}${shownMembers(row, this.scopes)}}`);
  }

  /** The members that a verification shows, as JSON without braces, beginning with a comma. */
  get shown(): string {
    return this.validText.slice(BEGINNINGS.VALID.length, -1);
  }

  /** Expiry is by the clock, however long ago the row was read. */
  stateAt(now: number): CredentialState {
    if (this.state === 'REVOKED' || this.retiresAt <= now) return 'REVOKED';
    return this.expiresAt <= now ? 'EXPIRED' : this.state;
  }

  /** Whether a change of the thing with this id may make it wrong. A role counts as a change of its organization. */
  dependsOn(id: string): boolean {
    return id === this.tokenId || id === this.ownerId || id === this.organizationId;
  }

  /** One that is restricted to addresses may not be used from an address that is not known. */
  allowsAddress(ipAddress: string | undefined): boolean {
    if (this.authorized === undefined) return true;
    const address = ipAddress === undefined ? undefined : normalizeAddress(ipAddress);
    if (address === undefined) return false;
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    return this.authorized[family].check(address, family);
  }

  holdsAll(needed: readonly string[]): boolean {
    for (const scope of needed) if (!holds(this.heldScopes, scope)) return false;
    return true;
  }

  /** The body of RFC 7662 §2.2 for a token that is active, as JSON; made when it is first asked for. */
  get introspection(): string {
    this.introspected ??= asciiJson({
      active: true,
      scope: this.scopes.join(' '),
      client_id: this.kind === 'service_account' ? this.ownerId : this.tokenId,
      sub: this.ownerId ?? this.tokenId,
      username: this.name,
      token_type: 'Bearer',
      exp: this.expiresAt === Infinity ? undefined : Math.floor(this.expiresAt / 1_000),
      iat: Math.floor(this.issuedAt / 1_000),
      jti: this.tokenId,
      organization_id: this.organizationId,
    });
    return this.introspected;
  }

  /**
   * Who it is, as headers for the service behind a proxy, names and values by turns; made when they are first asked for.
   * None holds text that a person typed.
   */
  get identityHeaders(): readonly string[] {
    this.headers ??= identityHeadersOf(this.shown, this.tokenId);
    return this.headers;
  }

  toPrincipal(): Principal {
    return {
      kind: this.kind,
      id: this.ownerId ?? this.tokenId,
      name: this.name,
      organizationId: this.organizationId,
      isPlatform: this.isPlatform,
      userId: this.kind === 'user' ? (this.ownerId ?? undefined) : undefined,
      tokenId: this.tokenId,
      rateLimit: this.rateLimit ?? undefined,
      scopes: this.scopes,
    };
  }
}

function stateOf(row: CredentialRow): Exclude<CredentialState, 'EXPIRED'> {
  if (row.revokedAt !== null || row.isDeleted) return 'REVOKED';
  if (row.userId !== null && row.isRemoved) return 'REVOKED';
  if (row.isDisabled) return 'DISABLED';
  return row.isSuspended ? 'SUSPENDED' : 'VALID';
}

function effectiveScopes({
  tokenScopes,
  roleNumber,
  customRoleScopes,
  serviceAccountId,
  userId,
}: CredentialRow): readonly string[] {
  if (roleNumber !== null) {
    const allowed = roleScopes(roleNumber, customRoleScopes);
    return tokenScopes === null ? allowed : intersectScopes(tokenScopes, allowed);
  }
  if (tokenScopes !== null) return tokenScopes;
  // A token of the organization itself without scopes of its own has the admin role.
  return serviceAccountId === null && userId === null ? BUILT_IN_ROLES.admin.scopes : [];
}

/** Whom the holder of these scopes may ask about. */
export function reachOf(isPlatform: boolean, scopes: readonly string[]): KnownCredential['mayVerify'] {
  if (isPlatform && holds(scopes, 'platform:verify')) return 'every organization';
  return holds(scopes, 'api_tokens:verify') ? 'its organization' : 'nobody';
}

/** Ranges by family: one list for both would take an IPv4 address for the IPv6 addresses that embed it, and the other way round. */
interface Ranges {
  readonly ipv4: BlockList;
  readonly ipv6: BlockList;
}

function rangesOf(ranges: readonly string[]): Ranges | undefined {
  if (ranges.length === 0) return undefined;
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const range of ranges) {
    const [network = '', prefix] = range.split('/');
    const family = isIPv6(network) ? 'ipv6' : 'ipv4';
    lists[family].addSubnet(network, Number(prefix ?? (family === 'ipv6' ? 128 : 32)), family);
  }
  return lists;
}

function shownMembers(row: CredentialRow, scopes: readonly string[]): string {
  const members = {
    organization: { id: row.organizationId, slug: row.organizationSlug },
    serviceAccount:
      row.serviceAccountId === null
        ? undefined
        : { id: row.serviceAccountId, slug: row.serviceAccountSlug, name: row.serviceAccountName },
    user: row.userId === null ? undefined : { id: row.userId, name: row.userName ?? undefined },
    token: { id: row.tokenId, slug: row.tokenSlug, name: row.tokenName },
    scopes,
    expiresAt: row.expiresAt === null ? undefined : new Date(row.expiresAt).toISOString(),
    annotations: row.annotations,
  };
  return `,${asciiJson(members).slice(1, -1)}`;
}

function identityHeadersOf(shown: string, tokenId: string): readonly string[] {
  const { organization, serviceAccount, user, scopes } = JSON.parse(`{${shown.slice(1)}}`) as {
    organization: { id: string; slug: string };
    serviceAccount?: { id: string; slug: string };
    user?: { id: string };
    scopes: string[];
  };
  const headers = {
    'x-keyward-organization-id': organization.id,
    'x-keyward-organization': organization.slug,
    ...(serviceAccount
      ? { 'x-keyward-service-account-id': serviceAccount.id, 'x-keyward-service-account': serviceAccount.slug }
      : {}),
    ...(user ? { 'x-keyward-user-id': user.id } : {}),
    'x-keyward-token-id': tokenId,
    'x-keyward-scopes': scopes.join(' '),
  };
  return Object.entries(headers).flat();
}

/** Most different texts that are shared between credentials; many tokens have the same organization and the same scopes. */
const INTERNED_MAX = 20_000;
const texts = new Map<string, string>();
const lists = new Map<string, readonly string[]>();

/** V8 keeps a joined text as a tree of its pieces; read often, or kept a hundred thousand times, it had better be one. */
function inOnePiece(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1');
}

function internedOrNull(text: string | null): string | null {
  return text === null ? null : interned(text);
}

function interned(text: string): string {
  return shared(texts, text, text);
}

function internedList(list: readonly string[]): readonly string[] {
  return shared(lists, list.join(' '), list);
}

function shared<T>(pool: Map<string, T>, key: string, value: T): T {
  const known = pool.get(key);
  if (known !== undefined) return known;
  if (pool.size >= INTERNED_MAX) pool.clear();
  pool.set(key, value);
  return value;
}
