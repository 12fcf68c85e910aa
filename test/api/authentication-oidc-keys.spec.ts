import { jest } from '@jest/globals';
import { discoveryUrl, keySetUrl } from '../../src/authentication/issuer-document.js';
import { mintDevelopmentJwt } from '../../src/authentication/mint-development-jwt.js';
import { IdentityProvider } from '../support/identity-provider.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import { call, expectTheSame401, HS256_SECRET, statusOf, trustIn } from '../support/sign-in.js';

/** How the keys of the issuer are had, kept and given up. Each test has a service that knows no keys yet. */
const MINUTE_MS = 60_000;
const DISCOVERY = '/.well-known/openid-configuration';
const person = { sub: 'kim', org: 'keys' };

let provider: IdentityProvider;
const running: Keyward[] = [];
/** How far the clock by which keys age is ahead. It never goes back. */
let skewMs = 0;

beforeAll(async () => {
  const now = performance.now.bind(performance);
  jest.spyOn(performance, 'now').mockImplementation(() => now() + skewMs);
  provider = await IdentityProvider.start();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((keyward) => keyward.close()));
});

afterAll(async () => {
  await provider.goDown();
  jest.restoreAllMocks();
});

async function start(env: Record<string, string> = {}): Promise<Keyward> {
  const keyward = await startKeyward({ env: { ...trustIn(provider), ...env } });
  running.push(keyward);
  return keyward;
}

it('accepts a new key of the issuer at once, without a restart, and the withdrawn one no more', async () => {
  const keyward = await start();
  const old = await provider.issue(person);
  expect(await statusOf(keyward, old)).toBe(200);
  await provider.rotateKeys();
  expect(await statusOf(keyward, await provider.issue(person))).toBe(200);
  expectTheSame401(await call(keyward, old));
});

it('refuses a withdrawn key after some minutes, also when nobody shows a new one', async () => {
  const keyward = await start();
  const old = await provider.issue(person);
  expect(await statusOf(keyward, old)).toBe(200);
  await provider.rotateKeys();
  skewMs += 11 * MINUTE_MS;
  expectTheSame401(await call(keyward, old));
});

it('fetches keys at most once per cool-down, however many key ids are made up', async () => {
  const keyward = await start();
  const flood = async (): Promise<number> => {
    const before = provider.keySetRequests;
    for (const round of ['a', 'b', 'c']) {
      const kids = Array.from({ length: 20 }, (_, index) => `${round}${index}`);
      const jwts = kids.map((kid) => provider.sign(provider.goodClaims(person), 'RS256', { kid }));
      await Promise.all(jwts.map(async (jwt) => expectTheSame401(await call(keyward, await jwt))));
    }
    return provider.keySetRequests - before;
  };
  expect(await statusOf(keyward, await provider.issue(person))).toBe(200);
  expect(await flood()).toBe(1);
  expect(await flood()).toBe(0);
  skewMs += 10_100;
  expect(await flood()).toBe(1);
});

it('fetches nothing for algorithms that are not pinned, nor for HS256', async () => {
  const keyward = await start();
  const before = provider.keySetRequests;
  expectTheSame401(await call(keyward, await provider.sign(provider.goodClaims(person), 'RS512')));
  expect(await statusOf(keyward, await mintDevelopmentJwt(HS256_SECRET, person, 60))).toBe(200);
  expect(provider.keySetRequests).toBe(before);
});

it('goes on with the keys it has while the issuer is down, for a day; answers 503 for others until it is back', async () => {
  const keyward = await start();
  const known = await provider.issue(person);
  expect(await statusOf(keyward, known)).toBe(200);
  await provider.rotateKeys();
  const unknown = await provider.issue(person);
  await provider.goDown();

  const refused = await call(keyward, unknown);
  expectProblem(refused, 503, 'authentication.unavailable');
  expect(refused.headers.get('retry-after')).toBe('5');
  expect(await statusOf(keyward, known)).toBe(200);
  skewMs += 60 * MINUTE_MS;
  expect(await statusOf(keyward, known)).toBe(200);
  skewMs += 24 * 60 * MINUTE_MS;
  expectProblem(await call(keyward, known), 503, 'authentication.unavailable');

  await provider.comeBack();
  skewMs += 5_100;
  expect(await statusOf(keyward, unknown)).toBe(200);
  expectTheSame401(await call(keyward, known));
});

it('does not make people with a known key wait for an issuer that hangs', async () => {
  const keyward = await start({ AUTH_ISSUER_TIMEOUT_MS: '4000' });
  const known = await provider.issue(person);
  expect(await statusOf(keyward, known)).toBe(200);
  provider.detour(DISCOVERY, () => undefined);
  skewMs += 11 * MINUTE_MS;
  expect(await statusOf(keyward, known)).toBe(200); // this one waits: nothing says yet that the issuer hangs
  skewMs += 5_100;
  const began = Date.now();
  expect(await statusOf(keyward, known)).toBe(200);
  expect(Date.now() - began).toBeLessThan(3_000);
  provider.detour(DISCOVERY, undefined);
});

it('starts without the issuer and answers 503, never a 401, until it is there', async () => {
  const jwt = await provider.issue(person);
  await provider.goDown();
  const keyward = await start();
  expectProblem(await call(keyward, jwt), 503, 'authentication.unavailable');
  expect(await statusOf(keyward, await mintDevelopmentJwt(HS256_SECRET, person, 60))).toBe(200);
  await provider.comeBack();
  expectProblem(await call(keyward, jwt), 503, 'authentication.unavailable'); // the issuer is not asked again that soon
  skewMs += 5_100;
  expect(await statusOf(keyward, jwt)).toBe(200);
});

it.each<[string, string, (answer: { json(body: object): void; redirect(): void; fail(): void }) => void]>([
  [
    'a discovery document of another issuer',
    DISCOVERY,
    ({ json }) => json({ issuer: `${provider.issuer}/`, jwks_uri: `${provider.issuer}/jwks` }),
  ],
  [
    'a discovery document without an address of keys',
    DISCOVERY,
    ({ json }) => json({ issuer: provider.issuer, jwks_uri: 'file:///etc/passwd' }),
  ],
  ['a key set that redirects elsewhere', '/jwks', ({ redirect }) => redirect()],
  ['a key set that is too large', '/jwks', ({ json }) => json({ keys: [], padding: 'x'.repeat(300_000) })],
  ['a key set that is none', '/jwks', ({ json }) => json({ keys: 'none' })],
  ['a key set with an error status', '/jwks', ({ fail }) => fail()],
  ['a key set that never comes', '/jwks', () => undefined],
])('takes no keys from %s: 503, then it heals', async (_, path, answer) => {
  const keyward = await start({ AUTH_ISSUER_TIMEOUT_MS: '300' });
  const jwt = await provider.issue(person);
  provider.detour(path, (_request, response) => {
    const json = (body: object, status = 200): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const redirect = (): void => void response.writeHead(302, { location: `${provider.issuer}/jwks?elsewhere` }).end();
    answer({ json, redirect, fail: () => json({ keys: [] }, 500) });
  });
  const began = Date.now();
  expectProblem(await call(keyward, jwt), 503, 'authentication.unavailable');
  expect(Date.now() - began).toBeLessThan(5_000);
  provider.detour(path, undefined);
  skewMs += 5_100;
  expect(await statusOf(keyward, jwt)).toBe(200);
});

it('keeps the keys of two services in one process apart', async () => {
  const elsewhere = await IdentityProvider.start();
  const here = await start();
  await start({ AUTH_ISSUER: elsewhere.issuer, AUTH_JWT_SECRET: '' });
  expectTheSame401(await call(here, await elsewhere.issue(person)));
  expect(await statusOf(here, await provider.issue(person))).toBe(200);
  await elsewhere.goDown();
});

it.each([
  'http://issuer.example/jwks',
  'file:///etc/passwd',
  'data:application/json,{"keys":[]}',
  '/jwks',
  '',
  7,
  undefined,
])('takes no keys of an https issuer from %j', (address) => {
  expect(() => keySetUrl(address, 'https://issuer.example')).toThrow('names no jwks_uri');
});

it('takes keys from another host over https, as some issuers publish theirs', () => {
  expect(keySetUrl('https://keys.example/jwks', 'https://issuer.example').href).toBe('https://keys.example/jwks');
});

it.each(['https://issuer.example/tenant', 'https://issuer.example/tenant/'])(
  'discovers %s below its path',
  (issuer) => {
    expect(discoveryUrl(issuer).href).toBe('https://issuer.example/tenant/.well-known/openid-configuration');
  },
);
