import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import type { Answer, Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import type { IssuedToken, Token } from '../support/wire.js';

let keyward: Keyward;
let owner: Person;
let accountSlug: string;
let tokensPath: string;

beforeAll(async () => {
  keyward = await startKeyward();
  owner = await signInOwner(keyward);
  accountSlug = (await createAccount(owner, { name: 'Escalation' })).slug;
  tokensPath = `/service-accounts/${accountSlug}/tokens`;
});
afterAll(() => keyward?.close());

function issue(caller: Client, scopes: string[]): Promise<Answer<IssuedToken>> {
  return caller.post<IssuedToken>(tokensPath, { body: { name: unique('grant'), scopes } });
}

async function holderOf(...scopes: string[]): Promise<Client> {
  return owner.holding((await issueToken(owner, accountSlug, { scopes })).token);
}

/** Asserts that exactly these of the scopes sent are named as too much. */
function expectTooMuch(answer: Answer, ...locations: string[]): void {
  const problem = expectProblem(answer, 403, 'token.scopes_exceed_grantor');
  expect(problem.errors?.map((error) => error.location)).toEqual(locations);
}

describe('a token is granted no more than the caller holds', () => {
  it('where the caller is a JWT with a scope claim', async () => {
    const caller = await owner.narrowedTo('api_tokens', 'orders:read');
    expect((await issue(caller, ['orders:read', 'api_tokens:read'])).status).toBe(201);
    expectTooMuch(await issue(caller, ['orders:write']), 'body.scopes[0]');
    expectTooMuch(
      await issue(caller, ['orders:read', 'orders', 'api_tokens', 'billing']),
      'body.scopes[1]',
      'body.scopes[3]',
    );
  });

  it('where the caller is an API token', async () => {
    const caller = await holderOf('api_tokens', 'orders:read', 'stock');
    expect((await issue(caller, ['orders:read', 'stock:read', 'stock', 'api_tokens'])).status).toBe(201);
    expectTooMuch(await issue(caller, ['orders:read', 'orders:write']), 'body.scopes[1]');
    expectTooMuch(await issue(caller, ['orders']), 'body.scopes[0]');
    expectTooMuch(await issue(caller, ['service_accounts']), 'body.scopes[0]');
  });

  it('where the caller is a member with a smaller role', async () => {
    const editor = await owner.colleague({ role: 'editor' });
    expect((await issue(editor, ['orders', 'service_accounts', 'api_tokens', 'members:read'])).status).toBe(201);
    expectTooMuch(await issue(editor, ['members', 'orders', 'webhooks']), 'body.scopes[0]', 'body.scopes[2]');
  });

  it('where the scope is an alias', async () => {
    const reader = await holderOf('api_tokens', 'service_accounts:read');
    expect((await issue(reader, ['read:tokens'])).status).toBe(201);
    expectTooMuch(await issue(reader, ['write:tokens']), 'body.scopes[0]');
    const upstream = await holderOf('write:tokens');
    expect((await issue(upstream, ['api_tokens', 'service_accounts:read', 'read:tokens'])).status).toBe(201);
  });

  it('where the scope is of the platform, which no member of an organization holds', async () => {
    for (const scope of ['platform:verify', 'platform:organizations']) {
      const answer = await issue(owner, ['orders', scope]);
      expect([403, 422]).toContain(answer.status);
    }
  });

  it('not even when what is granted is only somebody who could grant it', async () => {
    const grantor = await holderOf('api_tokens');
    const { token } = expectStatus(await issue(grantor, ['api_tokens']), 201);
    expectTooMuch(await issue(owner.holding(token), ['orders:read']), 'body.scopes[0]');
  });

  it('and nothing is made when one scope is too much', async () => {
    const caller = await holderOf('api_tokens', 'orders:read');
    const before = (await owner.get<Token[]>(tokensPath)).body.length;
    expectTooMuch(await issue(caller, ['orders:read', 'billing']), 'body.scopes[1]');
    expect((await owner.get<Token[]>(tokensPath)).body).toHaveLength(before);
  });
});

describe('a token is changed to no more than the caller holds', () => {
  it('by PATCH', async () => {
    const caller = await holderOf('api_tokens', 'orders:read');
    const { slug } = await issueToken(owner, accountSlug, { scopes: ['orders:read'] });
    const answer = await caller.patch(`${tokensPath}/${slug}`, { body: { scopes: ['orders:read', 'orders:write'] } });
    expectTooMuch(answer, 'body.scopes[1]');
    expect((await owner.get<Token>(`${tokensPath}/${slug}`)).body.scopes).toEqual(['orders:read']);
  });

  it('by PATCH of itself', async () => {
    const { token, slug } = await issueToken(owner, accountSlug, { scopes: ['api_tokens'] });
    const answer = await owner
      .holding(token)
      .patch(`${tokensPath}/${slug}`, { body: { scopes: ['api_tokens', 'members'] } });
    expectTooMuch(answer, 'body.scopes[1]');
  });

  it('nor is its secret handed to somebody who holds less, by rotation', async () => {
    const caller = await holderOf('api_tokens', 'orders:read');
    const strong = await issueToken(owner, accountSlug, { scopes: ['orders:read', 'orders:write'] });
    const answer = await caller.post(`${tokensPath}/${strong.slug}/rotate`);
    expectProblem(answer, 403, 'token.scopes_exceed_grantor');
    const weak = await issueToken(owner, accountSlug, { scopes: ['orders:read'] });
    expectStatus(await caller.post(`${tokensPath}/${weak.slug}/rotate`), 200);
  });
});

describe('a role is a ceiling', () => {
  it('of the tokens of its account, from the moment it is set', async () => {
    const { slug } = await createAccount(owner, { name: unique('ceiling') });
    const { token } = await issueToken(owner, slug, { scopes: ['service_accounts'] });
    const holder = owner.holding(token);
    expectStatus(await holder.post('/service-accounts', { body: { name: unique('before') } }), 201);
    expectStatus(await owner.put(`/service-accounts/${slug}`, { body: { name: 'ceiling', role: 'viewer' } }), 204);
    expectStatus(await holder.get('/service-accounts?limit=1'), 200);
    expectProblem(await holder.post('/service-accounts', { body: { name: 'after' } }), 403, 'access.denied');
  });

  it('of what a member may do, from the moment it is changed', async () => {
    const colleague = await owner.colleague({ role: 'editor' });
    expectStatus(await colleague.post('/service-accounts', { body: { name: unique('editor') } }), 201);
    const demoted = await owner.colleague({ sub: colleague.claims.sub, role: 'viewer' });
    expectProblem(await demoted.post('/service-accounts', { body: { name: 'viewer' } }), 403, 'access.denied');
  });

  it('that nobody sets for an account higher than their own', async () => {
    const editor = await owner.colleague({ role: 'editor' });
    const { slug } = await createAccount(editor, { name: unique('role'), role: 'editor' });
    for (const role of ['admin', 'owner']) {
      const code = 'service_account.role_exceeds_grantor';
      expectProblem(await editor.post('/service-accounts', { body: { name: 'too high', role } }), 403, code);
      expectProblem(await editor.put(`/service-accounts/${slug}`, { body: { name: 'too high', role } }), 403, code);
    }
  });

  it('that nobody gives a member higher than their own', async () => {
    const admin = await owner.colleague({ role: 'admin' });
    const body = { subject: unique('friend'), role: 'owner' };
    expectProblem(await admin.post('/organization/members', { body }), 403, 'member.role_exceeds_grantor');
    expectStatus(await admin.post('/organization/members', { body: { ...body, role: 'editor' } }), 201);
  });

  it('that nobody writes with more than they hold', async () => {
    const caller = await owner.narrowedTo('roles', 'orders:read');
    const body = { name: unique('Role'), scopes: ['orders:read', 'orders:write'] };
    const created = expectProblem(
      await caller.post('/organization/roles', { body }),
      403,
      'role.scopes_exceed_grantor',
    );
    expect(created.errors?.map((error) => error.location)).toEqual(['body.scopes[1]']);
    const role = { ...body, slug: unique('role'), scopes: ['orders:read'] };
    expectStatus(await caller.post('/organization/roles', { body: role }), 201);
    const replaced = await caller.put(`/organization/roles/${role.slug}`, {
      body: { name: 'More', scopes: ['members'] },
    });
    expectProblem(replaced, 403, 'role.scopes_exceed_grantor');
  });
});
