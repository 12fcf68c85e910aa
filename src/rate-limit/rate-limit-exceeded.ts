import { Refusal } from '../errors/refusal.js';

/** The refusal of a caller who asks too often. Retry-After is in whole seconds and never 0 (RFC 9110 §10.2.3). */
export function rateLimitExceeded(retryAfterSeconds: number, detail?: string): Refusal {
  const headers = { 'retry-after': String(Math.max(1, Math.ceil(retryAfterSeconds))) };
  return new Refusal('rate_limit.exceeded', detail, { headers });
}

/** The refusal of an address from which too many credentials failed. */
export function tooManyFailures(retryAfterSeconds: number): Refusal {
  return rateLimitExceeded(retryAfterSeconds, 'Too many credentials from your address were not accepted.');
}
