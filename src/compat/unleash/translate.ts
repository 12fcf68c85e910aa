import { CUSTOM_ROLE_NUMBER_MIN, type RoleDefinition } from '../../access/built-in-roles.js';
import { parseRfc3339 } from '../../common/validation-rules.js';
import { Refusal } from '../../errors/refusal.js';
import type { ServiceAccountDraft, ServiceAccountView } from '../../service-accounts/service-accounts.service.js';
import type { TokenDraft } from '../../tokens/token-issuer.service.js';
import type { TokenView } from '../../tokens/token-view.js';
import type { CreateUnleashPatRequest, UnleashPat } from './dto/unleash-pat.dto.js';
import type { UnleashRole, UnleashServiceAccount } from './dto/unleash-service-account.dto.js';

/** Stands where an account has no role: `rootRole` is always sent. */
export const NO_ROLE = 0;
/** `expiresAt` is always a moment here. What never expires is told to expire behind everything that a client reckons with. */
const NEVER = '9999-12-31T23:59:59.999Z';
/** A grey disc. Nobody's picture is fetched from another host, which would learn who looks at whom. */
const NEUTRAL_IMAGE = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2"><circle cx="1" cy="1" r="1" fill="#999"/></svg>',
)}`;

export function toUnleashAccount({ account, tokens }: ServiceAccountView): UnleashServiceAccount {
  return {
    id: account.number,
    isAPI: false,
    name: account.name,
    username: account.slug,
    imageUrl: NEUTRAL_IMAGE,
    rootRole: account.roleNumber ?? NO_ROLE,
    createdAt: account.createdAt.toISOString(),
    tokens: tokens.map((token) => toUnleashPat(token, account.number)),
  };
}

/** @param accountNumber of the service account that it belongs to; undefined for a person's, who have no numbers */
export function toUnleashPat(token: TokenView, accountNumber: number | undefined): UnleashPat {
  return {
    id: token.number,
    description: token.name,
    expiresAt: token.expiresAt ?? NEVER,
    createdAt: token.createdAt,
    seenAt: token.lastUsedAt,
    ...(accountNumber === undefined ? {} : { userId: accountNumber }),
  };
}

type RoleView = Pick<RoleDefinition, 'number' | 'name'> & { readonly description: string | null };

/** The roles that an account can be given, by number. Owner is for people, and the published contract does not know it. */
export function toUnleashRoles(roles: readonly RoleView[], ownerNumber: number): UnleashRole[] {
  return roles
    .filter(({ number }) => number !== ownerNumber)
    .sort((one, other) => one.number - other.number)
    .map(({ number, name, description }) => ({
      id: number,
      type: number < CUSTOM_ROLE_NUMBER_MIN ? 'root' : 'root-custom',
      name,
      description: description ?? '',
      project: null,
    }));
}

/** What an account is to become. `role` is the slug behind `rootRole`; null: none, undefined: as it is. */
export function toAccountChanges(
  body: { readonly name?: string },
  role: string | null | undefined,
): Partial<ServiceAccountDraft> {
  return { name: body.name, role };
}

/**
 * A token without scopes of its own, which carries the role of its owner.
 * @throws Refusal request.invalid with the published sentence for an expiry that is not later than `now`
 */
export function toTokenDraft({ description, expiresAt }: CreateUnleashPatRequest, now: Date): TokenDraft {
  const moment = parseRfc3339(expiresAt);
  if (moment === undefined || moment <= now) {
    throw new Refusal('request.invalid', 'The expiry date should be in future.', {
      errors: [{ location: 'body.expiresAt', message: 'must be in the future', value: expiresAt }],
    });
  }
  return { name: description, scopes: null, expiresAt: moment };
}

/** Members of the core under the names that they have here, for what the core finds wrong with them. */
const WIRE_NAMES: Readonly<Record<string, string>> = {
  'body.role': 'body.rootRole',
  'body.slug': 'body.username',
};
const PLACES: Readonly<Record<string, string>> = { path: 'params', header: 'headers' };

/** The location of the core's words as this dialect writes it, in dots. */
export function toWireLocation(location: string): string {
  return WIRE_NAMES[location] ?? location;
}

/** `body.tokens[1]` as `/body/tokens/1`, `path.id` as `/params/id`. */
export function toWirePath(location: string): string {
  const [place = '', ...steps] = location.split(/[.[\]]+/).filter((step) => step !== '');
  return `/${[PLACES[place] ?? place, ...steps].join('/')}`;
}
