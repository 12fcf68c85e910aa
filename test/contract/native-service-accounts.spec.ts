import { createAccount, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import { EXTERNAL_ID, type ServiceAccount, TIMESTAMP, UUID } from '../support/wire.js';

let keyward: Keyward;
let owner: Person;

beforeAll(async () => {
  keyward = await startKeyward();
  owner = await signInOwner(keyward);
});
afterAll(() => keyward?.close());

describe('create', () => {
  it('answers 201 with the whole account and no tokens', async () => {
    const before = Date.now();
    const answer = await owner.post<ServiceAccount>('/service-accounts', { body: { name: 'Billing export' } });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      id: expect.stringMatching(UUID),
      slug: 'billing-export',
      externalId: expect.stringMatching(EXTERNAL_ID),
      name: 'Billing export',
      createdAt: expect.stringMatching(TIMESTAMP),
      createdBy: { id: expect.stringMatching(/\S/), name: 'Olive Owner' },
      tokens: [],
    });
    const createdAt = Date.parse(answer.body.createdAt);
    expect(createdAt).toBeGreaterThanOrEqual(before - 1_000);
    expect(createdAt).toBeLessThanOrEqual(Date.now() + 1_000);
  });

  it('takes the slug that it is given', async () => {
    const slug = unique('chosen');
    expect(await createAccount(owner, { name: 'Something else', slug })).toMatchObject({
      slug,
      name: 'Something else',
    });
  });

  it('gives every account an id and an external id of its own', async () => {
    const accounts = [await createAccount(owner), await createAccount(owner), await createAccount(owner)];
    expect(new Set(accounts.map((account) => account.id)).size).toBe(3);
    expect(new Set(accounts.map((account) => account.externalId)).size).toBe(3);
  });

  it('omits members that have no value and never answers null', async () => {
    const nameless = await signInOwner(keyward, { name: undefined });
    const answer = await nameless.post<ServiceAccount>('/service-accounts', { body: { name: 'Bare' } });
    expect(answer.status).toBe(201);
    expect(answer.text).not.toContain('null');
    expect(answer.body.createdBy).toEqual({ id: expect.any(String) });
    for (const member of ['description', 'role', 'disabledAt']) expect(answer.body).not.toHaveProperty(member);
  });

  it('names the same creator as the same person and another one as another person', async () => {
    const mine = await createAccount(owner);
    const editor = await owner.colleague({ role: 'editor', name: 'Eddie Editor' });
    const theirs = await createAccount(editor);
    expect((await createAccount(owner)).createdBy).toEqual(mine.createdBy);
    expect(theirs.createdBy?.name).toBe('Eddie Editor');
    expect(theirs.createdBy?.id).not.toBe(mine.createdBy?.id);
  });

  it.each([
    ['one character', 'x'],
    ['100 characters', 'n'.repeat(100)],
    ['100 letters of two bytes each', 'é'.repeat(100)],
    ['100 characters of two UTF-16 units each', `a${'🔑'.repeat(99)}`],
  ])('takes a name of %s', async (_what, name) => {
    expect((await createAccount(owner, { name })).name).toBe(name);
  });

  it.each([
    ['missing', undefined],
    ['null', null],
    ['empty', ''],
    ['101 characters long', 'n'.repeat(101)],
    ['a number', 5],
    ['an object', { first: 'Billing' }],
    ['a list', ['Billing']],
    ['text with a NUL character', 'a\u0000b'],
  ])('refuses a name that is %s', async (_what, name) => {
    expectInvalid(await owner.post('/service-accounts', { body: { name } }), 'body.name');
  });

  it('survives a name with half a surrogate pair', async () => {
    const answer = await owner.post('/service-accounts', { body: '{"name":"half \\ud800 pair"}' });
    expect([201, 422]).toContain(answer.status);
  });
});

describe('get', () => {
  it('answers what the creation answered', async () => {
    const created = await createAccount(owner, { name: unique('Stable') });
    const answer = await owner.get(`/service-accounts/${created.slug}`);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(created);
  });

  it('shows the metadata of the tokens, without their secrets', async () => {
    const { slug } = await createAccount(owner);
    const { token: secret, ...metadata } = await issueToken(owner, slug);
    const answer = await owner.get<ServiceAccount>(`/service-accounts/${slug}`);
    expect(answer.body.tokens).toEqual([metadata]);
    expect(answer.text).not.toContain(secret);
    const list = await owner.get<ServiceAccount[]>('/service-accounts');
    expect(list.body.find((account) => account.slug === slug)?.tokens).toEqual([metadata]);
    expect(list.text).not.toContain(secret);
  });
});

describe('replace', () => {
  it('answers 204 without a body and changes the name, and neither slug nor ids', async () => {
    const created = await createAccount(owner, { name: 'Before' });
    const answer = await owner.put(`/service-accounts/${created.slug}`, { body: { name: 'After' } });
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect((await owner.get(`/service-accounts/${created.slug}`)).body).toEqual({ ...created, name: 'After' });
  });

  it('takes the slug of the path in the body', async () => {
    const { slug } = await createAccount(owner);
    expect((await owner.put(`/service-accounts/${slug}`, { body: { name: 'Same', slug } })).status).toBe(204);
  });

  it('refuses another slug: a slug never changes', async () => {
    const { slug } = await createAccount(owner);
    const body = { name: 'Moved', slug: unique('moved') };
    const problem = expectInvalid(await owner.put(`/service-accounts/${slug}`, { body }), 'body.slug');
    expect(problem.errors?.[0]?.value).toBe(body.slug);
    expect((await owner.get(`/service-accounts/${body.slug}`)).status).toBe(404);
  });

  it.each([
    ['missing', {}],
    ['empty', { name: '' }],
    ['too long', { name: 'n'.repeat(101) }],
  ])('refuses a name that is %s', async (_what, body) => {
    const { slug } = await createAccount(owner);
    expectInvalid(await owner.put(`/service-accounts/${slug}`, { body }), 'body.name');
  });
});

describe('an account that is not there', () => {
  const requests: [string, string, object | undefined][] = [
    ['GET', '', undefined],
    ['PUT', '', { name: 'Mine now' }],
    ['GET', '/tokens', undefined],
    ['GET', '/tokens?limit=2', undefined],
    ['POST', '/tokens', { name: 'mine', scopes: ['orders:read'] }],
    ['DELETE', '/tokens/nightly', undefined],
    ['DELETE', '', undefined],
    ['POST', '/disable', undefined],
    ['POST', '/enable', undefined],
    ['GET', '/tokens/nightly', undefined],
    ['PATCH', '/tokens/nightly', { name: 'mine' }],
    ['POST', '/tokens/nightly/rotate', undefined],
  ];

  it.each(requests)(
    'answers %s /service-accounts/…%s the same 404 when it is foreign as when it is missing',
    async (method, rest, body) => {
      const stranger = await signInOwner(keyward);
      const slug = unique('target');
      const path = `/service-accounts/${slug}${rest}`;
      const headers = { 'x-request-id': 'the-same-for-both' };
      const missing = await stranger.request(method, path, { body, headers });

      const victim = await signInOwner(keyward);
      await createAccount(victim, { name: 'Target', slug });
      await issueToken(victim, slug, { name: 'nightly' });
      const foreign = await stranger.request(method, path, { body, headers });

      expectProblem(missing, 404, 'service_account.not_found');
      expect([foreign.status, foreign.text]).toEqual([missing.status, missing.text]);
    },
  );

  it('does not change a foreign account', async () => {
    const victim = await signInOwner(keyward);
    const account = await createAccount(victim, { name: 'Target' });
    const stranger = await signInOwner(keyward);
    await stranger.put(`/service-accounts/${account.slug}`, { body: { name: 'Mine now' } });
    await stranger.delete(`/service-accounts/${account.slug}`);
    await stranger.post(`/service-accounts/${account.slug}/disable`);
    expect((await victim.get(`/service-accounts/${account.slug}`)).body).toEqual(account);
  });

  it.each(['UPPER', 'a', '-ab', 'ab-', 'a_b', 'a%20b', 'a'.repeat(101), '%C3%A9%C3%A9'])(
    'refuses %s in the path, which no account can have, with 422',
    async (slug) => {
      expectInvalid(await owner.get(`/service-accounts/${slug}`), 'path.serviceAccountSlug');
      expectInvalid(await owner.get(`/service-accounts/${slug}/tokens`), 'path.serviceAccountSlug');
    },
  );
});
