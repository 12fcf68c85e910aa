import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import type { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import { type ServiceAccount, TIMESTAMP, type Token } from '../support/wire.js';

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
  account = await createAccount(owner, { name: unique('Revocation') });
  tokensPath = `/service-accounts/${account.slug}/tokens`;
});

/** A client that holds a new token of the account, which has just been used, so that every cache knows it. */
async function holderOfWarmToken(): Promise<{ holder: Client; slug: string }> {
  const { token, slug } = await issueToken(owner, account.slug, { scopes: ['service_accounts:read'] });
  const holder = owner.holding(token);
  expectStatus(await holder.get('/service-accounts?limit=1'), 200);
  return { holder, slug };
}

describe('revoke', () => {
  it('answers 204 without a body and marks the token, which stays listed', async () => {
    const issued = await issueToken(owner, account.slug);
    const answer = await owner.delete(`${tokensPath}/${issued.slug}`);
    expect([answer.status, answer.text]).toEqual([204, '']);
    const listed = (await owner.get<Token[]>(tokensPath)).body;
    expect(listed).toHaveLength(1);
    expect(listed[0]).toMatchObject({
      id: issued.id,
      name: issued.name,
      scopes: issued.scopes,
      createdAt: issued.createdAt,
      revokedAt: expect.stringMatching(TIMESTAMP),
      revokedBy: { id: account.createdBy?.id, name: 'Olive Owner' },
    });
    expect((await owner.get<Token[]>(`/api${tokensPath}`)).body).toEqual(listed);
  });

  it('stops a token at once, also one that was just used', async () => {
    const { holder, slug } = await holderOfWarmToken();
    expectStatus(await owner.delete(`${tokensPath}/${slug}`), 204);
    expectProblem(await holder.get('/service-accounts?limit=1'), 401, 'authentication.invalid');
  });

  it('leaves the other tokens of the account alone', async () => {
    const { slug } = await holderOfWarmToken();
    const { holder: other } = await holderOfWarmToken();
    expectStatus(await owner.delete(`${tokensPath}/${slug}`), 204);
    expectStatus(await other.get('/service-accounts?limit=1'), 200);
  });

  it('lets a token revoke itself', async () => {
    const { token, slug } = await issueToken(owner, account.slug, { scopes: ['api_tokens'] });
    expectStatus(await owner.holding(token).delete(`${tokensPath}/${slug}`), 204);
    expectProblem(await owner.holding(token).get(tokensPath), 401, 'authentication.invalid');
  });

  it('answers the same 404 for an unknown, a foreign and an already revoked token', async () => {
    const slug = 'nightly';
    const headers = { 'x-request-id': 'the-same-for-all' };
    const revokeAgainst = async (client: Client, accountSlug: string): Promise<string> => {
      const answer = await client.delete(`/service-accounts/${accountSlug}/tokens/${slug}`, { headers });
      expectProblem(answer, 404, 'token.not_found');
      return answer.text;
    };
    // Two organizations with an account of the same slug, so that the whole request is the same.
    const stranger = await signInOwner(keyward);
    await createAccount(stranger, { name: 'Same', slug: account.slug });
    const unknown = await revokeAgainst(stranger, account.slug);

    await issueToken(owner, account.slug, { name: slug });
    const foreign = await revokeAgainst(stranger, account.slug);
    expectStatus(await owner.delete(`${tokensPath}/${slug}`), 204);
    const alreadyRevoked = await revokeAgainst(owner, account.slug);

    expect(foreign).toBe(unknown);
    expect(alreadyRevoked).toBe(unknown);
  });

  it('does not find a token of another account of the organization', async () => {
    const other = await createAccount(owner);
    const { slug } = await issueToken(owner, other.slug, { name: 'elsewhere' });
    expectProblem(await owner.delete(`${tokensPath}/${slug}`), 404, 'token.not_found');
    expect((await owner.get<Token[]>(`/service-accounts/${other.slug}/tokens`)).body[0]).not.toHaveProperty(
      'revokedAt',
    );
  });

  it('keeps the first revocation when it is tried again', async () => {
    const { slug } = await issueToken(owner, account.slug);
    expectStatus(await owner.delete(`${tokensPath}/${slug}`), 204);
    const [first] = (await owner.get<Token[]>(tokensPath)).body;
    const admin = await owner.colleague({ role: 'admin', name: 'Ada Admin' });
    expectProblem(await admin.delete(`${tokensPath}/${slug}`), 404, 'token.not_found');
    expect((await owner.get<Token[]>(tokensPath)).body).toEqual([first]);
  });

  it.each(['UPPER', 'a', '-ab', 'a_b'])('refuses %s in the path, which no token can have, with 422', async (slug) => {
    const answer = await owner.delete(`${tokensPath}/${slug}`);
    expect(expectProblem(answer, 422, 'request.invalid').errors?.[0]?.location).toBe('path.tokenSlug');
  });
});

describe('a disabled account', () => {
  it('has tokens that stop at once and work again once it is enabled', async () => {
    const { holder } = await holderOfWarmToken();
    const disabled = await owner.post<ServiceAccount>(`/service-accounts/${account.slug}/disable`);
    expect(disabled.status).toBe(200);
    expect(disabled.body).toMatchObject({ id: account.id, disabledAt: expect.stringMatching(TIMESTAMP) });
    expectProblem(await holder.get('/service-accounts?limit=1'), 401, 'authentication.invalid');

    const enabled = await owner.post<ServiceAccount>(`/service-accounts/${account.slug}/enable`);
    expect(enabled.status).toBe(200);
    expect(enabled.body).not.toHaveProperty('disabledAt');
    expectStatus(await holder.get('/service-accounts?limit=1'), 200);
  });

  it('stays listed with its tokens, which are not revoked', async () => {
    await issueToken(owner, account.slug);
    expectStatus(await owner.post(`/service-accounts/${account.slug}/disable`), 200);
    expect((await owner.get<ServiceAccount>(`/service-accounts/${account.slug}`)).body).toHaveProperty('disabledAt');
    expect((await owner.get<Token[]>(tokensPath)).body[0]).not.toHaveProperty('revokedAt');
  });

  it('keeps the moment of the first disabling', async () => {
    const path = `/service-accounts/${account.slug}`;
    const first = expectStatus(await owner.post<ServiceAccount>(`${path}/disable`), 200);
    const second = expectStatus(await owner.post<ServiceAccount>(`${path}/disable`), 200);
    expect(second.disabledAt).toBe(first.disabledAt);
  });
});

describe('a deleted account', () => {
  it('has tokens that stop at once', async () => {
    const { holder } = await holderOfWarmToken();
    const answer = await owner.delete(`/service-accounts/${account.slug}`);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expectProblem(await holder.get('/service-accounts?limit=1'), 401, 'authentication.invalid');
  });

  it('is gone from its path and from the list', async () => {
    expectStatus(await owner.delete(`/service-accounts/${account.slug}`), 204);
    expectProblem(await owner.get(`/service-accounts/${account.slug}`), 404, 'service_account.not_found');
    expectProblem(await owner.get(tokensPath), 404, 'service_account.not_found');
    expectProblem(await owner.delete(`/service-accounts/${account.slug}`), 404, 'service_account.not_found');
    const listed = (await owner.get<ServiceAccount[]>('/service-accounts')).body;
    expect(listed.map(({ id }) => id)).not.toContain(account.id);
  });

  it('frees its slug for another account, which does not revive its tokens', async () => {
    const { holder } = await holderOfWarmToken();
    expectStatus(await owner.delete(`/service-accounts/${account.slug}`), 204);
    const successor = await createAccount(owner, { name: 'Successor', slug: account.slug });
    expect(successor.id).not.toBe(account.id);
    expect(successor.tokens).toEqual([]);
    expect((await owner.get(tokensPath)).body).toEqual([]);
    expectProblem(await holder.get('/service-accounts?limit=1'), 401, 'authentication.invalid');
  });
});
