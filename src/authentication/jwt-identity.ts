import type { JWTPayload } from 'jose';
import { EVERY_READ, EVERYTHING, intersectScopes, SCOPE_LENGTH_MAX, SCOPE_PATTERN } from '../access/scopes.js';
import type { JwtIdentity } from '../organizations/provisioning.service.js';
import { invalidCredential } from './invalid-credential.js';
import type { VerifiedJwt } from './jwt-trust.js';
import { isStorableText, toStorableText } from './storable-text.js';

/** Under which names a JWT carries what Keyward reads. */
export interface ClaimNames {
  readonly organization: string;
  readonly role: string;
  readonly scope: string;
}

const TEXT_LENGTH_MAX = 255;
const NAME_LENGTH_MAX = 200;
/** Most scopes that one claim may list. */
const SCOPES_MAX = 500;

/**
 * Reads who a verified JWT speaks for. A claim that is there but cannot be understood refuses the JWT (fail closed):
 * reading a broken scope or role as "not said" would give more than the issuer meant to.
 * @param scopePrefix what issuers may write in front of our scopes, such as the URL of an API
 * @throws Refusal authentication.invalid
 */
export function readIdentity({ issuer, claims }: VerifiedJwt, names: ClaimNames, scopePrefix = ''): JwtIdentity {
  const externalOrganizationId = readText(claims, names.organization);
  if (externalOrganizationId === undefined) throw invalidCredential(`the claim ${names.organization} is missing`);
  return {
    issuer,
    subject: requireText('sub', claims.sub),
    name: readName(claims),
    externalOrganizationId,
    role: readRole(claims, names.role),
    scopes: readScopes(claims, names.scope, scopePrefix),
  };
}

function requireText(name: string, value: unknown): string {
  if (!isStorableText(value, TEXT_LENGTH_MAX)) throw invalidCredential(`the claim ${name} cannot be used`);
  return value;
}

/** Own members only: a claim name such as `constructor` must not find what every object has. */
function readClaim(claims: JWTPayload, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

function readText(claims: JWTPayload, name: string): string | undefined {
  const value = readClaim(claims, name);
  return value === undefined ? undefined : requireText(name, value);
}

/** A role, or a list of just one, as some identity providers send every attribute. Of several, none is the authority. */
function readRole(claims: JWTPayload, name: string): string | undefined {
  const value = readClaim(claims, name);
  if (value === undefined) return undefined;
  return requireText(name, Array.isArray(value) && value.length === 1 ? value[0] : value);
}

/**
 * The scopes that the JWT is narrowed to; undefined when it says nothing about scopes. Where both the singular and the
 * plural claim are there, what both allow. Names that are no scopes are left out, which only narrows.
 */
function readScopes(claims: JWTPayload, name: string, prefix: string): readonly string[] | undefined {
  const [first, second] = [name, `${name}s`]
    .filter((each) => Object.hasOwn(claims, each))
    .map((each) => readScopeList(claims, each, prefix));
  return first !== undefined && second !== undefined ? intersectScopes(first, second) : first;
}

/** RFC 8693 §4.2: a string with spaces between the scopes. Many identity providers send a list instead. */
function readScopeList(claims: JWTPayload, name: string, prefix: string): readonly string[] {
  const value = claims[name];
  const entries: unknown = typeof value === 'string' ? value.split(' ') : value;
  if (!Array.isArray(entries) || entries.length > SCOPES_MAX || !entries.every((entry) => typeof entry === 'string')) {
    throw invalidCredential(`the claim ${name} is no string and no list of at most ${SCOPES_MAX} strings`);
  }
  const scopes = entries.map((entry) => (entry.startsWith(prefix) ? entry.slice(prefix.length) : entry));
  return [...new Set(scopes.filter(isScope))];
}

function isScope(text: string): boolean {
  return text === EVERYTHING || text === EVERY_READ || (text.length <= SCOPE_LENGTH_MAX && SCOPE_PATTERN.test(text));
}

/** What to call the person. For people to read, so it is cleaned and cut where the other claims are refused. */
function readName(claims: JWTPayload): string | undefined {
  for (const name of ['name', 'preferred_username', 'email']) {
    const value = readClaim(claims, name);
    const text = typeof value === 'string' ? toStorableText(value, NAME_LENGTH_MAX) : '';
    if (text !== '') return text;
  }
  return undefined;
}
