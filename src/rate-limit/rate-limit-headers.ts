import { type RateState, WINDOW_SECONDS } from './rate-limiter.service.js';

/**
 * The header fields of draft-ietf-httpapi-ratelimit-headers-11, §3 and §4: `q` requests are allowed per window of `w`
 * seconds, and `r` of them are left for the next `t` seconds.
 * @param policy a name that needs no escaping in a quoted string
 */
export function rateLimitHeaders(policy: string, state: RateState): Record<string, string> {
  return {
    'ratelimit-policy': `"${policy}";q=${state.limit};w=${WINDOW_SECONDS}`,
    ratelimit: `"${policy}";r=${state.remaining};t=${state.resetSeconds}`,
  };
}
