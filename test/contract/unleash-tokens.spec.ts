import { createAccount, expectStatus, issueToken, type Person, signInOwner } from '../support/callers.js';
import { eventually } from '../support/eventually.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import {
  accountPath,
  accountRequest,
  ACCOUNTS,
  ADMIN,
  atOnce,
  countByStatus,
  createUnleashAccount,
  EDITOR,
  expectBadData,
  expectDeleted,
  expectError,
  expectLocation,
  expectPat,
  findAccount,
  inSeconds,
  issuePat,
  type IssuedUnleashPat,
  listAccounts,
  listPats,
  patRequest,
  patsPath,
  unleash,
  type UnleashAccount,
  type UnleashClient,
  VIEWER,
} from '../support/unleash.js';
import { codeOf, platform, verify, VERIFYING } from '../support/verification.js';
import type { ServiceAccount, Token } from '../support/wire.js';

const CALLERS = 50;
const PATIENCE_MS = 10_000;

let keyward: Keyward;
let person: Person;
let owner: UnleashClient;
let account: UnleashAccount;
let pats: string;

beforeAll(async () => {
  keyward = await startKeyward({ env: { ...VERIFYING, USAGE_FLUSH_INTERVAL_MS: '300' } });
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  person = await signInOwner(keyward);
  owner = unleash(person);
  account = await createUnleashAccount(owner);
  pats = patsPath(account);
});

/** The only account of the organization, as the native dialect tells it. */
async function nativeAccount(): Promise<ServiceAccount> {
  return expectStatus(await person.get<ServiceAccount[]>('/service-accounts'), 200)[0]!;
}

async function nativeTokensPath(): Promise<string> {
  return `/service-accounts/${(await nativeAccount()).slug}/tokens`;
}

describe('the list', () => {
  it('answers 200 with an array, also where there is no token', async () => {
    const answer = await owner.get(pats);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
    expect(answer.body).toEqual({ pats: [] });
  });

  it('shows each token of this account alone, whole and without its secret', async () => {
    const other = await createUnleashAccount(owner);
    await issuePat(owner, patsPath(other));
    const issued = [await issuePat(owner, pats), await issuePat(owner, pats)];
    const { text, body } = await owner.get<{ pats: IssuedUnleashPat[] }>(pats);
    body.pats.forEach(expectPat);
    const expected = issued.map(({ secret: _, ...pat }) => pat);
    expect([...body.pats].sort((a, b) => a.id - b.id)).toEqual(expected.sort((a, b) => a.id - b.id));
    for (const { secret } of issued) expect(text).not.toContain(secret);
    expect(text).not.toContain('"secret"');
  });
});

describe('a creation', () => {
  it('answers 201 with the whole token, its secret, and where it is', async () => {
    const body = { description: 'Nightly export', expiresAt: inSeconds(3_600) };
    const answer = await owner.post<IssuedUnleashPat>(pats, { body });
    expect(answer.status).toBe(201);
    const { secret, ...pat } = answer.body;
    expect(expectPat(pat)).toMatchObject({ ...body, seenAt: null });
    expect(Math.abs(Date.now() - Date.parse(pat.createdAt))).toBeLessThan(60_000);
    expect(secret).toEqual(expect.stringMatching(/^\S+$/));
    expectLocation(answer, pat);
    expect(await listPats(owner, pats)).toEqual([pat]);
    expect((await findAccount(owner, account))?.tokens).toEqual([pat]);
  });

  it.each([
    ['description', undefined],
    ['description', ''],
    ['description', { is: 'not-a-text' }],
    ['expiresAt', undefined],
    ['expiresAt', 'tomorrow'],
    ['expiresAt', '2099-02-30T00:00:00Z'],
    ['expiresAt', { is: 'not-a-text' }],
  ])('refuses a missing or wrong %s with 400: %j', async (member, value) => {
    const answer = await owner.post(pats, { body: patRequest({ [member]: value }) });
    expectBadData(answer, `/body/${member}`);
    expect(await listPats(owner, pats)).toEqual([]);
  });

  it.each([
    ['long past', () => '2020-01-01T00:00:00.000Z'],
    ['a second past', () => inSeconds(-1)],
  ])('refuses an expiry that is %s with 400 and the published sentence', async (_what, moment) => {
    const answer = await owner.post(pats, { body: patRequest({ expiresAt: moment() }) });
    const { message, details = [] } = expectError(answer, 400, 'BadDataError');
    expect([message, ...details.map((detail) => detail.message)].join('\n')).toContain(
      'The expiry date should be in future.',
    );
    expect(await listPats(owner, pats)).toEqual([]);
  });

  it('refuses a description that another token of the account has with 409', async () => {
    const { id } = await issuePat(owner, pats, { description: 'ci' });
    expectError(await owner.post(pats, { body: patRequest({ description: 'ci' }) }), 409, 'NameExistsError');
    expect((await listPats(owner, pats)).map((pat) => pat.id)).toEqual([id]);
  });

  it('may use a description that another account uses', async () => {
    await issuePat(owner, pats, { description: 'ci' });
    const other = await createUnleashAccount(owner);
    expect(await issuePat(owner, patsPath(other), { description: 'ci' })).toMatchObject({ description: 'ci' });
  });

  it(`makes exactly one token of ${CALLERS} with one description at once`, async () => {
    const body = patRequest({ description: 'racer' });
    const answers = await atOnce(CALLERS, () => owner.post(pats, { body }));
    expect(countByStatus(answers)).toEqual({ 201: 1, 409: CALLERS - 1 });
    for (const answer of answers) if (answer.status === 409) expectError(answer, 409, 'NameExistsError');
    expect(await listPats(owner, pats)).toHaveLength(1);
  });
});

describe('a token', () => {
  it.each([
    ['Viewer', VIEWER, 403],
    ['Editor', EDITOR, 201],
    ['Admin', ADMIN, 201],
  ])('of an account that is %s may do what that role may', async (_name, rootRole, statusOfCreation) => {
    const other = await createUnleashAccount(owner, { rootRole });
    const holder = owner.holding((await issuePat(owner, patsPath(other))).secret);
    expect((await listAccounts(holder)).map(({ id }) => id)).toContain(other.id);
    expectStatus(await holder.post(ACCOUNTS, { body: accountRequest({ rootRole: EDITOR }) }), statusOfCreation);
  });

  it('carries the role that its account has at the time, also where it was just used', async () => {
    const holder = owner.holding((await issuePat(owner, pats)).secret);
    const create = async (): Promise<number> =>
      (await holder.post(ACCOUNTS, { body: accountRequest({ rootRole: EDITOR }) })).status;
    expect(await create()).toBe(403);
    expectStatus(await owner.put(accountPath(account), { body: { rootRole: EDITOR } }), 200);
    expect(await create()).toBe(201);
    expectStatus(await owner.put(accountPath(account), { body: { rootRole: VIEWER } }), 200);
    expect(await create()).toBe(403);
  });

  it('has not been seen until it is used for the first time', async () => {
    const { id, secret } = await issuePat(owner, pats);
    const unused = await issuePat(owner, pats);
    const seenAt = async (wanted: number): Promise<string | null | undefined> =>
      (await listPats(owner, pats)).find((pat) => pat.id === wanted)?.seenAt;
    expect(await seenAt(id)).toBeNull();
    const before = Date.now();
    expectStatus(await owner.holding(secret).get(ACCOUNTS), 200);
    await eventually(PATIENCE_MS, async () => (await seenAt(id)) !== null);
    const seen = (await listPats(owner, pats)).find((pat) => pat.id === id)!;
    expect(expectPat(seen).seenAt).not.toBeNull();
    expect(Date.parse(seen.seenAt!)).toBeGreaterThanOrEqual(before - 1_000);
    expect(Date.parse(seen.seenAt!)).toBeLessThanOrEqual(Date.now() + 1_000);
    expect((await findAccount(owner, account))?.tokens).toContainEqual(seen);
    expect(await seenAt(unused.id)).toBeNull();
  });

  it('that has expired stays listed and does not authenticate any more', async () => {
    const expiresAt = inSeconds(2);
    const { id, secret } = await issuePat(owner, pats, { expiresAt });
    expectStatus(await owner.holding(secret).get(ACCOUNTS), 200);
    await eventually(PATIENCE_MS, () => Date.now() > Date.parse(expiresAt));
    expectError(await owner.holding(secret).get(ACCOUNTS), 401, 'UnauthorizedError');
    expect(await codeOf(platform(keyward), secret)).toBe('EXPIRED');
    expect((await listPats(owner, pats)).map((pat) => [pat.id, pat.expiresAt])).toEqual([[id, expiresAt]]);
    expect((await findAccount(owner, account))?.tokens.map((pat) => pat.id)).toEqual([id]);
  });
});

describe('a deletion', () => {
  it('answers 200 without a body, and the token is dead at once and listed nowhere here', async () => {
    const kept = await issuePat(owner, pats);
    const { id, secret } = await issuePat(owner, pats);
    expectStatus(await owner.holding(secret).get(ACCOUNTS), 200);
    expectDeleted(await owner.delete(`${pats}/${id}`));
    expectError(await owner.holding(secret).get(ACCOUNTS), 401, 'UnauthorizedError');
    expect(await codeOf(platform(keyward), secret)).toBe('REVOKED');
    expect((await listPats(owner, pats)).map((pat) => pat.id)).toEqual([kept.id]);
    expect((await findAccount(owner, account))?.tokens.map((pat) => pat.id)).toEqual([kept.id]);
    expectStatus(await owner.holding(kept.secret).get(ACCOUNTS), 200);
  });

  it('happens once: after it there is nothing to find', async () => {
    const { id } = await issuePat(owner, pats);
    expectDeleted(await owner.delete(`${pats}/${id}`));
    expectError(await owner.delete(`${pats}/${id}`), 404, 'NotFoundError');
  });

  it('frees the description', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { id } = await issuePat(owner, pats, { description: 'ci' });
      expectDeleted(await owner.delete(`${pats}/${id}`));
    }
  });

  it('does not find a token under another account than its own', async () => {
    const other = await createUnleashAccount(owner);
    const { id } = await issuePat(owner, pats);
    await issuePat(owner, patsPath(other));
    expectError(await owner.delete(`${patsPath(other)}/${id}`), 404, 'NotFoundError');
    expect((await listPats(owner, pats)).map((pat) => pat.id)).toEqual([id]);
  });

  it('keeps the token as a revoked one in the core', async () => {
    const { id } = await issuePat(owner, pats, { description: 'ci' });
    expectDeleted(await owner.delete(`${pats}/${id}`));
    const tokens = expectStatus(await person.get<Token[]>(await nativeTokensPath()), 200);
    expect(tokens).toEqual([expect.objectContaining({ name: 'ci', revokedAt: expect.any(String) })]);
  });
});

describe('over one core', () => {
  it('a token that is made here is seen, verified and revoked there', async () => {
    const { secret, expiresAt } = await issuePat(owner, pats, { description: 'ci' });
    const { id, slug, name } = await nativeAccount();
    const verdict = await verify(platform(keyward), secret);
    expect(verdict).toMatchObject({ valid: true, serviceAccount: { id, slug, name }, token: { name: 'ci' } });
    expect(Date.parse(verdict.expiresAt!)).toBe(Date.parse(expiresAt));

    const tokensPath = await nativeTokensPath();
    const [token] = expectStatus(await person.get<[Token]>(tokensPath), 200);
    expect(token).toMatchObject({ id: verdict.token?.id, name: 'ci', serviceAccountId: id });
    expectStatus(await person.delete(`${tokensPath}/${token.slug}`), 204);
    expectError(await owner.holding(secret).get(ACCOUNTS), 401, 'UnauthorizedError');
    expect(await listPats(owner, pats)).toEqual([]);
  });

  it('a token that is made there is seen and deleted here', async () => {
    const native = await createAccount(person, { name: 'Native' });
    const issued = await issueToken(person, native.slug, { name: 'there', expiresAt: inSeconds(3_600) });
    const { id, tokens } = (await listAccounts(owner)).find(({ name }) => name === 'Native')!;
    const [pat] = await listPats(owner, patsPath({ id }));
    expect(expectPat(pat!).description).toBe('there');
    expect(tokens).toEqual([pat]);
    expectDeleted(await owner.delete(`${patsPath({ id })}/${pat!.id}`));
    expect(await codeOf(platform(keyward), issued.token)).toBe('REVOKED');
  });
});
