import { expectStatus, type Person, signInOwner } from '../support/callers.js';
import type { Answer } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import {
  accountPath,
  accountRequest,
  ACCOUNTS,
  ADMIN,
  createUnleashAccount,
  EDITOR,
  expectDeleted,
  expectError,
  findAccount,
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
  type UnleashAccount,
  type UnleashClient,
  VIEWER,
} from '../support/unleash.js';

let keyward: Keyward;
let person: Person;
let owner: UnleashClient;
let account: UnleashAccount;

beforeAll(async () => {
  keyward = await startKeyward();
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  person = await signInOwner(keyward);
  owner = unleash(person);
  account = await createUnleashAccount(owner);
});

describe('who may read and not write', () => {
  it.each<[string, () => Promise<UnleashClient>]>([
    ['a member who is viewer', async () => unleash(await person.colleague({ role: 'viewer' }))],
    [
      'a token of an account that is Viewer',
      async () => owner.holding((await issuePat(owner, patsPath(account))).secret),
    ],
  ])('is %s', async (_who, signIn) => {
    const viewer = await signIn();
    const { id } = await issuePat(owner, patsPath(account));
    const before = await listAccounts(viewer);
    expect(await listPats(viewer, patsPath(account))).toContainEqual(expect.objectContaining({ id }));
    const answers = [
      await viewer.post(ACCOUNTS, { body: accountRequest() }),
      await viewer.put(accountPath(account), { body: { name: 'Renamed' } }),
      await viewer.delete(accountPath(account)),
      await viewer.post(patsPath(account), { body: patRequest() }),
      await viewer.delete(`${patsPath(account)}/${id}`),
    ];
    for (const answer of answers) expectError(answer, 403, 'PermissionError');
    const ids = (accounts: readonly UnleashAccount[]): unknown => accounts.map(({ id, name }) => [id, name]);
    expect(ids(await listAccounts(owner))).toEqual(ids(before));
  });
});

describe('who may change accounts and tokens', () => {
  it('is an editor', async () => {
    const editor = unleash(await person.colleague({ role: 'editor' }));
    const created = await createUnleashAccount(editor, { rootRole: EDITOR });
    expectStatus(await editor.put(accountPath(created), { body: { name: 'Renamed' } }), 200);
    const { id } = await issuePat(editor, patsPath(created));
    expectDeleted(await editor.delete(`${patsPath(created)}/${id}`));
    expectDeleted(await editor.delete(accountPath(created)));
  });

  it('needs service_accounts for the ones and api_tokens for the others', async () => {
    const accountsOnly = unleash(await person.narrowedTo('service_accounts'));
    const tokensOnly = unleash(await person.narrowedTo('api_tokens'));
    const { id } = await issuePat(owner, patsPath(account));
    expectError(await accountsOnly.delete(`${patsPath(account)}/${id}`), 403, 'PermissionError');
    expectError(await tokensOnly.delete(accountPath(account)), 403, 'PermissionError');
    expectDeleted(await tokensOnly.delete(`${patsPath(account)}/${id}`));
    expectDeleted(await accountsOnly.delete(accountPath(account)));
  });
});

describe('nobody grants more than they hold', () => {
  let admin: UnleashAccount;
  beforeEach(async () => {
    admin = await createUnleashAccount(owner, { rootRole: ADMIN });
  });

  const editors: [string, () => Promise<UnleashClient>][] = [
    ['a member who is editor', async () => unleash(await person.colleague({ role: 'editor' }))],
    [
      'a token of an account that is Editor',
      async () => {
        const editor = await createUnleashAccount(owner, { rootRole: EDITOR });
        return owner.holding((await issuePat(owner, patsPath(editor))).secret);
      },
    ],
  ];

  it.each(editors)('%s makes no account that is Admin', async (_who, signIn) => {
    const editor = await signIn();
    const before = (await listAccounts(owner)).length;
    const answer = await editor.post(ACCOUNTS, { body: accountRequest({ rootRole: ADMIN }) });
    expectError(answer, 403, 'PermissionError');
    expect(await listAccounts(owner)).toHaveLength(before);
    await createUnleashAccount(editor, { rootRole: EDITOR });
  });

  it.each(editors)('%s makes no account Admin afterwards', async (_who, signIn) => {
    const editor = await signIn();
    expectError(await editor.put(accountPath(account), { body: { rootRole: ADMIN } }), 403, 'PermissionError');
    expect((await findAccount(owner, account))?.rootRole).toBe(VIEWER);
  });

  it.each(editors)('%s makes no token of an account that is Admin', async (_who, signIn) => {
    const editor = await signIn();
    expectError(await editor.post(patsPath(admin), { body: patRequest() }), 403, 'PermissionError');
    expect(await listPats(owner, patsPath(admin))).toEqual([]);
  });

  it('a JWT that is narrowed makes no personal token that may do more', async () => {
    const narrowed = unleash(await person.narrowedTo('api_tokens', 'service_accounts:read'));
    const answer = await narrowed.post<IssuedUnleashPat>(PERSONAL_TOKENS, { body: patRequest() });
    const caller = answer.status === 201 ? owner.holding(answer.body.secret) : narrowed;
    if (answer.status !== 201) expectError(answer, 403, 'PermissionError');
    expectError(await caller.post(ACCOUNTS, { body: accountRequest() }), 403, 'PermissionError');
  });
});

describe('another organization', () => {
  let stranger: UnleashClient;
  beforeEach(async () => {
    stranger = unleash(await signInOwner(keyward));
  });

  /** What an answer says, without what differs from one error to the next and from one number to the other. */
  function told(answer: Answer, number: number): unknown {
    const error = expectError(answer, 404, 'NotFoundError');
    return { ...error, id: '', message: error.message.replace(new RegExp(`\\b${number}\\b`, 'g'), '{id}') };
  }

  it('sees none of the accounts', async () => {
    expect(await listAccounts(stranger)).toEqual([]);
    const own = await createUnleashAccount(stranger);
    expect((await listAccounts(stranger)).map(({ id }) => id)).toEqual([own.id]);
    expect((await listAccounts(owner)).map(({ id }) => id)).toEqual([account.id]);
  });

  it.each<[string, (number: number) => Promise<Answer>]>([
    ['PUT', (id) => stranger.put(accountPath({ id }), { body: { name: 'Mine', rootRole: ADMIN } })],
    ['DELETE', (id) => stranger.delete(accountPath({ id }))],
    ['GET of the tokens', (id) => stranger.get(patsPath({ id }))],
    ['POST of a token', (id) => stranger.post(patsPath({ id }), { body: patRequest() })],
  ])('gets for an account the 404 of a missing one: %s', async (_what, request) => {
    const { secret, ...pat } = await issuePat(owner, patsPath(account));
    expect(told(await request(account.id), account.id)).toEqual(told(await request(MISSING_ID), MISSING_ID));
    expect(await listAccounts(owner)).toEqual([{ ...account, tokens: [pat] }]);
    expectStatus(await owner.holding(secret).get(ACCOUNTS), 200);
  });

  it('gets for a token the 404 of a missing one, under either account', async () => {
    const own = await createUnleashAccount(stranger);
    const { id, secret } = await issuePat(owner, patsPath(account), { expiresAt: inSeconds(600) });
    for (const path of [patsPath(own), patsPath(account)]) {
      const [foreign, missing] = [
        await stranger.delete(`${path}/${id}`),
        await stranger.delete(`${path}/${MISSING_ID}`),
      ];
      expect(told(foreign, id)).toEqual(told(missing, MISSING_ID));
    }
    expectStatus(await owner.holding(secret).get(ACCOUNTS), 200);
  });

  it('is not what a token speaks for, whatever it asks', async () => {
    const machine = stranger.holding((await issuePat(owner, patsPath(account))).secret);
    expect((await listAccounts(machine)).map(({ id }) => id)).toEqual([account.id]);
  });
});
