import { hasSeveralAuthorizations } from '../common/authorization-header.js';
import { Refusal } from '../errors/refusal.js';
import { type CredentialHolder, reachOf } from './credential-holder.js';
import type { PlaneRequest } from './plane-request.js';
import type { Verifier } from './verifier.service.js';

/** Who asks about tokens, and about whose. */
export interface Asker {
  readonly organizationId: string;
  readonly mayVerify: CredentialHolder['mayVerify'];
}

/**
 * The bearer token of a request (RFC 6750 §2.1), the scheme in any case. Cheap: this runs for each request.
 * @throws Refusal authentication.invalid for several Authorization headers
 */
export function bearerOf(request: PlaneRequest): string | undefined {
  const header = request.headers.authorization;
  if (header === undefined || header.length < 8 || header.charCodeAt(6) !== 32) return undefined;
  if (!header.startsWith('Bearer') && header.slice(0, 6).toLowerCase() !== 'bearer') return undefined;
  if (hasSeveralAuthorizations(request.raw.rawHeaders)) throw notAccepted();
  const secret = header.slice(7);
  return secret.includes(' ') ? secret.trim() : secret;
}

/**
 * Who sent a request to the verification plane. A principal is there when the request came through the application's
 * guard; otherwise the token is judged here, by the same verifier.
 * @throws Refusal authentication.required, authentication.invalid, access.denied, …
 */
export function requireAsker(verifier: Verifier, request: PlaneRequest): Asker | Promise<Asker> {
  const principal = request.caller?.principal;
  if (principal !== undefined) {
    return allowed({
      organizationId: principal.organizationId,
      mayVerify: reachOf(principal.isPlatform, principal.scopes),
    });
  }
  const secret = bearerOf(request);
  if (secret === undefined)
    throw new Refusal('authentication.required', undefined, { headers: { 'www-authenticate': 'Bearer' } });
  const known = verifier.findAskerNow(request.raw.socket, secret, request.ip, request.headers['user-agent']);
  return known === undefined
    ? verifier.findAsker(secret, request.ip, request.headers['user-agent']).then(allowed, challenge)
    : allowed(known);
}

function allowed<A extends Asker>(asker: A): A {
  if (asker.mayVerify !== 'nobody') return asker;
  throw new Refusal(
    'access.denied',
    'This needs the scope platform:verify, or api_tokens:verify for the tokens of your own organization.',
    {
      headers: { 'www-authenticate': 'Bearer error="insufficient_scope", scope="platform:verify api_tokens:verify"' },
    },
  );
}

function challenge(error: unknown): never {
  if (!(error instanceof Refusal) || error.code !== 'authentication.invalid') throw error;
  throw notAccepted(error);
}

function notAccepted(cause?: unknown): Refusal {
  const headers = { 'www-authenticate': 'Bearer error="invalid_token"' };
  return new Refusal('authentication.invalid', undefined, { headers, cause });
}

/** The organization outside of which nothing exists for the asker. */
export function boundsOf(asker: Asker): string | undefined {
  return asker.mayVerify === 'every organization' ? undefined : asker.organizationId;
}
