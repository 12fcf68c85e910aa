import { crc32 } from 'node:zlib';
import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import { SECRET, type ServiceAccount, SLUG, TIMESTAMP, type Token, UUID } from '../support/wire.js';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

let keyward: Keyward;
let owner: Person;
let account: ServiceAccount;
let tokensPath: string;

beforeAll(async () => {
  keyward = await startKeyward();
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  owner ??= await signInOwner(keyward);
  account = await createAccount(owner, { name: unique('Tokens') });
  tokensPath = `/service-accounts/${account.slug}/tokens`;
});

function inSeconds(seconds: number): string {
  return new Date(Date.now() + seconds * 1_000).toISOString();
}

describe('issue', () => {
  it('answers 201 with the metadata and the secret', async () => {
    const expiresAt = inSeconds(3_600);
    const body = { name: 'Nightly export', scopes: ['orders:read', 'orders:write'], expiresAt };
    const answer = await owner.post<Token>(tokensPath, { body });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      id: expect.stringMatching(UUID),
      slug: 'nightly-export',
      name: 'Nightly export',
      scopes: ['orders:read', 'orders:write'],
      serviceAccountId: account.id,
      createdAt: expect.stringMatching(TIMESTAMP),
      createdBy: { id: account.createdBy?.id, name: 'Olive Owner' },
      expiresAt: expect.stringMatching(TIMESTAMP),
      token: expect.stringMatching(SECRET),
    });
    expect(Date.parse(answer.body.expiresAt ?? '')).toBe(Date.parse(expiresAt));
  });

  it('omits members that have no value and never answers null', async () => {
    const answer = await owner.post(tokensPath, { body: { name: 'bare', scopes: ['orders:read'] } });
    expect(answer.status).toBe(201);
    expect(answer.text).not.toContain('null');
    for (const member of ['expiresAt', 'revokedAt', 'revokedBy']) expect(answer.body).not.toHaveProperty(member);
  });

  it('makes a secret of 43 random base62 characters that ends in the CRC-32 of all before it', async () => {
    const { token } = await issueToken(owner, account.slug);
    let checksum = crc32(token.slice(0, -6));
    let expected = '';
    for (let digit = 0; digit < 6; digit += 1) {
      expected = BASE62.charAt(checksum % 62) + expected;
      checksum = Math.floor(checksum / 62);
    }
    expect(token).toMatch(SECRET);
    expect(token.slice(-6)).toBe(expected);
  });

  it('makes a secret that authenticates, by an account that names itself as the creator', async () => {
    const issued = await issueToken(owner, account.slug, { scopes: ['service_accounts'] });
    const created = await createAccount(owner.holding(issued.token), { name: unique('by a token') });
    expect(created.createdBy?.id).toMatch(/\S/);
    expect(created.createdBy?.id).not.toBe(account.createdBy?.id);
  });

  it('takes the slug that it is given', async () => {
    expect(await issueToken(owner, account.slug, { name: 'Anything', slug: 'chosen-1' })).toMatchObject({
      slug: 'chosen-1',
    });
  });

  it.each([
    ['name', { scopes: ['orders:read'] }],
    ['name', { name: '', scopes: ['orders:read'] }],
    ['name', { name: 'n'.repeat(101), scopes: ['orders:read'] }],
    ['name', { name: 7, scopes: ['orders:read'] }],
    ['scopes', { name: 'no scopes' }],
    ['scopes', { name: 'null', scopes: null }],
    ['scopes', { name: 'text', scopes: 'orders:read' }],
  ])('refuses a wrong or missing %s: %j', async (member, body) => {
    expectInvalid(await owner.post(tokensPath, { body }), `body.${member}`);
  });

  it('shows the secret in this answer and nowhere else', async () => {
    const { token: secret, ...metadata } = await issueToken(owner, account.slug, { name: 'Only once' });
    await owner.holding(secret).get('/service-accounts');
    const answers = [
      await owner.get(tokensPath),
      await owner.get(`${tokensPath}?limit=10`),
      await owner.get(`${tokensPath}/${metadata.slug}`),
      await owner.get(`/service-accounts/${account.slug}`),
      await owner.get('/service-accounts'),
      await owner.patch(`${tokensPath}/${metadata.slug}`, { body: { name: 'Renamed' } }),
      await owner.get('/audit-events'),
      await owner.post(tokensPath, { body: { name: 'Renamed', scopes: ['orders:read'] } }),
    ];
    for (const answer of answers) {
      expect(answer.text).not.toContain(secret);
      expect(answer.text).not.toMatch(/"token"\s*:|kws_/);
    }
    expect((await owner.get<Token[]>(tokensPath)).body[0]).toMatchObject({ ...metadata, name: 'Renamed' });
  });
});

describe('expiry', () => {
  it.each([
    ['an offset', '2099-06-01T02:00:00+02:00', '2099-06-01T00:00:00Z'],
    ['no fraction', '2099-06-01T00:00:00Z', '2099-06-01T00:00:00Z'],
    ['milliseconds', '2099-06-01T00:00:00.125Z', '2099-06-01T00:00:00.125Z'],
  ])('takes a moment with %s and answers it in UTC', async (_what, expiresAt, inUtc) => {
    const issued = await issueToken(owner, account.slug, { expiresAt });
    expect(issued.expiresAt).toMatch(TIMESTAMP);
    expect(Date.parse(issued.expiresAt ?? '')).toBe(Date.parse(inUtc));
  });

  it.each([
    ['in the past', '2020-01-01T00:00:00Z'],
    ['a second ago', () => inSeconds(-1)],
    ['a date without a time', '2099-01-01'],
    ['without a time zone', '2099-01-01T00:00:00'],
    ['a day that does not exist', '2099-02-30T00:00:00Z'],
    ['no date at all', 'tomorrow'],
    ['a number', 4_070_908_800],
    ['empty', ''],
    ['beyond what can be stored', '+275760-09-13T00:00:00Z'],
  ])('refuses an expiry that is %s', async (_what, value) => {
    const expiresAt = typeof value === 'function' ? value() : value;
    const body = { name: unique('expiry'), scopes: ['orders:read'], expiresAt };
    const problem = expectInvalid(await owner.post(tokensPath, { body }), 'body.expiresAt');
    expect(problem.errors?.[0]?.value).toEqual(expiresAt);
  });

  it('ends a token at its moment, also one that was just used, and keeps it listed', async () => {
    const scopes = ['service_accounts:read'];
    const expiresAt = inSeconds(2);
    const issued = await issueToken(owner, account.slug, { scopes, expiresAt });
    const holder = owner.holding(issued.token);
    while (Date.now() < Date.parse(expiresAt) - 500) expectStatus(await holder.get('/service-accounts?limit=1'), 200);
    while (Date.now() <= Date.parse(expiresAt)) await holder.get('/service-accounts?limit=1');
    expectProblem(await holder.get('/service-accounts?limit=1'), 401, 'authentication.invalid');
    expect((await owner.get<Token[]>(tokensPath)).body.map((token) => token.id)).toContain(issued.id);
  });

  it("lets no token outlive the organization's maximum lifetime", async () => {
    const strict = await signInOwner(keyward);
    const { slug } = await createAccount(strict);
    expectStatus(await strict.patch('/organization', { body: { tokenLifetimeMaxSeconds: 3_600 } }), 200);
    const path = `/service-accounts/${slug}/tokens`;

    const tooLong = { name: 'too long', scopes: ['orders:read'], expiresAt: inSeconds(3_700) };
    expectInvalid(await strict.post(path, { body: tooLong }), 'body.expiresAt');
    await issueToken(strict, slug, { expiresAt: inSeconds(3_500) });
    const withoutExpiry = await issueToken(strict, slug);
    const lifetimeMs = Date.parse(withoutExpiry.expiresAt ?? '') - Date.parse(withoutExpiry.createdAt);
    expect(lifetimeMs).toBeGreaterThan(0);
    expect(lifetimeMs).toBeLessThanOrEqual(3_600_000);
    const extended = await strict.patch(`${path}/${withoutExpiry.slug}`, { body: { expiresAt: inSeconds(4_000) } });
    expectInvalid(extended, 'body.expiresAt');
  });
});

describe('names and slugs', () => {
  it('refuses a name that another live token of the account has with 409', async () => {
    await issueToken(owner, account.slug, { name: 'Deploy' });
    const body = { name: 'Deploy', slug: 'another-slug', scopes: ['orders:read'] };
    expectProblem(await owner.post(tokensPath, { body }), 409, 'token.name_taken');
  });

  it('lets tokens of different accounts have the same name and slug', async () => {
    const other = await createAccount(owner);
    const first = await issueToken(owner, account.slug, { name: 'Deploy' });
    const second = await issueToken(owner, other.slug, { name: 'Deploy' });
    expect([first.slug, second.slug]).toEqual(['deploy', 'deploy']);
  });

  it('frees the name of a revoked token, and not its slug', async () => {
    const first = await issueToken(owner, account.slug, { name: 'Deploy' });
    expectStatus(await owner.delete(`${tokensPath}/deploy`), 204);
    const second = await issueToken(owner, account.slug, { name: 'Deploy' });
    expect(first.slug).toBe('deploy');
    expect(second.slug).toMatch(/^deploy-[0-9a-f]{6}$/);
    const body = { name: 'Third', slug: 'deploy', scopes: ['orders:read'] };
    expectProblem(await owner.post(tokensPath, { body }), 409, 'token.slug_taken');
  });

  it('keeps the name of an expired token taken: it is not revoked', async () => {
    await issueToken(owner, account.slug, { name: 'Deploy' });
    await keyward.sql("update tokens set expires_at = now() - interval '1 hour' where service_account_id = $1", [
      account.id,
    ]);
    const body = { name: 'Deploy', scopes: ['orders:read'] };
    expectProblem(await owner.post(tokensPath, { body }), 409, 'token.name_taken');
  });

  it('makes a slug of its own for a name that has none', async () => {
    expect((await issueToken(owner, account.slug, { name: '🔑' })).slug).toMatch(SLUG);
  });
});
