// The requests of each operation that is measured.
import { rawRequest } from './raw-connection.mjs';
import { administratorSecret, ASKER_SECRET, tokenSecret, unknownSecret } from './secrets.mjs';

export const ACCOUNT_TOKENS = 100;
export const BATCH_TOKENS = 1_000;
/** Some moment after all tokens, in milliseconds since 1970. */
const LATER_MS = Date.UTC(2100, 0);

const bearer = (secret) => ({ authorization: `Bearer ${secret}` });
const json = (secret) => ({ ...bearer(secret), 'content-type': 'application/json' });

export function verifyRequest(secret, more = {}) {
  return rawRequest('POST', '/tokens/verify', json(ASKER_SECRET), JSON.stringify({ token: secret, ...more }));
}

export function batchRequest(secrets) {
  const body = JSON.stringify({ tokens: secrets.map((token) => ({ token })) });
  return rawRequest('POST', '/tokens/verify-batch', json(ASKER_SECRET), body);
}

export function introspectRequest(secret) {
  const headers = { ...bearer(ASKER_SECRET), 'content-type': 'application/x-www-form-urlencoded' };
  return rawRequest('POST', '/oauth2/introspect', headers, `token=${secret}`);
}

export function forwardAuthRequest(secret) {
  const original = { 'x-forwarded-method': 'GET', 'x-forwarded-uri': '/orders/1' };
  return rawRequest('GET', '/forward-auth', { ...bearer(secret), ...original });
}

export function listRequest(account, query = '') {
  return rawRequest('GET', `/service-accounts/account-${account}/tokens${query}`, bearer(administratorSecret(0)));
}

export function createRequest(organization, account, name) {
  const body = JSON.stringify({ name, scopes: ['deployments:create', 'deployments:read'] });
  const path = `/service-accounts/issuer-${account}/tokens`;
  return rawRequest('POST', path, json(administratorSecret(organization)), body);
}

export function revokeRequest(account, number) {
  const path = `/service-accounts/account-${account}/tokens/token-${number}`;
  return rawRequest('DELETE', path, bearer(administratorSecret(0)));
}

/** A cursor of the native dialect, at a moment. */
function cursorOf(moment) {
  return Buffer.from(`tokens|${moment}|00000000-0000-0000-0000-000000000000`).toString('base64url');
}

const times = (count, make) => Array.from({ length: count }, (_, index) => make(index));

/** The same requests over and over. */
function cycle(requests) {
  let next = 0;
  return () => requests[next++ % requests.length];
}

/**
 * What the load generator sends, by the name of the operation: made in its own process from a few numbers.
 * @type {Record<string, (options: Record<string, any>) => () => Buffer>}
 */
const SOURCES = {
  verify: ({ numbers }) => cycle(numbersOf(numbers).map((number) => verifyRequest(tokenSecret(number)))),
  batch: ({ numbers }) => {
    const secrets = numbersOf(numbers).map(tokenSecret);
    const batches = times(8, (shift) =>
      times(BATCH_TOKENS, (index) => secrets[(index + shift * 100) % secrets.length]),
    );
    return cycle(batches.map(batchRequest));
  },
  introspect: ({ numbers }) => cycle(numbersOf(numbers).map((number) => introspectRequest(tokenSecret(number)))),
  forwardAuth: ({ numbers }) => cycle(numbersOf(numbers).map((number) => forwardAuthRequest(tokenSecret(number)))),
  list: ({ accounts }) => cycle(times(accounts, (account) => listRequest(account))),
  /** The same lists as pages that nobody has asked for before: each begins at a moment of its own in the future. */
  unknownList: ({ accounts, run }) => {
    let asked = 0;
    return () => {
      const moment = LATER_MS + run * 10_000_000 + asked;
      return listRequest(asked++ % accounts, `?limit=${ACCOUNT_TOKENS}&cursor=${cursorOf(moment)}`);
    };
  },
  create: ({ organizations, accounts, run }) => {
    let made = 0;
    return () => {
      const number = made++;
      return createRequest(number % organizations, Math.floor(number / organizations) % accounts, `${run}-${number}`);
    };
  },
  unknownForwardAuth: () => {
    let sent = 0;
    return () => forwardAuthRequest(unknownSecret(sent++));
  },
  unknownVerify: ({ addresses }) => {
    let sent = 0;
    return () => {
      const number = sent++;
      return verifyRequest(unknownSecret(number), { ipAddress: `198.51.100.${number % addresses}` });
    };
  },
  unknownBatch: () => {
    let sent = 0;
    return () => batchRequest(times(BATCH_TOKENS, () => unknownSecret(sent++)));
  },
  /** One request that somebody else has written, for the peers. */
  fixed: ({ requests }) => cycle(requests.map((text) => Buffer.from(text, 'latin1'))),
};

/** Evenly spread, or in an order of their own that repeats nothing: the numbers of tokens. */
function numbersOf({ count, of, shuffleFrom }) {
  if (shuffleFrom === undefined) return times(count, (index) => Math.floor((index * of) / count));
  // Steps of a length that shares no divisor with 10^n reach each number once.
  return times(count, (index) => ((index + shuffleFrom) * 7_368_787) % of);
}

export function sourceOf({ kind, ...options }) {
  return SOURCES[kind](options);
}
