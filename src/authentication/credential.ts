import type { FastifyRequest } from 'fastify';
import type { RequestOrigin } from '../access/principal.js';
import { hasSeveralAuthorizations } from '../common/authorization-header.js';

/** What the Authorization header of a request holds. */
export type Credential =
  | { readonly kind: 'absent' }
  | { readonly kind: 'malformed'; readonly reason: string }
  | { readonly kind: 'jwt' | 'api_token'; readonly value: string };

/** Three base64url parts (RFC 7515 §7.1), the first of which begins like a JSON object; the signature is empty where `alg` is `none`. */
const LOOKS_LIKE_JWT = /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/;
const PRINTABLE = /^[\x21-\x7e]+$/;

/**
 * Reads the credential of a request: what has the shape of a JWT is a JWT, everything else is an API token, and nothing is
 * tried as both.
 */
export function readCredential(request: FastifyRequest): Credential {
  const header = request.headers.authorization;
  if (header === undefined) return { kind: 'absent' };
  if (hasSeveralAuthorizations(request.raw.rawHeaders)) {
    return { kind: 'malformed', reason: 'there are several Authorization headers' };
  }
  // RFC 9110 §11.1: the name of the scheme is case-insensitive. RFC 6750 §2.1: spaces, then the token.
  const [scheme = ''] = header.split(' ', 1);
  const value = header.slice(scheme.length).trim();
  if (scheme.toLowerCase() !== 'bearer' || value === '') return { kind: 'absent' };
  if (!PRINTABLE.test(value)) return { kind: 'malformed', reason: 'the credential holds a space or what is not ASCII' };
  return { kind: LOOKS_LIKE_JWT.test(value) ? 'jwt' : 'api_token', value };
}

/** The JWT of a request that has one. */
export function findJwt(request: FastifyRequest): string | undefined {
  const credential = readCredential(request);
  return credential.kind === 'jwt' ? credential.value : undefined;
}

/** Where the request comes from, for the audit trail. */
export function originOf(request: FastifyRequest): RequestOrigin {
  return { requestId: request.id, ipAddress: request.ip };
}
