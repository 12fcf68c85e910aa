import { BUILT_IN_ROLES, roleScopes } from '../access/built-in-roles.js';
import type { Principal } from '../access/principal.js';
import { expandAliases, holds, intersectScopes } from '../access/scopes.js';
import { asciiJson } from '../common/ascii-json.js';
import type { CredentialRow } from './credential-query.js';
import { BEGINNINGS, type CredentialState } from './verification-code.js';

/**
 * What credentials of the same owner with the same scopes have in common. Most of what is known of a token is, so it is
 * kept once, ready to be compared and shown: a hundred thousand tokens are in memory.
 */
export class CredentialHolder {
  readonly organizationId: string;
  readonly isPlatform: boolean;
  readonly kind: Principal['kind'];
  /** Service account or person. */
  readonly ownerId: string | null;
  /** Of the owner; a token of the organization itself goes by its own name. */
  readonly ownerName: string | null;
  /** What its tokens are as long as nothing is wrong with them. */
  readonly state: Exclude<CredentialState, 'EXPIRED'>;
  /** What they may do today: what they say, within what the role of their owner allows. */
  readonly scopes: readonly string[];
  /** Whom their bearers may ask about; it depends on nothing but the scopes. */
  readonly mayVerify: 'every organization' | 'its organization' | 'nobody';
  /** The members that a verification shows, as JSON without braces, beginning with a comma. */
  readonly shown: string;
  /** How the answer about one that is good begins: most answers are this one, and joining texts for each would cost. */
  readonly valid: string;
  /** The scopes with aliases replaced; most often the same list. */
  private readonly heldScopes: readonly string[];

  constructor(row: CredentialRow, scopes: readonly string[], shown: string) {
    this.organizationId = row.organizationId;
    this.isPlatform = row.isPlatform;
    this.ownerId = row.serviceAccountId ?? row.userId;
    this.ownerName = row.serviceAccountName ?? row.userName;
    this.kind = kindOf(row);
    this.state = stateOf(row);
    this.scopes = scopes;
    this.heldScopes = expandAliases(scopes);
    this.mayVerify = reachOf(row.isPlatform, this.heldScopes);
    this.shown = shown;
    this.valid = inOnePiece(`${BEGINNINGS.VALID}${shown}`);
  }

  holdsAll(needed: readonly string[]): boolean {
    for (const scope of needed) if (!holds(this.heldScopes, scope)) return false;
    return true;
  }

  /** The members of RFC 7662 §2.2 that are the same for all of its tokens, as JSON without braces, beginning with a comma. */
  get introspected(): string {
    this.introspection ??= membersOf({
      scope: this.scopes.join(' '),
      token_type: 'Bearer',
      organization_id: this.organizationId,
      ...(this.ownerId === null ? {} : { sub: this.ownerId, username: this.ownerName ?? undefined }),
      ...(this.kind === 'service_account' ? { client_id: this.ownerId } : {}),
    });
    return this.introspection;
  }
  private introspection: string | undefined;

  /** Who it is, as headers for the service behind a proxy, names and values by turns. None holds text that a person typed. */
  get identityHeaders(): readonly string[] {
    this.headers ??= identityHeadersOf(this.shown);
    return this.headers;
  }
  private headers: readonly string[] | undefined;
}

/** Holders by all that they show, so that credentials share them. */
export class CredentialHolders {
  private readonly holders = new Map<string, CredentialHolder>();
  private characters = 0;

  /** @param charactersMax most characters of what they show, each of which is there three times; beyond it some holders are there twice */
  constructor(private readonly charactersMax: number) {}

  of(row: CredentialRow): CredentialHolder {
    const scopes = effectiveScopes(row);
    const shown = shownMembers(row, scopes);
    const key = `${stateOf(row)} ${row.isPlatform} ${shown}`;
    const known = this.holders.get(key);
    if (known !== undefined) return known;
    const holder = new CredentialHolder(row, scopes, shown);
    if (this.characters + key.length > this.charactersMax) {
      this.holders.clear();
      this.characters = 0;
    }
    this.holders.set(key, holder);
    this.characters += key.length;
    return holder;
  }
}

function kindOf(row: CredentialRow): Principal['kind'] {
  if (row.serviceAccountId !== null) return 'service_account';
  return row.userId !== null ? 'user' : 'organization';
}

function stateOf(row: CredentialRow): CredentialHolder['state'] {
  if (row.isDeleted || (row.userId !== null && row.isRemoved)) return 'REVOKED';
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
export function reachOf(isPlatform: boolean, scopes: readonly string[]): CredentialHolder['mayVerify'] {
  if (isPlatform && holds(scopes, 'platform:verify')) return 'every organization';
  return holds(scopes, 'api_tokens:verify') ? 'its organization' : 'nobody';
}

function shownMembers(row: CredentialRow, scopes: readonly string[]): string {
  const members = {
    organization: { id: row.organizationId, slug: row.organizationSlug },
    serviceAccount:
      row.serviceAccountId === null
        ? undefined
        : { id: row.serviceAccountId, slug: row.serviceAccountSlug, name: row.serviceAccountName },
    user: row.userId === null ? undefined : { id: row.userId, name: row.userName ?? undefined },
    scopes,
  };
  return membersOf(members);
}

/** As JSON without braces, beginning with a comma. */
function membersOf(value: object): string {
  return `,${asciiJson(value).slice(1, -1)}`;
}

function identityHeadersOf(shown: string): readonly string[] {
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
    'x-keyward-scopes': scopes.join(' '),
  };
  return Object.entries(headers).flat();
}

/** V8 keeps a joined text as a tree of its pieces; read often, or kept a hundred thousand times, it had better be one. */
export function inOnePiece(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1');
}
