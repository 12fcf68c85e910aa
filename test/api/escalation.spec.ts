import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import type { Answer, Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import { fingerprintOf } from '../support/route-fingerprint.js';
import { WALK_ENVIRONMENT } from '../support/route-intruders.js';

/** What every caller of this spec holds, besides the scope `orders:read`, so that only the grant itself is in question. */
const TOOLS = ['api_tokens', 'service_accounts', 'members', 'roles'];
const HELD = [...TOOLS, 'orders:read', 'stock'];

let keyward: Keyward;
let owner: Person;
/** Callers who hold the same scopes, each by another way. */
const callers = new Map<string, Client>();
/** Things that the owner has made, of which some hold more than the callers do. */
let plain: string;
let strongRole: string;
let weakRole: string;
let strongAccount: string;
let cappedAccount: string;
let ids: Record<'owner' | 'viewer' | 'strong', string>;

beforeAll(async () => {
  keyward = await startKeyward({ env: WALK_ENVIRONMENT });
  owner = await signInOwner(keyward);
  plain = (await createAccount(owner, { name: 'Plain', slug: unique('plain') })).slug;
  await issueToken(owner, plain, { slug: 'weak', scopes: ['orders:read'] });
  await issueToken(owner, plain, { slug: 'strong', scopes: ['orders:read', 'orders:write'] });
  strongRole = await createRole(['orders', 'stock']);
  weakRole = await createRole(['orders:read']);
  const heldRole = await createRole(HELD);
  strongAccount = (await createAccount(owner, { name: 'Strong', slug: unique('strong'), role: strongRole })).slug;
  await issueToken(owner, strongAccount, { slug: 'strong', scopes: ['orders'] });
  cappedAccount = (await createAccount(owner, { name: 'Capped', slug: unique('capped') })).slug;
  await issueToken(owner, cappedAccount, { slug: 'strong', scopes: ['orders', 'billing'] });
  const capped = { name: 'Capped', role: weakRole };
  expectStatus(await owner.put(`/service-accounts/${cappedAccount}`, { body: capped }), 204);

  const keys = (await createAccount(owner, { name: 'Keys', slug: unique('keys') })).slug;
  callers.set('a JWT with a scope claim', await owner.narrowedTo(...HELD));
  callers.set('an API token', owner.holding((await issueToken(owner, keys, { scopes: HELD })).token));
  callers.set('a member with a custom role', await owner.colleague({ role: heldRole }));
  const roled = (await createAccount(owner, { name: 'Roled', slug: unique('roled'), role: heldRole })).slug;
  callers.set('a token under a role', owner.holding((await issueToken(owner, roled, { scopes: HELD })).token));
  for (const caller of callers.values()) expectStatus(await caller.get('/scopes'), 200);
  ids = {
    owner: await idOf(owner.claims.sub),
    viewer: await addMember('viewer'),
    strong: await addMember(strongRole),
  };
});
afterAll(() => keyward?.close());

async function createRole(scopes: readonly string[]): Promise<string> {
  const slug = unique('role');
  expectStatus(await owner.post('/organization/roles', { body: { name: 'Role', slug, scopes } }), 201);
  return slug;
}

async function addMember(role: string): Promise<string> {
  const body = { subject: unique('subject'), role };
  return expectStatus(await owner.post<{ id: string }>('/organization/members', { body }), 201).id;
}

async function idOf(subject: string): Promise<string> {
  const members = await owner.get<{ id: string; subject: string }[]>('/organization/members');
  return expectStatus(members, 200).find((member) => member.subject === subject)!.id;
}

const tokens = (account: string): string => `/service-accounts/${account}/tokens`;
const TOKEN = 'token.scopes_exceed_grantor';
const ROLE = 'role.scopes_exceed_grantor';
const ACCOUNT = 'service_account.role_exceeds_grantor';
const MEMBER = 'member.role_exceeds_grantor';
type Attempt = (caller: Client) => Promise<Answer>;

/** Scopes that HELD does not cover, though some look as if it did. */
const BEYOND = [
  'orders',
  'orders:write',
  'orders:rea',
  'stocks',
  'stoc',
  'billing:read',
  'webhooks',
  'audit_events:read',
  'organizations',
];
const NOT_BEYOND = [
  'orders:read',
  'orders:read:all',
  'stock:read',
  'stock:a:b',
  'api_tokens:read',
  'read:tokens',
  'write:tokens',
  'members:read',
];

const attempts: [string, string, Attempt][] = [
  ...BEYOND.map((scope): [string, string, Attempt] => [
    `issue a token with ${scope}`,
    TOKEN,
    (caller) => caller.post(tokens(plain), { body: { name: unique('t'), scopes: ['orders:read', scope] } }),
  ]),
  [
    'add a scope to a token',
    TOKEN,
    (c) => c.patch(`${tokens(plain)}/weak`, { body: { scopes: ['orders:read', 'billing'] } }),
  ],
  [
    'take a scope from a stronger token',
    TOKEN,
    (c) => c.patch(`${tokens(plain)}/strong`, { body: { scopes: ['orders:read'] } }),
  ],
  [
    'prolong a stronger token',
    TOKEN,
    (c) => c.patch(`${tokens(plain)}/strong`, { body: { expiresAt: '2090-01-01T00:00:00Z' } }),
  ],
  [
    'open a stronger token to all addresses',
    TOKEN,
    (c) => c.patch(`${tokens(plain)}/strong`, { body: { authorizedIpAddresses: [] } }),
  ],
  ['rotate a stronger token', TOKEN, (c) => c.post(`${tokens(plain)}/strong/rotate`)],
  [
    'rotate a stronger token with a grace period',
    TOKEN,
    (c) => c.post(`${tokens(plain)}/strong/rotate`, { body: { gracePeriodSeconds: 60 } }),
  ],
  ['rotate a stronger token of an account with a role', TOKEN, (c) => c.post(`${tokens(strongAccount)}/strong/rotate`)],
  [
    'create an account with a stronger role',
    ACCOUNT,
    (c) => c.post('/service-accounts', { body: { name: 'x', role: strongRole } }),
  ],
  ...['owner', 'admin', 'editor', 'viewer'].map((role): [string, string, Attempt] => [
    `create an account with the role ${role}`,
    ACCOUNT,
    (c) => c.post('/service-accounts', { body: { name: 'x', role } }),
  ]),
  [
    'give an account a stronger role',
    ACCOUNT,
    (c) => c.put(`/service-accounts/${plain}`, { body: { name: 'Plain', role: strongRole } }),
  ],
  [
    'raise the role that caps an account',
    ACCOUNT,
    (c) => c.put(`/service-accounts/${cappedAccount}`, { body: { name: 'Capped', role: strongRole } }),
  ],
  [
    'lift the role that caps an account',
    ACCOUNT,
    (c) => c.put(`/service-accounts/${cappedAccount}`, { body: { name: 'Capped', role: null } }),
  ],
  ...['billing', 'orders', '*', '*:read', 'application:*'].map((scope): [string, string, Attempt] => [
    `create a role with ${scope}`,
    ROLE,
    (c) => c.post('/organization/roles', { body: { name: unique('r'), scopes: ['orders:read', scope] } }),
  ]),
  [
    'add a scope to a role',
    ROLE,
    (c) => c.put(`/organization/roles/${weakRole}`, { body: { name: 'Role', scopes: ['orders'] } }),
  ],
  [
    'weaken a stronger role',
    ROLE,
    (c) => c.put(`/organization/roles/${strongRole}`, { body: { name: 'Role', scopes: [] } }),
  ],
  [
    'rename a stronger role',
    ROLE,
    (c) => c.put(`/organization/roles/${strongRole}`, { body: { name: 'Mine', scopes: ['stock'] } }),
  ],
  ...['owner', 'admin', 'editor', 'viewer'].map((role): [string, string, Attempt] => [
    `add a member as ${role}`,
    MEMBER,
    (c) => c.post('/organization/members', { body: { subject: unique('subject'), role } }),
  ]),
  [
    'add a member with a stronger role',
    MEMBER,
    (c) => c.post('/organization/members', { body: { subject: unique('s'), role: strongRole } }),
  ],
  [
    'give a member a stronger role',
    MEMBER,
    (c) => c.put(`/organization/members/${ids.viewer}`, { body: { role: strongRole } }),
  ],
  [
    'take a stronger role from a member',
    MEMBER,
    (c) => c.put(`/organization/members/${ids.strong}`, { body: { role: weakRole } }),
  ],
  ['remove a member with a stronger role', MEMBER, (c) => c.delete(`/organization/members/${ids.strong}`)],
  ['demote the owner', MEMBER, (c) => c.put(`/organization/members/${ids.owner}`, { body: { role: weakRole } })],
  ['remove the owner', MEMBER, (c) => c.delete(`/organization/members/${ids.owner}`)],
];

describe.each(['a JWT with a scope claim', 'an API token', 'a member with a custom role', 'a token under a role'])(
  '%s grants no more than it holds: it may not',
  (name) => {
    it.each(attempts)('%s', async (_, code, attempt) => {
      const before = await fingerprintOf(keyward);
      expectProblem(await attempt(callers.get(name)!), 403, code);
      expect(await fingerprintOf(keyward)).toEqual(before);
    });

    it('but all that it holds, in every form, and no more than once', async () => {
      const caller = callers.get(name)!;
      for (const scope of NOT_BEYOND) {
        const body = { name: unique('t'), scopes: [scope, scope] };
        const issued = await caller.post<{ scopes: string[] }>(tokens(plain), { body });
        expect(expectStatus(issued, 201).scopes).toEqual([scope]);
      }
      expectStatus(await caller.patch(`${tokens(plain)}/weak`, { body: { scopes: ['orders:read', 'stock'] } }), 200);
      expectStatus(await caller.post(`${tokens(plain)}/weak/rotate`), 200);
      const account = { name: 'x', slug: unique('own'), role: weakRole };
      expectStatus(await caller.post('/service-accounts', { body: account }), 201);
      expectStatus(await caller.put(`/service-accounts/${account.slug}`, { body: { name: 'x', role: null } }), 204);
      const role = { name: 'r', slug: unique('own'), scopes: ['orders:read', 'stock:read'] };
      expectStatus(await caller.post('/organization/roles', { body: role }), 201);
      expectStatus(await caller.put(`/organization/roles/${role.slug}`, { body: { name: 'r', scopes: HELD } }), 200);
      const body = { subject: unique('subject'), role: role.slug };
      const member = expectStatus(await caller.post<{ id: string }>('/organization/members', { body }), 201);
      const path = `/organization/members/${member.id}`;
      expectStatus(await caller.put(path, { body: { role: weakRole } }), 200);
      expectStatus(await caller.delete(path), 204);
    });
  },
);

describe('nobody gets around it', () => {
  it('by a role that is raised for all who have it: their tokens could do more', async () => {
    const caller = callers.get('an API token')!;
    const body = { name: 'Role', scopes: ['orders:read', 'billing'] };
    expectProblem(await caller.put(`/organization/roles/${weakRole}`, { body }), 403, ROLE);
  });

  it('by their own membership: an admin makes nobody an owner, not even themselves', async () => {
    const admin = await owner.colleague({ role: 'admin' });
    expectStatus(await admin.get('/organization'), 200);
    const id = await idOf(admin.claims.sub);
    expectProblem(await admin.put(`/organization/members/${id}`, { body: { role: 'owner' } }), 403, MEMBER);
    expectProblem(await admin.delete(`/organization/members/${ids.owner}`), 403, MEMBER);
  });

  it('by a scope claim: it narrows the role and never widens it', async () => {
    const viewer = await owner.colleague({ role: 'viewer', scopes: ['*', 'api_tokens', 'orders', '*:read'] });
    const refused = await viewer.post(tokens(plain), { body: { name: 'x', scopes: ['orders:read'] } });
    expectProblem(refused, 403, 'access.denied');
    expectStatus(await viewer.get(tokens(plain)), 200);
  });

  it('by scopes beyond the role of the account, which would lie there until the role is lifted', async () => {
    const answer = await owner.post(tokens(cappedAccount), {
      body: { name: unique('t'), scopes: ['orders:read', 'billing'] },
    });
    expectInvalid(answer, 'body.scopes[1]');
  });

  it('by a token whose issuer was demoted since: its account answers for it, and a new one is not given', async () => {
    const admin = await owner.colleague({ role: 'admin' });
    const { token } = await issueToken(admin, plain, { scopes: ['api_tokens', 'billing'] });
    const demoted = await owner.colleague({ sub: admin.claims.sub, role: 'viewer' });
    expectStatus(await demoted.get(tokens(plain)), 200);
    expectStatus(await owner.holding(token).get(tokens(plain)), 200);
    const body = { name: unique('t'), scopes: ['billing'] };
    expectProblem(
      await admin.colleague({ sub: admin.claims.sub, role: 'viewer' }).then((c) => c.post(tokens(plain), { body })),
      403,
      'access.denied',
    );
  });

  it('by a pattern, which no token may hold, nor by a scope that only looks like another', async () => {
    for (const scope of ['*', '*:read', 'application:*', 'orders:*', 'Orders', ' orders', '']) {
      const answer = await owner.post(tokens(plain), { body: { name: unique('t'), scopes: [scope] } });
      if (scope === 'orders:*') expectStatus(answer, 201);
      else expectInvalid(answer, 'body.scopes[0]');
    }
  });
});
