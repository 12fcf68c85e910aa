import type { JWTPayload } from 'jose';
import { readIdentity } from '../../src/authentication/jwt-identity.js';
import { unique } from '../support/callers.js';
import { Client } from '../support/http.js';
import { IdentityProvider } from '../support/identity-provider.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import { call, expectTheSame401, readAndWrite, statusOf, trustIn } from '../support/sign-in.js';

/** What the claims of a good JWT allow. The founder of the organization is its owner, everybody else begins as a viewer. */
let provider: IdentityProvider;
let keyward: Keyward;
let org: string;

beforeAll(async () => {
  provider = await IdentityProvider.start();
  keyward = await startKeyward({ env: trustIn(provider) });
});

afterAll(async () => {
  await keyward.close();
  await provider.goDown();
});

beforeEach(async () => {
  org = unique('claims');
  expect(await readAndWrite(keyward, await issue({ sub: 'founder' }))).toEqual([200, 201]);
});

function issue(claims: JWTPayload): Promise<string> {
  return provider.issue({ sub: 'ann', org, ...claims });
}

it('makes the role claim the authority at each sight, up and down', async () => {
  expect(await readAndWrite(keyward, await issue({}))).toEqual([200, 403]);
  expect(await readAndWrite(keyward, await issue({ role: 'editor' }))).toEqual([200, 201]);
  expect(await readAndWrite(keyward, await issue({}))).toEqual([200, 201]);
  expect(await readAndWrite(keyward, await issue({ role: ['viewer'] }))).toEqual([200, 403]);
  expect(await readAndWrite(keyward, await issue({ role: 'no-such-role' }))).toEqual([200, 403]);
});

it.each<[string, JWTPayload, [number, number]]>([
  ['no scope claim', {}, [200, 201]],
  ['an empty scope claim', { scope: '' }, [403, 403]],
  ['an empty list of scopes', { scopes: [] }, [403, 403]],
  ['a scope that reads', { scope: 'service_accounts:read' }, [200, 403]],
  ['a list of scopes', { scopes: ['service_accounts'] }, [200, 201]],
  ['scopes that are unknown', { scope: 'openid profile' }, [403, 403]],
  ['the name that the upstream has for a scope', { scope: 'read:tokens' }, [200, 403]],
  ['two scope claims, one of them narrower', { scope: '*', scopes: ['service_accounts:read'] }, [200, 403]],
])('gives an owner with %s what the claim leaves', async (_, claims, expected) => {
  expect(await readAndWrite(keyward, await issue({ sub: 'founder', ...claims }))).toEqual(expected);
});

it.each(['*', 'service_accounts', 'organizations service_accounts api_tokens'])(
  'never widens what a viewer may do by the scopes %s',
  async (scope) => {
    const [, writing] = await readAndWrite(keyward, await issue({ role: 'viewer', scope }));
    expect(writing).toBe(403);
  },
);

it('reads the claims under the names that are configured', async () => {
  const role = 'https://keyward.example/role';
  const names = { AUTH_ORG_CLAIM: 'kaiten_external_org_id', AUTH_ROLE_CLAIM: role, AUTH_SCOPE_CLAIM: 'permission' };
  const renamed = await startKeyward({ env: { ...trustIn(provider), ...names } });
  const claims = { sub: 'ann', kaiten_external_org_id: unique('kaiten'), [role]: 'editor' };
  expect(await readAndWrite(renamed, await provider.issue(claims))).toEqual([200, 201]);
  const narrowed = await provider.issue({ ...claims, permissions: ['service_accounts:read'] });
  expect(await readAndWrite(renamed, narrowed)).toEqual([200, 403]);
  expect(await readAndWrite(renamed, await provider.issue({ ...claims, scope: '', role: 'viewer' }))).toEqual([
    200, 201,
  ]);
  expectTheSame401(await call(renamed, await provider.issue({ sub: 'ann', org })));
  await renamed.close();
});

it('finds no claim where the name is that of what every object has', async () => {
  const env = { ...trustIn(provider), AUTH_ROLE_CLAIM: 'constructor', AUTH_SCOPE_CLAIM: 'toString' };
  const odd = await startKeyward({ env });
  expect(await readAndWrite(odd, await issue({ sub: 'founder' }))).toEqual([200, 201]);
  await odd.close();
});

it('creates organizations and members only where that is on', async () => {
  const env = { ...trustIn(provider), AUTH_AUTO_PROVISION: 'false' };
  const closed = await startKeyward({ env, databaseUrl: keyward.databaseUrl });
  expect(await statusOf(closed, await issue({ sub: 'founder' }))).toBe(200);
  expectProblem(await call(closed, await issue({ sub: 'stranger', role: 'owner' })), 403, 'access.not_a_member');
  expectProblem(await call(closed, await issue({ org: unique('new') })), 403, 'access.not_a_member');
  await closed.close();
  expect(await statusOf(keyward, await issue({ sub: 'stranger' }))).toBe(200);
});

it('lets nobody into an organization that is suspended', async () => {
  await keyward.sql('update organizations set suspended_at = now() where external_id = $1', [org]);
  expectProblem(await call(keyward, await issue({ sub: 'founder' })), 403, 'organization.suspended');
});

it('keeps the first of several names that can be read', async () => {
  await call(keyward, await issue({ sub: 'named', name: ' \n', preferred_username: 7, email: 'ann@example.com' }));
  await call(keyward, await issue({ sub: 'odd', name: `\0\ud800 ${'😀'.repeat(300)}` }));
  const founder = new Client(keyward.url, await issue({ sub: 'founder' }));
  const { body: members } = await founder.get<{ subject: string; name?: string }[]>('/organization/members');
  const nameOf = (subject: string): string | undefined => members.find((member) => member.subject === subject)?.name;
  expect(nameOf('named')).toBe('ann@example.com');
  expect(nameOf('odd')).toBe('😀'.repeat(200));
  expect(nameOf('founder')).toBeUndefined();
});

it('leaves out of a scope claim what is no scope, so that nothing else gets any further', () => {
  const claims = {
    sub: 'ann',
    org: 'acme',
    scope: 'service_accounts:read Admin a\0b \ud800 *:read * * platform:verify',
  };
  const identity = readIdentity({ issuer: 'keyward', claims }, { organization: 'org', role: 'role', scope: 'scope' });
  expect(identity.scopes).toEqual(['service_accounts:read', '*:read', '*', 'platform:verify']);
});
