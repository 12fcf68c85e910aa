import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import { type IssuedToken, SECRET, type ServiceAccount, type Token } from '../support/wire.js';

let keyward: Keyward;
let owner: Person;
let account: ServiceAccount;
let tokensPath: string;

beforeAll(async () => {
  keyward = await startKeyward();
  owner = await signInOwner(keyward);
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  account = await createAccount(owner, { name: unique('Additions') });
  tokensPath = `/service-accounts/${account.slug}/tokens`;
});

describe('further members of an account', () => {
  it('are a description and a role, named by its slug', async () => {
    const created = await createAccount(owner, { name: unique('With more'), description: 'Ships it', role: 'editor' });
    expect(created).toMatchObject({ description: 'Ships it', role: 'editor' });
    expect((await owner.get(`/service-accounts/${created.slug}`)).body).toEqual(created);
    const body = { name: created.name, description: 'Reads it', role: 'viewer' };
    expectStatus(await owner.put(`/service-accounts/${created.slug}`, { body }), 204);
    expect((await owner.get(`/service-accounts/${created.slug}`)).body).toEqual({ ...created, ...body });
  });

  it('refuse a role that does not exist', async () => {
    expectInvalid(await owner.post('/service-accounts', { body: { name: 'x1', role: 'emperor' } }), 'body.role');
    expectInvalid(
      await owner.put(`/service-accounts/${account.slug}`, { body: { name: 'x1', role: 'emperor' } }),
      'body.role',
    );
  });

  it('refuse a description of more than 500 characters', async () => {
    const body = { name: 'x1', description: 'd'.repeat(501) };
    expectInvalid(await owner.post('/service-accounts', { body }), 'body.description');
  });
});

describe('one token', () => {
  it('is got by its slug, without its secret', async () => {
    const { token: _secret, ...metadata } = await issueToken(owner, account.slug, { name: 'Single' });
    const answer = await owner.get(`${tokensPath}/single`);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(metadata);
  });

  it('is got also after it was revoked', async () => {
    const { slug } = await issueToken(owner, account.slug);
    expectStatus(await owner.delete(`${tokensPath}/${slug}`), 204);
    expect(expectStatus(await owner.get<Token>(`${tokensPath}/${slug}`), 200)).toHaveProperty('revokedAt');
  });

  it('is not found under another account', async () => {
    const { slug } = await issueToken(owner, account.slug);
    const other = await createAccount(owner);
    expectProblem(await owner.get(`/service-accounts/${other.slug}/tokens/${slug}`), 404, 'token.not_found');
    expectProblem(await owner.get(`${tokensPath}/nobody-has-this`), 404, 'token.not_found');
  });
});

describe('PATCH of a token', () => {
  it('changes what is sent and leaves what is absent', async () => {
    const { token: _secret, ...before } = await issueToken(owner, account.slug, { name: 'Before' });
    const expiresAt = '2099-01-01T00:00:00Z';
    const changes: [object, object][] = [
      [{ name: 'After' }, { name: 'After' }],
      [{ scopes: ['b', 'a', 'b'] }, { scopes: ['b', 'a'] }],
      [
        { authorizedIpAddresses: ['192.0.2.1', '2001:db8::/32'] },
        { authorizedIpAddresses: ['192.0.2.1', '2001:db8::/32'] },
      ],
      [{ rateLimit: 60 }, { rateLimit: 60 }],
      [{ annotations: { team: 'billing' } }, { annotations: { team: 'billing' } }],
      [{ expiresAt }, { expiresAt: expect.stringMatching(/^2099-01-01T00:00:00(\.000)?Z$/) }],
    ];
    let expected: object = before;
    for (const [body, shown] of changes) {
      const answer = await owner.patch(`${tokensPath}/${before.slug}`, { body });
      expected = { ...expected, ...shown };
      expect([answer.status, answer.body]).toEqual([200, expected]);
    }
    expect((await owner.get(`${tokensPath}/${before.slug}`)).body).toEqual(expected);
  });

  it('clears what is sent as null', async () => {
    const { slug } = await issueToken(owner, account.slug, {
      expiresAt: '2099-01-01T00:00:00Z',
      rateLimit: 60,
    });
    const body = { expiresAt: null, rateLimit: null };
    const answer = await owner.patch<Token>(`${tokensPath}/${slug}`, { body });
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain('null');
    expect(answer.body).not.toHaveProperty('expiresAt');
    expect(answer.body).not.toHaveProperty('rateLimit');
  });

  it.each([
    ['null', { authorizedIpAddresses: null, annotations: null }],
    ['empty', { authorizedIpAddresses: [], annotations: {} }],
  ])('clears a list of addresses and annotations that are sent as %s', async (_what, body) => {
    const more = { authorizedIpAddresses: ['192.0.2.0/24'], annotations: { team: 'billing' } };
    const { slug } = await issueToken(owner, account.slug, more);
    const cleared = expectStatus(await owner.patch<Token>(`${tokensPath}/${slug}`, { body }), 200);
    expect(cleared.authorizedIpAddresses ?? []).toEqual([]);
    expect(cleared.annotations ?? {}).toEqual({});
  });

  it('accepts a token sent back as it was received', async () => {
    const { slug } = await issueToken(owner, account.slug, { expiresAt: '2099-01-01T00:00:00Z', rateLimit: 5 });
    const { body } = await owner.get<Token>(`${tokensPath}/${slug}`);
    const answer = await owner.patch(`${tokensPath}/${slug}`, { body });
    expect([answer.status, answer.body]).toEqual([200, body]);
  });

  it.each([
    ['name', null],
    ['name', ''],
    ['scopes', null],
    ['scopes', 'orders'],
    ['authorizedIpAddresses', ['192.0.2.1/24']],
    ['authorizedIpAddresses', ['not an address']],
    ['authorizedIpAddresses', '192.0.2.1'],
    ['rateLimit', 0],
    ['rateLimit', 1.5],
    ['rateLimit', '60'],
    ['annotations', { team: 5 }],
    ['annotations', ['team']],
    ['expiresAt', '2020-01-01T00:00:00Z'],
    ['slug', 'another-slug'],
    ['colour', 'red'],
  ])('refuses %s: %j', async (member, value) => {
    const { slug } = await issueToken(owner, account.slug);
    const answer = await owner.patch(`${tokensPath}/${slug}`, { body: { [member]: value } });
    const problem = expectProblem(answer, 422, 'request.invalid');
    for (const { location } of problem.errors ?? []) expect(location).toMatch(new RegExp(`^body\\.${member}\\b`));
    expect(problem.errors).not.toHaveLength(0);
  });

  it('refuses a name that another live token has, and takes its own', async () => {
    const first = await issueToken(owner, account.slug, { name: 'First' });
    const second = await issueToken(owner, account.slug, { name: 'Second' });
    const taken = await owner.patch(`${tokensPath}/${second.slug}`, { body: { name: 'First' } });
    expectProblem(taken, 409, 'token.name_taken');
    expectStatus(await owner.patch(`${tokensPath}/${first.slug}`, { body: { name: 'First' } }), 200);
  });

  it('takes hold of a token in use at once', async () => {
    const { slug, token } = await issueToken(owner, account.slug, { scopes: ['service_accounts:read', 'api_tokens'] });
    const holder = owner.holding(token);
    expectStatus(await holder.get('/service-accounts?limit=1'), 200);
    expectStatus(await owner.patch(`${tokensPath}/${slug}`, { body: { scopes: ['api_tokens'] } }), 200);
    expectProblem(await holder.get('/service-accounts?limit=1'), 403, 'access.denied');
    expectStatus(await owner.patch(`${tokensPath}/${slug}`, { body: { scopes: ['service_accounts:read'] } }), 200);
    expectStatus(await holder.get('/service-accounts?limit=1'), 200);
    const body = { authorizedIpAddresses: ['192.0.2.0/24'] };
    expectStatus(await owner.patch(`${tokensPath}/${slug}`, { body }), 200);
    expectProblem(await holder.get('/service-accounts?limit=1'), 403, 'access.address_not_authorized');
  });

  it('does not find a revoked token', async () => {
    const { slug } = await issueToken(owner, account.slug);
    expectStatus(await owner.delete(`${tokensPath}/${slug}`), 204);
    expectProblem(await owner.patch(`${tokensPath}/${slug}`, { body: { name: 'Again' } }), 404, 'token.not_found');
  });
});

describe('rotation', () => {
  async function worksStill(secret: string): Promise<boolean> {
    return (await owner.holding(secret).get('/service-accounts?limit=1')).status === 200;
  }

  it('answers the same token with another secret, and the old one dies at once', async () => {
    const { token: old, ...metadata } = await issueToken(owner, account.slug, { scopes: ['service_accounts:read'] });
    expect(await worksStill(old)).toBe(true);
    const answer = await owner.post<IssuedToken>(`${tokensPath}/${metadata.slug}/rotate`);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      id: metadata.id,
      slug: metadata.slug,
      name: metadata.name,
      scopes: metadata.scopes,
    });
    expect(answer.body.token).toMatch(SECRET);
    expect(answer.body.token).not.toBe(old);
    expect([await worksStill(old), await worksStill(answer.body.token)]).toEqual([false, true]);
  });

  it('lets the old secret work for the grace period, and no longer', async () => {
    const { token: old, slug } = await issueToken(owner, account.slug, { scopes: ['service_accounts:read'] });
    const body = { gracePeriodSeconds: 2 };
    const before = Date.now();
    const { token: fresh } = expectStatus(await owner.post<IssuedToken>(`${tokensPath}/${slug}/rotate`, { body }), 200);
    const after = Date.now();
    while (Date.now() < before + 1_500) expect(await worksStill(old)).toBe(true);
    while (Date.now() <= after + 2_000) await worksStill(fresh);
    expect([await worksStill(old), await worksStill(fresh)]).toEqual([false, true]);
  });

  it('ends every secret when the token is revoked', async () => {
    const { token: old, slug } = await issueToken(owner, account.slug, { scopes: ['service_accounts:read'] });
    const body = { gracePeriodSeconds: 600 };
    const { token: fresh } = expectStatus(await owner.post<IssuedToken>(`${tokensPath}/${slug}/rotate`, { body }), 200);
    expect([await worksStill(old), await worksStill(fresh)]).toEqual([true, true]);
    expectStatus(await owner.delete(`${tokensPath}/${slug}`), 204);
    expect([await worksStill(old), await worksStill(fresh)]).toEqual([false, false]);
  });

  it.each([-1, 1.5, '60', 604_801, null])('refuses a grace period of %j', async (gracePeriodSeconds) => {
    const { slug } = await issueToken(owner, account.slug);
    const answer = await owner.post(`${tokensPath}/${slug}/rotate`, { body: { gracePeriodSeconds } });
    expectInvalid(answer, 'body.gracePeriodSeconds');
  });

  it('does not find a revoked token', async () => {
    const { slug } = await issueToken(owner, account.slug);
    expectStatus(await owner.delete(`${tokensPath}/${slug}`), 204);
    expectProblem(await owner.post(`${tokensPath}/${slug}/rotate`), 404, 'token.not_found');
  });

  it('refuses an expired token', async () => {
    const { slug, id } = await issueToken(owner, account.slug);
    await keyward.sql("update tokens set expires_at = '2026-01-01T00:00:00Z' where id = $1", [id]);
    expectProblem(await owner.post(`${tokensPath}/${slug}/rotate`), 409, 'token.expired');
  });
});
