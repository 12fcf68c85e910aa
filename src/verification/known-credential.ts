import { BlockList, isIPv6 } from 'node:net';
import type { Principal } from '../access/principal.js';
import { asciiJson } from '../common/ascii-json.js';
import { normalizeAddress } from '../common/ip-address.js';
import { type CredentialHolder, inOnePiece } from './credential-holder.js';
import type { CredentialRow } from './credential-query.js';
import { BEGINNINGS, type CredentialState, type VerificationCode } from './verification-code.js';

/** How the members of a token begin, before its id. */
const BEGINNING = ',"token":{"id":"';
const UUID_LENGTH = 36;

/**
 * A credential made ready for being judged many times: what can be computed once is, and what is only shown is kept as
 * the JSON that shows it. A hundred thousand of them are in memory, so it holds little more than that, and what they have
 * in common is its holder's.
 */
export class KnownCredential {
  readonly secretId: string;
  readonly pepperId: string;
  readonly rateLimit: number | null;
  /** Milliseconds since 1970; undefined for a token that does not expire. */
  readonly expiresAt: number | undefined;
  /** A use that is not written to the database yet: moment (0: none), address and user agent. */
  usedAt = 0;
  usedIp: string | undefined;
  usedUserAgent: string | undefined;

  private readonly issuedAt: number;
  private readonly retiresAt: number | undefined;
  private readonly isRevoked: boolean;
  private readonly authorized: Ranges | undefined;
  /** The members that only this token has, and the end of the answer, as JSON. */
  private readonly own: string;

  /** @param readAt when the row was read, in milliseconds since 1970 */
  constructor(
    row: CredentialRow,
    readonly holder: CredentialHolder,
    readonly readAt: number,
  ) {
    this.secretId = row.secretId;
    this.pepperId = interned(row.pepperId);
    this.rateLimit = row.rateLimit;
    this.issuedAt = row.createdAt;
    this.expiresAt = row.expiresAt ?? undefined;
    this.retiresAt = row.secretRetiresAt ?? undefined;
    this.isRevoked = row.revokedAt !== null;
    this.authorized = rangesOf(row.authorizedIpAddresses);
    this.own = ownMembers(row);
  }

  get tokenId(): string {
    return this.own.slice(BEGINNING.length, BEGINNING.length + UUID_LENGTH);
  }

  get organizationId(): string {
    return this.holder.organizationId;
  }

  get mayVerify(): CredentialHolder['mayVerify'] {
    return this.holder.mayVerify;
  }

  /** Expiry is by the clock, however long ago the row was read. */
  stateAt(now: number): CredentialState {
    const { state } = this.holder;
    if (this.isRevoked || state === 'REVOKED' || (this.retiresAt ?? Infinity) <= now) return 'REVOKED';
    return (this.expiresAt ?? Infinity) <= now ? 'EXPIRED' : state;
  }

  /** Whether a change of the thing with this id may make it wrong. A role counts as a change of its organization. */
  dependsOn(id: string): boolean {
    return id === this.holder.ownerId || id === this.holder.organizationId || id === this.tokenId;
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
    return this.holder.holdsAll(needed);
  }

  /** What a verification answers about it, as JSON; `more`: further members, each with a comma in front. */
  verification(code: VerificationCode, more = ''): string {
    if (code === 'VALID' && more === '') return this.holder.valid + this.own;
    return BEGINNINGS[code] + more + this.holder.shown + this.own;
  }

  /** The body of RFC 7662 §2.2 for a token that is active, as JSON. */
  get introspection(): string {
    const { tokenId, holder, expiresAt } = this;
    const end = expiresAt === undefined ? '}' : `,"exp":${Math.floor(expiresAt / 1_000)}}`;
    const own =
      holder.kind === 'organization'
        ? `,"client_id":"${tokenId}","sub":"${tokenId}","username":${asciiJson(this.name)}`
        : holder.kind === 'user'
          ? `,"client_id":"${tokenId}"`
          : '';
    return `{"active":true${holder.introspected}${own},"jti":"${tokenId}","iat":${Math.floor(this.issuedAt / 1_000)}${end}`;
  }

  /** Who it is, as headers for the service behind a proxy, names and values by turns. None holds text that a person typed. */
  get identityHeaders(): readonly string[] {
    return [...this.holder.identityHeaders, 'x-keyward-token-id', this.tokenId];
  }

  toPrincipal(): Principal {
    const { kind, ownerId, organizationId, isPlatform, scopes } = this.holder;
    return {
      kind,
      id: ownerId ?? this.tokenId,
      name: this.name,
      organizationId,
      isPlatform,
      userId: kind === 'user' ? (ownerId ?? undefined) : undefined,
      tokenId: this.tokenId,
      rateLimit: this.rateLimit ?? undefined,
      scopes,
    };
  }

  /** Of its owner, or its own where that is the organization or a person without a name. */
  private get name(): string {
    return this.holder.ownerName ?? (JSON.parse(`{${this.own.slice(1)}`) as { token: { name: string } }).token.name;
  }
}

function ownMembers(row: CredentialRow): string {
  const members = {
    token: { id: row.tokenId, slug: row.tokenSlug, name: row.tokenName },
    expiresAt: row.expiresAt === null ? undefined : new Date(row.expiresAt).toISOString(),
    annotations: row.annotations,
  };
  return inOnePiece(`,${asciiJson(members).slice(1)}`);
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

/** The few ids of peppers, each kept once. */
const pepperIds = new Map<string, string>();

function interned(pepperId: string): string {
  const known = pepperIds.get(pepperId);
  if (known !== undefined) return known;
  if (pepperIds.size >= 100) pepperIds.clear();
  pepperIds.set(pepperId, pepperId);
  return pepperId;
}
