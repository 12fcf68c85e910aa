import type { JWTPayload } from 'jose';
import { mintDevelopmentJwt as mint } from '../../src/authentication/mint-development-jwt.js';
import { JwtTrust } from '../../src/authentication/jwt-trust.js';
import { Client } from '../support/http.js';
import { type Algorithm, IdentityProvider } from '../support/identity-provider.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import {
  call,
  expectTheSame401,
  HS256_SECRET,
  OTHER_AUDIENCE,
  readAndWrite,
  statusOf,
  trustIn,
} from '../support/sign-in.js';

/** Which JWTs of an OpenID Connect issuer, and which HS256 ones, are believed. */
let provider: IdentityProvider;
let keyward: Keyward;

beforeAll(async () => {
  provider = await IdentityProvider.start();
  keyward = await startKeyward({ env: trustIn(provider) });
});

afterAll(async () => {
  await keyward.close();
  await provider.goDown();
});

const known = { sub: 'ann', org: 'accepted' };
const intruder = { sub: 'eve', org: 'intruders' };

function past(seconds: number): number {
  return Math.floor(Date.now() / 1_000) - seconds;
}

/** Signed by the issuer: claims of an intruder that would be good but for what is laid over them. */
function sign(claims: JWTPayload = {}, algorithm?: Algorithm, header?: object): Promise<string> {
  return provider.sign(provider.goodClaims({ ...intruder, ...claims }), algorithm, header);
}

function encode(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

async function withHeader(header: object): Promise<string> {
  return (await sign()).replace(/^[^.]+/, encode(header));
}

it.each(['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] as const)('accepts one signed with %s', async (algorithm) => {
  expect(await statusOf(keyward, await provider.issue(known, algorithm))).toBe(200);
});

it.each<[string, JWTPayload]>([
  ['for several audiences, one of which is ours', { aud: ['billing', OTHER_AUDIENCE] }],
  ['with a role claim that is a list of one', { role: ['viewer'] }],
  ['with unknown scopes beside known ones', { scope: 'openid email service_accounts:read' }],
  ['with a name that holds NUL, half a character and more than fits', { name: `\0\ud800${'😀'.repeat(300)}` }],
  ['with an organization whose name is cut within a character', { org: `${'a'.repeat(99)}😀` }],
  ['with every text as long as it may be', { sub: 'é'.repeat(255), org: '漢'.repeat(255) }],
])('accepts one %s', async (name, claims) => {
  expect(await statusOf(keyward, await sign({ ...known, sub: name, ...claims }))).toBe(200);
});

it('accepts one that has just expired or will soon be valid, within the clock tolerance', async () => {
  expect(await statusOf(keyward, await sign({ ...known, exp: past(15) }))).toBe(200);
  expect(await statusOf(keyward, await sign({ ...known, nbf: past(-15) }))).toBe(200);
});

it.each<[string, () => Promise<string> | string]>([
  ['for another audience', () => sign({ aud: 'billing' })],
  ['for no audience', () => sign({ aud: undefined })],
  ['of another issuer', () => sign({ iss: 'https://elsewhere.example' })],
  ['of no issuer', () => sign({ iss: undefined })],
  ['that has expired', () => sign({ exp: past(31) })],
  ['that is not valid yet', () => sign({ nbf: past(-60) })],
  ['without exp', () => sign({ exp: undefined })],
  ['without sub', () => sign({ sub: undefined })],
  ['without the organization claim', () => sign({ org: undefined })],
  ['with alg none and no signature', () => `${encode({ alg: 'none' })}.${encode(provider.goodClaims(intruder))}.`],
  ['with alg none and a signature', () => withHeader({ alg: 'none' })],
  ['with an algorithm of the right key that is not pinned', () => sign({}, 'RS512')],
  ['with an unknown key id', () => sign({}, 'RS256', { kid: 'made-up' })],
  ['with the key id of a key of another family', () => sign({}, 'RS256', { kid: 'EC-1' })],
  ['that brings its own key', () => sign({}, 'RS256', { kid: 'own', jwk: { kty: 'RSA' }, jku: 'http://127.0.0.1:9' })],
  ['with a critical header that is not understood', () => sign({}, 'RS256', { crit: ['x'], x: 1 })],
  [
    'with another payload than was signed',
    async () => (await sign()).replace(/\.[^.]+\./, `.${encode(provider.goodClaims({ ...intruder, role: 'owner' }))}.`),
  ],
  ['with another signature', async () => (await sign()).replace(/[^.]+$/, 'A'.repeat(342))],
  ['without a signature', async () => (await sign()).replace(/[^.]+$/, '')],
  ['whose header is no JSON', () => 'eyJhbGciOi.e30.AAAA'],
  ['whose claims are a list', () => provider.sign([])],
])('refuses one %s, with the same 401 as all others', async (_, make) => {
  expectTheSame401(await call(keyward, await make()));
});

it.each<[string, () => Promise<string>]>([
  [
    'the public key of the issuer as its secret',
    async () => mint(await provider.publicKeyPem(), provider.goodClaims(intruder), 60),
  ],
  ['the signature of the issuer', () => withHeader({ alg: 'HS256', kid: 'RSA-1' })],
  ['another secret', () => mint(`${HS256_SECRET}!`, intruder, 60)],
  ['the claim to be of the issuer', () => mint(HS256_SECRET, { ...intruder, iss: provider.issuer }, 60)],
  ['an issuer that is no text', () => mint(HS256_SECRET, { ...intruder, iss: 7 as never }, 60)],
  ['an issuer that is too long', () => mint(HS256_SECRET, { ...intruder, iss: 'i'.repeat(256) }, 60)],
  ['another audience', () => mint(HS256_SECRET, { ...intruder, aud: 'billing' }, 60)],
  ['a time that is over', () => mint(HS256_SECRET, intruder, -31)],
  ['no subject', () => mint(HS256_SECRET, { org: intruder.org }, 60)],
])('refuses one with HS256 and %s, with the same 401', async (_, make) => {
  expectTheSame401(await call(keyward, await make()));
});

it('accepts one with HS256, for our audience or for none', async () => {
  expect(await statusOf(keyward, await mint(HS256_SECRET, known, 60))).toBe(200);
  expect(await statusOf(keyward, await mint(HS256_SECRET, { ...known, aud: [provider.audience] }, 60))).toBe(200);
});

it.each<[string, JWTPayload]>([
  ['subject holds NUL', { sub: 'a\0b' }],
  ['subject is empty', { sub: '' }],
  ['subject is too long', { sub: 'x'.repeat(256) }],
  ['organization is half a character', { org: 'x\ud83d' }],
  ['organization is a number', { org: 7 }],
  ['organization is empty', { org: '' }],
  ['organization is too long', { org: 'x'.repeat(256) }],
  ['role is one of two', { role: ['owner', 'viewer'] }],
  ['role is an object', { role: { name: 'owner' } }],
  ['role is null', { role: null }],
  ['scopes are an object', { scope: { all: true } }],
  ['scopes are null', { scope: null }],
  ['scopes hold a number', { scopes: ['service_accounts', 1] }],
  ['scopes are more than can be meant', { scope: 's '.repeat(501) }],
])('refuses one whose %s, with the same 401', async (_, claims) => {
  expectTheSame401(await call(keyward, await sign(claims)));
});

it('creates nothing for those that it refuses', async () => {
  expect(
    await keyward.sql(`select external_id from organizations where external_id ~ 'intruders|^x' or external_id = ''`),
  ).toEqual([]);
  expect(await keyward.sql(`select subject from users where subject in ('eve', '') or subject ~ '^x'`)).toEqual([]);
});

it('refuses one that is longer than 16 KiB before it looks inside', async () => {
  const long = await sign({ ...known, padding: 'x'.repeat(17_000) });
  expect([401, 431]).toContain(await statusOf(keyward, long)); // 431 where Node refuses the head as a whole
  const verdict = new JwtTrust(keyward.config).verify(long);
  await expect(verdict).rejects.toMatchObject({
    code: 'authentication.invalid',
    cause: { message: 'the JWT is too long' },
  });
});

it('tells the log why it refuses, without the credential, and not the caller', async () => {
  const verbose = await startKeyward({ env: { ...trustIn(provider), LOG_LEVEL: 'debug' } });
  const jwt = await sign({ aud: 'billing' });
  expectTheSame401(await call(verbose, jwt));
  const lines = verbose.logs.filter((line) => line.includes('AuthenticationGuard'));
  expect(lines).toEqual([expect.stringContaining('unexpected \\"aud\\" claim value')]);
  for (const part of jwt.split('.')) expect(verbose.logs.join('')).not.toContain(part);
  await verbose.close();
});

it('keeps people of the same subject but another issuer apart', async () => {
  expect(await readAndWrite(keyward, await provider.issue({ sub: 'twin', org: 'twins' }))).toEqual([200, 201]);
  const other = await mint(HS256_SECRET, { sub: 'twin', org: 'twins' }, 60);
  expect(await readAndWrite(keyward, other)).toEqual([200, 403]);
  const rows = await keyward.sql(`select issuer from users where subject = 'twin' order by created_at`);
  expect(rows).toEqual([{ issuer: provider.issuer }, { issuer: 'keyward' }]);
});

it('lets nobody into the platform organization, whatever the organization claim says', async () => {
  const [platform] = await keyward.sql<{ id: string; slug: string }>(
    'select id, slug from organizations where is_platform',
  );
  for (const org of ['platform', ...Object.values(platform ?? {})]) {
    const jwt = await provider.issue({ sub: 'ann', org, role: 'owner', scope: '* platform platform:organizations' });
    expectProblem(await new Client(keyward.url, jwt).get('/organizations'), 403, 'access.denied');
  }
});
