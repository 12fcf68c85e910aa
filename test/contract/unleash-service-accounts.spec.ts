import { createAccount, expectStatus, type Person, signInOwner, unique } from '../support/callers.js';
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
  expectAccount,
  expectBadData,
  expectDeleted,
  expectError,
  expectLocation,
  findAccount,
  issuePat,
  listAccounts,
  listRoles,
  MISSING_ID,
  patsPath,
  unleash,
  type UnleashAccount,
  type UnleashAccounts,
  type UnleashClient,
  VIEWER,
} from '../support/unleash.js';
import { codeOf, platform, verify, VERIFYING } from '../support/verification.js';
import type { ServiceAccount } from '../support/wire.js';

const CALLERS = 50;

let keyward: Keyward;
let person: Person;
let owner: UnleashClient;

beforeAll(async () => {
  keyward = await startKeyward({ env: VERIFYING });
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  person = await signInOwner(keyward);
  owner = unleash(person);
});

async function createRole(name: string): Promise<void> {
  const body = { name, scopes: ['service_accounts:read'] };
  expectStatus(await person.post('/organization/roles', { body }), 201);
}

describe('the list', () => {
  it('answers 200 with arrays, also where there is no account', async () => {
    const answer = await owner.get<UnleashAccounts>(ACCOUNTS);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
    expect(answer.body).toEqual({ serviceAccounts: [], rootRoles: expect.any(Array) });
  });

  it('shows each account whole, with its tokens and without their secrets', async () => {
    const account = await createUnleashAccount(owner, { rootRole: EDITOR });
    const { secret, ...pat } = await issuePat(owner, patsPath(account));
    const { text, body } = await owner.get<UnleashAccounts>(ACCOUNTS);
    expect(body.serviceAccounts.map(expectAccount)).toEqual([{ ...account, tokens: [pat] }]);
    expect(text).not.toContain(secret);
    expect(text).not.toContain('"secret"');
  });

  it('shows all accounts at once, however many there are: clients look for one by its id', async () => {
    const answers = await atOnce(60, () => owner.post<UnleashAccount>(ACCOUNTS, { body: accountRequest() }));
    const ids = answers.map(({ body }) => body.id);
    expect((await listAccounts(owner)).map(({ id }) => id).sort()).toEqual(ids.sort());
    expect(new Set(ids).size).toBe(60);
  });

  it('names the built-in roles by their numbers', async () => {
    const roles = await listRoles(owner);
    const description = expect.any(String);
    expect(roles).toEqual(
      expect.arrayContaining([
        { id: 1, type: 'root', name: 'Admin', description, project: null },
        { id: 2, type: 'root', name: 'Editor', description, project: null },
        { id: 3, type: 'root', name: 'Viewer', description, project: null },
      ]),
    );
    expect(new Set(roles.map(({ id }) => id)).size).toBe(roles.length);
  });

  it('names the roles that the organization added, whose numbers stay and can be given to an account', async () => {
    await createRole('Release manager');
    const role = (await listRoles(owner)).find(({ name }) => name === 'Release manager')!;
    expect(role).toEqual({
      id: expect.any(Number),
      type: 'root-custom',
      name: 'Release manager',
      description: expect.any(String),
      project: null,
    });
    expect(Number.isInteger(role.id)).toBe(true);
    expect((await createUnleashAccount(owner, { rootRole: role.id })).rootRole).toBe(role.id);
    expect(await listRoles(owner)).toContainEqual(role);
  });
});

describe('a creation', () => {
  it('answers 201 with the whole account and where it is', async () => {
    const body = { username: 'deploy-bot', name: 'Deploy bot', rootRole: EDITOR };
    const answer = await owner.post<UnleashAccount>(ACCOUNTS, { body });
    expect(answer.status).toBe(201);
    expect(expectAccount(answer.body)).toMatchObject({ ...body, tokens: [] });
    expect(Math.abs(Date.now() - Date.parse(answer.body.createdAt))).toBeLessThan(60_000);
    expectLocation(answer, answer.body);
    expect(await listAccounts(owner)).toEqual([answer.body]);
  });

  it.each([
    ['Admin', ADMIN],
    ['Editor', EDITOR],
    ['Viewer', VIEWER],
  ])('gives the role %s, and answers its number', async (_name, rootRole) => {
    const account = await createUnleashAccount(owner, { rootRole });
    expect(account.rootRole).toBe(rootRole);
    expect((await findAccount(owner, account))?.rootRole).toBe(rootRole);
  });

  it.each([
    ['username', undefined],
    ['username', { is: 'not-a-text' }],
    ['name', undefined],
    ['name', { is: 'not-a-text' }],
    ['rootRole', undefined],
    ['rootRole', 'not-a-number'],
    ['rootRole', 1.5],
    ['rootRole', MISSING_ID],
  ])('refuses a missing or wrong %s with 400: %j', async (member, value) => {
    const answer = await owner.post(ACCOUNTS, { body: accountRequest({ [member]: value }) });
    expectBadData(answer, `/body/${member}`);
    expect(await listAccounts(owner)).toEqual([]);
  });

  it('refuses a role of another organization like one that does not exist', async () => {
    await createRole('Local');
    const role = (await listRoles(owner)).find(({ name }) => name === 'Local')!;
    const stranger = unleash(await signInOwner(keyward));
    expect((await listRoles(stranger)).map(({ name }) => name)).not.toContain('Local');
    const answer = await stranger.post(ACCOUNTS, { body: accountRequest({ rootRole: role.id }) });
    expectBadData(answer, '/body/rootRole');
  });

  it('refuses a username that another live account has with 409', async () => {
    await createUnleashAccount(owner, { username: 'deploy-bot' });
    const answer = await owner.post(ACCOUNTS, { body: accountRequest({ username: 'deploy-bot', name: 'Another' }) });
    expectError(answer, 409, 'NameExistsError');
    expect(await listAccounts(owner)).toHaveLength(1);
  });

  it('may use a username that another organization uses', async () => {
    await createUnleashAccount(owner, { username: 'deploy-bot' });
    const stranger = unleash(await signInOwner(keyward));
    expect(await createUnleashAccount(stranger, { username: 'deploy-bot' })).toMatchObject({ username: 'deploy-bot' });
  });

  it(`makes exactly one account of ${CALLERS} with one username at once`, async () => {
    const body = accountRequest({ username: 'racer' });
    const answers = await atOnce(CALLERS, () => owner.post(ACCOUNTS, { body }));
    expect(countByStatus(answers)).toEqual({ 201: 1, 409: CALLERS - 1 });
    for (const answer of answers) if (answer.status === 409) expectError(answer, 409, 'NameExistsError');
    expect(await listAccounts(owner)).toHaveLength(1);
  });
});

describe('a change', () => {
  let account: UnleashAccount;
  beforeEach(async () => {
    account = await createUnleashAccount(owner, { username: 'deploy-bot', rootRole: VIEWER });
  });

  it.each([
    ['the name alone', { name: 'Renamed' }],
    ['the role alone', { rootRole: EDITOR }],
    ['both', { name: 'Renamed', rootRole: ADMIN }],
    ['nothing', {}],
  ])('of %s answers 200 with the whole account, the rest as it was', async (_what, body) => {
    const pat = await issuePat(owner, patsPath(account));
    const answer = await owner.put<UnleashAccount>(accountPath(account), { body });
    expect(answer.status).toBe(200);
    expect(expectAccount(answer.body)).toMatchObject({ ...account, ...body, tokens: [{ id: pat.id }] });
    expect(await listAccounts(owner)).toEqual([answer.body]);
  });

  it('never changes the username', async () => {
    const body = { username: 'another-bot', name: 'Renamed' };
    const answer = await owner.put(accountPath(account), { body });
    expect(expectStatus(answer, 200)).toMatchObject({ username: 'deploy-bot', name: 'Renamed' });
    expect((await findAccount(owner, account))?.username).toBe('deploy-bot');
  });

  it.each([
    ['name', { is: 'not-a-text' }],
    ['rootRole', 'not-a-number'],
    ['rootRole', 1.5],
  ])('refuses a wrong %s with 400: %j', async (member, value) => {
    expectBadData(await owner.put(accountPath(account), { body: { [member]: value } }), `/body/${member}`);
    expect(await listAccounts(owner)).toEqual([account]);
  });
});

describe('a deletion', () => {
  it('answers 200 without a body, takes the account out of the list, and leaves nothing to find', async () => {
    const account = await createUnleashAccount(owner);
    expectDeleted(await owner.delete(accountPath(account)));
    expect(await listAccounts(owner)).toEqual([]);
    const answers = [
      await owner.delete(accountPath(account)),
      await owner.put(accountPath(account), { body: { name: 'Back again' } }),
      await owner.get(patsPath(account)),
    ];
    for (const answer of answers) expectError(answer, 404, 'NotFoundError');
  });

  it('kills the tokens of the account at once, also one that was just used', async () => {
    const account = await createUnleashAccount(owner);
    const { secret } = await issuePat(owner, patsPath(account));
    expectStatus(await owner.holding(secret).get(ACCOUNTS), 200);
    expect(await codeOf(platform(keyward), secret)).toBe('VALID');
    expectDeleted(await owner.delete(accountPath(account)));
    expectError(await owner.holding(secret).get(ACCOUNTS), 401, 'UnauthorizedError');
    expect((await verify(platform(keyward), secret)).valid).toBe(false);
  });

  it('frees the username, again and again, for accounts with numbers and tokens of their own', async () => {
    const ids = new Set<number>();
    for (let round = 0; round < 3; round += 1) {
      const account = await createUnleashAccount(owner, { username: 'terraform' });
      expect(account).toMatchObject({ username: 'terraform', tokens: [] });
      ids.add(account.id);
      await issuePat(owner, patsPath(account), { description: 'ci' });
      expectDeleted(await owner.delete(accountPath(account)));
    }
    expect(ids.size).toBe(3);
  });
});

describe('the account of another dialect', () => {
  it('is listed and changed here, with a role in any case', async () => {
    const native = await createAccount(person, { name: unique('Native') });
    const listed = expectAccount((await listAccounts(owner))[0]!);
    expect(listed).toMatchObject({ name: native.name, tokens: [] });
    expectStatus(await owner.put(accountPath(listed), { body: { name: 'Renamed' } }), 200);
    const { body } = await person.get<ServiceAccount>(`/service-accounts/${native.slug}`);
    expect(body).toMatchObject({ id: native.id, name: 'Renamed' });
  });

  it('is gone there when it is deleted here, and here when it is deleted there', async () => {
    const [here, there] = [await createAccount(person), await createAccount(person)];
    const [first, second] = await listAccounts(owner);
    expectDeleted(await owner.delete(accountPath(first!)));
    expectDeleted(await owner.delete(accountPath(second!)));
    for (const { slug } of [here, there]) expectStatus(await person.get(`/service-accounts/${slug}`), 404);

    const account = await createUnleashAccount(owner);
    const [{ slug }] = expectStatus(await person.get<[ServiceAccount]>('/service-accounts'), 200);
    expectStatus(await person.delete(`/service-accounts/${slug}`), 204);
    expect(await findAccount(owner, account)).toBeUndefined();
  });

  it('has the name and the role that it was given here', async () => {
    await createUnleashAccount(owner, { name: 'Made here', rootRole: EDITOR });
    const accounts = expectStatus(await person.get<ServiceAccount[]>('/service-accounts'), 200);
    expect(accounts).toEqual([expect.objectContaining({ name: 'Made here', role: 'editor', tokens: [] })]);
  });
});
