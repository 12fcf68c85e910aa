import { expectStatus, type Person, signInOwner } from '../support/callers.js';
import { eventually } from '../support/eventually.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import {
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
  inSeconds,
  issuePat,
  type IssuedUnleashPat,
  listAccounts,
  listPats,
  MISSING_ID,
  patRequest,
  patsPath,
  PERSONAL_TOKENS,
  unleash,
  type UnleashClient,
} from '../support/unleash.js';
import { codeOf, platform, verify, VERIFYING } from '../support/verification.js';

const CALLERS = 50;
const PATIENCE_MS = 10_000;

let keyward: Keyward;
let person: Person;
let owner: UnleashClient;

beforeAll(async () => {
  keyward = await startKeyward({ env: { ...VERIFYING, USAGE_FLUSH_INTERVAL_MS: '300' } });
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  person = await signInOwner(keyward);
  owner = unleash(person);
});

describe('the list', () => {
  it('answers 200 with an array, also where there is no token', async () => {
    const answer = await owner.get(PERSONAL_TOKENS);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
    expect(answer.body).toEqual({ pats: [] });
  });

  it('shows the tokens of the caller alone, whole and without their secrets', async () => {
    const colleague = unleash(await person.colleague({ role: 'admin' }));
    await issuePat(colleague, PERSONAL_TOKENS);
    await issuePat(owner, patsPath(await createUnleashAccount(owner)));
    const { secret, ...pat } = await issuePat(owner, PERSONAL_TOKENS);
    const { text, body } = await owner.get<{ pats: IssuedUnleashPat[] }>(PERSONAL_TOKENS);
    expect(body.pats.map(expectPat)).toEqual([pat]);
    expect(text).not.toContain(secret);
    expect(text).not.toContain('"secret"');
  });

  it('has tokens that no service account shows', async () => {
    await issuePat(owner, PERSONAL_TOKENS);
    expect(await listAccounts(owner)).toEqual([]);
  });
});

describe('a creation', () => {
  it('answers 201 with the whole token, its secret, and where it is', async () => {
    const body = { description: 'My laptop', expiresAt: inSeconds(3_600) };
    const answer = await owner.post<IssuedUnleashPat>(PERSONAL_TOKENS, { body });
    expect(answer.status).toBe(201);
    const { secret, ...pat } = answer.body;
    expect(expectPat(pat)).toMatchObject({ ...body, seenAt: null });
    expect(secret).toEqual(expect.stringMatching(/^\S+$/));
    expectLocation(answer, pat);
    expect(await listPats(owner, PERSONAL_TOKENS)).toEqual([pat]);
  });

  it.each([
    ['description', undefined],
    ['description', ''],
    ['description', { is: 'not-a-text' }],
    ['expiresAt', undefined],
    ['expiresAt', 'tomorrow'],
  ])('refuses a missing or wrong %s with 400: %j', async (member, value) => {
    const answer = await owner.post(PERSONAL_TOKENS, { body: patRequest({ [member]: value }) });
    expectBadData(answer, `/body/${member}`);
    expect(await listPats(owner, PERSONAL_TOKENS)).toEqual([]);
  });

  it('refuses an expiry that is past with 400 and the published sentence', async () => {
    const answer = await owner.post(PERSONAL_TOKENS, { body: patRequest({ expiresAt: inSeconds(-1) }) });
    const { message, details = [] } = expectError(answer, 400, 'BadDataError');
    expect([message, ...details.map((detail) => detail.message)].join('\n')).toContain(
      'The expiry date should be in future.',
    );
  });

  it('refuses a description that another token of the person has with 409, and of nobody else', async () => {
    await issuePat(owner, PERSONAL_TOKENS, { description: 'laptop' });
    const body = patRequest({ description: 'laptop' });
    expectError(await owner.post(PERSONAL_TOKENS, { body }), 409, 'NameExistsError');
    const colleague = unleash(await person.colleague({ role: 'admin' }));
    await issuePat(colleague, PERSONAL_TOKENS, { description: 'laptop' });
    await issuePat(owner, patsPath(await createUnleashAccount(owner)), { description: 'laptop' });
  });

  it(`makes exactly one token of ${CALLERS} with one description at once`, async () => {
    const body = patRequest({ description: 'racer' });
    const answers = await atOnce(CALLERS, () => owner.post(PERSONAL_TOKENS, { body }));
    expect(countByStatus(answers)).toEqual({ 201: 1, 409: CALLERS - 1 });
    for (const answer of answers) if (answer.status === 409) expectError(answer, 409, 'NameExistsError');
    expect(await listPats(owner, PERSONAL_TOKENS)).toHaveLength(1);
  });
});

describe('a personal token', () => {
  it('speaks for the person, here and where it is verified', async () => {
    const { secret } = await issuePat(owner, PERSONAL_TOKENS, { description: 'laptop' });
    await createUnleashAccount(owner.holding(secret));
    const verdict = await verify(platform(keyward), secret);
    expect(verdict).toMatchObject({ valid: true, token: { name: 'laptop' }, user: { id: expect.any(String) } });
    expect(verdict.serviceAccount).toBeUndefined();
  });

  it('carries the role that the person has at the time', async () => {
    const editor = await person.colleague({ role: 'editor' });
    const { secret } = await issuePat(unleash(editor), PERSONAL_TOKENS);
    const create = async (): Promise<number> =>
      (await owner.holding(secret).post(ACCOUNTS, { body: accountRequest({ rootRole: EDITOR }) })).status;
    expect(await create()).toBe(201);
    const demoted = await person.colleague({ sub: editor.claims.sub, role: 'viewer' });
    expectStatus(await demoted.get('/service-accounts'), 200);
    expect(await create()).toBe(403);
  });

  it('has not been seen until it is used for the first time', async () => {
    const { secret } = await issuePat(owner, PERSONAL_TOKENS);
    const seenAt = async (): Promise<string | null> => (await listPats(owner, PERSONAL_TOKENS))[0]!.seenAt;
    expect(await seenAt()).toBeNull();
    expectStatus(await owner.holding(secret).get(ACCOUNTS), 200);
    await eventually(PATIENCE_MS, async () => (await seenAt()) !== null);
    (await listPats(owner, PERSONAL_TOKENS)).forEach(expectPat);
  });

  it('that has expired stays listed and does not authenticate any more', async () => {
    const expiresAt = inSeconds(1.5);
    const { id, secret } = await issuePat(owner, PERSONAL_TOKENS, { expiresAt });
    await eventually(PATIENCE_MS, () => Date.now() > Date.parse(expiresAt));
    expectError(await owner.holding(secret).get(ACCOUNTS), 401, 'UnauthorizedError');
    expect((await listPats(owner, PERSONAL_TOKENS)).map((pat) => pat.id)).toEqual([id]);
  });
});

describe('a deletion', () => {
  it('answers 200 without a body, and the token is dead at once, listed no more, and gone', async () => {
    const { id, secret } = await issuePat(owner, PERSONAL_TOKENS, { description: 'laptop' });
    expectStatus(await owner.holding(secret).get(ACCOUNTS), 200);
    expectDeleted(await owner.delete(`${PERSONAL_TOKENS}/${id}`));
    expectError(await owner.holding(secret).get(ACCOUNTS), 401, 'UnauthorizedError');
    expect(await codeOf(platform(keyward), secret)).toBe('REVOKED');
    expect(await listPats(owner, PERSONAL_TOKENS)).toEqual([]);
    expectError(await owner.delete(`${PERSONAL_TOKENS}/${id}`), 404, 'NotFoundError');
    await issuePat(owner, PERSONAL_TOKENS, { description: 'laptop' });
  });

  it('finds no token of somebody else, nor one of a service account', async () => {
    const colleague = unleash(await person.colleague({ role: 'admin' }));
    const stranger = unleash(await signInOwner(keyward));
    const account = await createUnleashAccount(owner);
    const others = [
      await issuePat(colleague, PERSONAL_TOKENS),
      await issuePat(stranger, PERSONAL_TOKENS),
      await issuePat(owner, patsPath(account)),
    ];
    const missing = expectError(await owner.delete(`${PERSONAL_TOKENS}/${MISSING_ID}`), 404, 'NotFoundError');
    for (const { id, secret } of others) {
      const error = expectError(await owner.delete(`${PERSONAL_TOKENS}/${id}`), 404, 'NotFoundError');
      expect(error.message.replaceAll(String(id), '{id}')).toBe(missing.message.replaceAll(String(MISSING_ID), '{id}'));
      expectStatus(await owner.holding(secret).get(ACCOUNTS), 200);
    }
  });
});

it.each(['GET', 'POST', 'DELETE'])(
  '%s needs a person: an API token may do anything else and not this',
  async (method) => {
    const account = await createUnleashAccount(owner, { rootRole: ADMIN });
    const { id, secret } = await issuePat(owner, patsPath(account));
    const machine = owner.holding(secret);
    expectStatus(await machine.get(ACCOUNTS), 200);
    const path = method === 'DELETE' ? `${PERSONAL_TOKENS}/${id}` : PERSONAL_TOKENS;
    const body = method === 'POST' ? patRequest() : undefined;
    expectError(await machine.request(method, path, { body }), 403, 'ForbiddenError');
    expectStatus(await machine.get(ACCOUNTS), 200);
  },
);
