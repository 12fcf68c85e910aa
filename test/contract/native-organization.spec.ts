import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import { type Page, TIMESTAMP, UUID } from '../support/wire.js';

interface Member {
  readonly id: string;
  readonly subject: string;
  readonly role: string;
  readonly name?: string;
}

interface Role {
  readonly slug: string;
  readonly name: string;
  readonly scopes: readonly string[];
}

let keyward: Keyward;
let owner: Person;

beforeAll(async () => {
  keyward = await startKeyward();
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  owner = await signInOwner(keyward);
});

function inSeconds(seconds: number): string {
  return new Date(Date.now() + seconds * 1_000).toISOString();
}

async function findMember(subject: string): Promise<Member | undefined> {
  const members = expectStatus(await owner.get<Page<Member>>('/organization/members?limit=200'), 200);
  return members.items.find((member) => member.subject === subject);
}

describe('the organization', () => {
  it('is that of the caller, and its name can be changed', async () => {
    const answer = await owner.get('/organization');
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      id: expect.stringMatching(UUID),
      externalId: owner.claims.org,
      createdAt: expect.stringMatching(TIMESTAMP),
    });
    expect(answer.text).not.toContain('null');
    const changed = await owner.patch('/organization', { body: { name: 'Acme Ltd' } });
    expect([changed.status, changed.body]).toEqual([200, { ...(answer.body as object), name: 'Acme Ltd' }]);
    expect((await owner.get('/organization')).body).toEqual(changed.body);
  });

  it('has a policy of token lifetimes, which null clears', async () => {
    const body = { tokenLifetimeMaxSeconds: 7_200, tokenLifetimeDefaultSeconds: 3_600 };
    expect(expectStatus(await owner.patch('/organization', { body }), 200)).toMatchObject(body);
    const { slug } = await createAccount(owner);
    const byDefault = await issueToken(owner, slug);
    const lifetimeMs = Date.parse(byDefault.expiresAt ?? '') - Date.parse(byDefault.createdAt);
    expect(Math.round(lifetimeMs / 1_000)).toBe(3_600);
    await issueToken(owner, slug, { expiresAt: inSeconds(7_100) });

    const cleared = { tokenLifetimeMaxSeconds: null, tokenLifetimeDefaultSeconds: null };
    const answer = await owner.patch('/organization', { body: cleared });
    expect(answer.status).toBe(200);
    expect(answer.body).not.toHaveProperty('tokenLifetimeMaxSeconds');
    expect(await issueToken(owner, slug)).not.toHaveProperty('expiresAt');
  });

  it.each([
    ['name', ''],
    ['tokenLifetimeMaxSeconds', 0],
    ['tokenLifetimeMaxSeconds', -5],
    ['tokenLifetimeMaxSeconds', 1.5],
    ['tokenLifetimeMaxSeconds', 'day'],
    ['tokenLifetimeDefaultSeconds', 99_999_999_999],
    ['colour', 'red'],
  ])('refuses %s: %j', async (member, value) => {
    expectInvalid(await owner.patch('/organization', { body: { [member]: value } }), `body.${member}`);
  });

  it('refuses a default lifetime beyond the maximum', async () => {
    const body = { tokenLifetimeMaxSeconds: 60, tokenLifetimeDefaultSeconds: 61 };
    expectProblem(await owner.patch('/organization', { body }), 422, 'request.invalid');
    expectStatus(await owner.patch('/organization', { body: { tokenLifetimeMaxSeconds: 60 } }), 200);
    expectProblem(
      await owner.patch('/organization', { body: { tokenLifetimeDefaultSeconds: 61 } }),
      422,
      'request.invalid',
    );
  });
});

describe('members', () => {
  it('appear at first sight: the first one as owner, later ones as viewers', async () => {
    const colleague = await owner.colleague({ name: 'Colin Colleague' });
    expectStatus(await colleague.get('/service-accounts'), 200);
    expect(await findMember(owner.claims.sub)).toMatchObject({ role: 'owner', name: 'Olive Owner' });
    expect(await findMember(colleague.claims.sub)).toMatchObject({ role: 'viewer', name: 'Colin Colleague' });
    const page = expectStatus(await owner.get<Page<Member>>('/organization/members?limit=1'), 200);
    expect(page).toMatchObject({ hasMore: true, nextCursor: expect.any(String) });
    expect(page.items.map((member) => member.subject)).toEqual([colleague.claims.sub]);
  });

  it('are added before their first JWT, and find their role when they come', async () => {
    const subject = unique('invited');
    const answer = await owner.post<Member>('/organization/members', {
      body: { subject, role: 'editor', name: 'Ivy' },
    });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ id: expect.stringMatching(UUID), subject, role: 'editor', name: 'Ivy' });
    const invited = await owner.colleague({ sub: subject });
    expectStatus(await invited.post('/service-accounts', { body: { name: unique('by the invited') } }), 201);
    const again = await owner.post('/organization/members', { body: { subject, role: 'viewer' } });
    expectProblem(again, 409, 'member.already_exists');
  });

  it('get another role, which takes hold at once', async () => {
    const colleague = await owner.colleague({});
    expectProblem(await colleague.post('/service-accounts', { body: { name: 'no' } }), 403, 'access.denied');
    const { id } = (await findMember(colleague.claims.sub)) as Member;
    const answer = await owner.put(`/organization/members/${id}`, { body: { role: 'editor' } });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ id, role: 'editor' });
    expectStatus(await colleague.post('/service-accounts', { body: { name: unique('yes') } }), 201);
  });

  it('are removed, and stay so', async () => {
    const colleague = await owner.colleague({});
    expectStatus(await colleague.get('/service-accounts'), 200);
    const { id } = (await findMember(colleague.claims.sub)) as Member;
    const answer = await owner.delete(`/organization/members/${id}`);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expectProblem(await colleague.get('/service-accounts'), 403, 'access.not_a_member');
    expectProblem(await colleague.get('/service-accounts'), 403, 'access.not_a_member');
    expect(await findMember(colleague.claims.sub)).toBeUndefined();
    expectProblem(await owner.delete(`/organization/members/${id}`), 404, 'member.not_found');
  });

  it('always include an owner', async () => {
    const { id } = (await findMember(owner.claims.sub)) as Member;
    expectProblem(await owner.delete(`/organization/members/${id}`), 409, 'member.last_owner');
    const demotion = await owner.put(`/organization/members/${id}`, { body: { role: 'admin' } });
    expectProblem(demotion, 409, 'member.last_owner');
  });

  it('of another organization are not found', async () => {
    const { id } = (await findMember(owner.claims.sub)) as Member;
    const stranger = await signInOwner(keyward);
    expectProblem(await stranger.delete(`/organization/members/${id}`), 404, 'member.not_found');
    const answer = await stranger.put(`/organization/members/${id}`, { body: { role: 'viewer' } });
    expectProblem(answer, 404, 'member.not_found');
  });

  it('need a role that exists and an id that is one', async () => {
    const body = { subject: unique('s'), role: 'emperor' };
    expectInvalid(await owner.post('/organization/members', { body }), 'body.role');
    expectInvalid(await owner.post('/organization/members', { body: { role: 'viewer' } }), 'body.subject');
    expectInvalid(await owner.delete('/organization/members/not-a-uuid'), 'path.userId');
  });
});

describe('roles', () => {
  it('are the built-in ones and those that the organization adds', async () => {
    const builtIn = expectStatus(await owner.get<Role[]>('/organization/roles'), 200);
    expect(builtIn.map((role) => role.slug).sort()).toEqual(['admin', 'editor', 'owner', 'viewer']);
    const body = { name: 'Release manager', description: 'Ships', scopes: ['api_tokens', 'orders:read', 'api_tokens'] };
    const created = await owner.post<Role>('/organization/roles', { body });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({ ...body, slug: 'release-manager', scopes: ['api_tokens', 'orders:read'] });
    expect((await owner.get('/organization/roles/release-manager')).body).toEqual(created.body);
    expect((await owner.get<Role[]>('/organization/roles')).body).toContainEqual(created.body);
  });

  it('of its own are what a member with it may do, from the moment they change', async () => {
    const body = { name: 'Creator', scopes: ['service_accounts'] };
    expectStatus(await owner.post('/organization/roles', { body }), 201);
    const creator = await owner.colleague({ role: 'creator' });
    expectStatus(await creator.post('/service-accounts', { body: { name: unique('c') } }), 201);
    expectProblem(await creator.get('/organization/members'), 403, 'access.denied');
    const less = { name: 'Creator', scopes: ['service_accounts:read'] };
    const answer = await owner.put('/organization/roles/creator', { body: less });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject(less);
    expectProblem(await creator.post('/service-accounts', { body: { name: 'no' } }), 403, 'access.denied');
  });

  it('are deleted only while nobody has them', async () => {
    expectStatus(await owner.post('/organization/roles', { body: { name: 'Brief', scopes: ['orders'] } }), 201);
    const account = await createAccount(owner, { name: unique('brief'), role: 'brief' });
    expectProblem(await owner.delete('/organization/roles/brief'), 409, 'role.in_use');
    const body = { name: account.name, role: 'viewer' };
    expectStatus(await owner.put(`/service-accounts/${account.slug}`, { body }), 204);
    const answer = await owner.delete('/organization/roles/brief');
    expect([answer.status, answer.text]).toEqual([204, '']);
    expectProblem(await owner.get('/organization/roles/brief'), 404, 'role.not_found');
  });

  it('that are built in cannot be changed', async () => {
    const body = { name: 'Viewer', scopes: ['orders'] };
    expectProblem(await owner.put('/organization/roles/viewer', { body }), 403, 'role.built_in');
    expectProblem(await owner.delete('/organization/roles/viewer'), 403, 'role.built_in');
    const taken = await owner.post('/organization/roles', { body: { ...body, slug: 'viewer' } });
    expectProblem(taken, 409, 'role.slug_taken');
  });

  it('of another organization are not found, and cannot be given', async () => {
    expectStatus(await owner.post('/organization/roles', { body: { name: 'Secret role', scopes: ['orders'] } }), 201);
    const stranger = await signInOwner(keyward);
    expectProblem(await stranger.get('/organization/roles/secret-role'), 404, 'role.not_found');
    expectProblem(await stranger.delete('/organization/roles/secret-role'), 404, 'role.not_found');
    const account = await stranger.post('/service-accounts', { body: { name: 'x1', role: 'secret-role' } });
    expectInvalid(account, 'body.role');
  });
});

it.each(['/organization/members', '/organization/roles'])(
  'lists %s as an array without limit and as pages with it',
  async (path) => {
    expectStatus(await (await owner.colleague({})).get('/service-accounts'), 200);
    const all = expectStatus(await owner.get<object[]>(path), 200);
    expect(all).toEqual(expect.any(Array));
    const first = expectStatus(await owner.get<Page<object>>(`${path}?limit=1`), 200);
    expect(first).toEqual({ items: [all[0]], nextCursor: expect.any(String), hasMore: true });
    const second = expectStatus(await owner.get<Page<object>>(`${path}?limit=1&cursor=${first.nextCursor}`), 200);
    expect(second.items).toEqual([all[1]]);
    expectInvalid(await owner.get(`${path}?limit=0`), 'query.limit');
    expectProblem(await owner.get(`${path}?cursor=x`), 400, 'request.invalid_cursor');
  },
);

it('lists the scopes that may be granted, with a sentence each', async () => {
  const answer = await owner.get<{ managementScopes: object[]; applicationScopes: object[] }>('/scopes');
  expect(answer.status).toBe(200);
  expect(answer.body.managementScopes).toContainEqual({ name: 'api_tokens', description: expect.stringMatching(/\S/) });
  expect(answer.body.applicationScopes).toEqual([]);
});
