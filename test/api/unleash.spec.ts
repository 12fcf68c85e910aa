import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { createDatabase, dropDatabase, runOn, SERVER_URL_VARIABLE } from '../support/databases.js';
import { Client, sendRaw } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import {
  accountPath,
  accountRequest,
  ACCOUNTS,
  ADMIN,
  atOnce,
  createUnleashAccount,
  expectBadData,
  expectError,
  expectErrorForm,
  findAccount,
  issuePat,
  listAccounts,
  listPats,
  patRequest,
  patsPath,
  PERSONAL_TOKENS,
  unleash,
  type UnleashAccount,
  type UnleashClient,
} from '../support/unleash.js';

const NO_ROLE = 0;
const OWNER = 4;
const ROWS_MAX = 100;

let keyward: Keyward;
let person: Person;
let owner: UnleashClient;
beforeAll(async () => {
  keyward = await startKeyward({ env: { LIST_ROWS_MAX: String(ROWS_MAX), BODY_BYTES_MAX: '4096' } });
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  person = await signInOwner(keyward);
  owner = unleash(person);
});

describe('a credential without a scheme', () => {
  it('is one on paths of this dialect alone', async () => {
    const stranger = new Client(keyward.url);
    const headers = { authorization: person.token };
    expectStatus(await stranger.get(ACCOUNTS, { headers }), 200);
    expectProblem(await stranger.get('/service-accounts', { headers }), 401, 'authentication.required');
  });

  it.each(['Basic dXNlcjpwYXNz', 'two words', 'Bearer two words'])('is not accepted as "%s"', async (authorization) => {
    const answer = await new Client(keyward.url).get(ACCOUNTS, { headers: { authorization } });
    expectError(answer, 401, 'UnauthorizedError');
  });

  it.each(['Bearer', 'bearer ', ''])('is missing where the header is "%s"', async (authorization) => {
    const answer = await new Client(keyward.url).get(ACCOUNTS, { headers: { authorization } });
    expectError(answer, 401, 'AuthenticationRequired');
  });

  it('is believed as little as any other where there are two of them', async () => {
    const head = [
      `GET ${ACCOUNTS} HTTP/1.1`,
      'host: keyward',
      'connection: close',
      ...[person.token, person.token].map((token) => `authorization: ${token}`),
    ];
    expectError(await sendRaw(keyward.url, `${head.join('\r\n')}\r\n\r\n`), 401, 'UnauthorizedError');
  });
});

describe('what goes wrong before a handler is chosen', () => {
  it('is said in this dialect: a URL that is not well formed', async () => {
    const head = ['GET /api/admin/%zz HTTP/1.1', 'host: keyward', 'connection: close'];
    expectError(await sendRaw(keyward.url, `${head.join('\r\n')}\r\n\r\n`), 400, 'BadDataError');
  });

  it('is said in this dialect: a part of the path that is too long', async () => {
    expectError(await owner.delete(`${ACCOUNTS}/${'1'.repeat(600)}`), 404, 'NotFoundError');
  });

  it('is said in this dialect: a body that is too large', async () => {
    const body = accountRequest({ name: 'x'.repeat(5_000) });
    expectError(await owner.post(ACCOUNTS, { body }), 413, 'PayloadTooLargeError');
  });

  it('is said in this dialect: malformed JSON, of which nothing is repeated', async () => {
    const answer = await owner.post(ACCOUNTS, { body: '{"username": "deploy", "name": hidden' });
    const { details } = expectError(answer, 400, 'BadDataError');
    expect(details?.map(({ path }) => path)).toEqual(['/body']);
    expect(answer.text).not.toContain('hidden');
  });
});

describe('an error', () => {
  it('never repeats what has the form of a secret, wherever it was sent', async () => {
    const account = await createUnleashAccount(owner);
    const { secret } = await issuePat(owner, patsPath(account));
    const answers = [
      await owner.delete(`${ACCOUNTS}/${secret}`),
      await owner.get(`/api/admin/${secret}`),
      await owner.post(ACCOUNTS, { body: accountRequest({ name: secret }) }),
      await owner.post(ACCOUNTS, { body: accountRequest({ rootRole: secret }) }),
      await owner.post(patsPath(account), { body: patRequest({ description: `for ${secret}` }) }),
      await owner.post(patsPath(account), { body: patRequest({ expiresAt: secret }) }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([400, 404, 400, 400, 400, 400]);
    for (const answer of answers) {
      expectErrorForm(answer);
      expect(answer.text).not.toContain(secret.slice(5));
    }
  });

  it('names a text that cannot be stored by its place', async () => {
    for (const name of ['a\u0000b', '\ud800'])
      expectBadData(await owner.post(ACCOUNTS, { body: accountRequest({ name }) }), '/body/name');
  });

  it('has no Allow beside its 404, and still its challenge and its request id', async () => {
    const missing = await owner.patch(ACCOUNTS, { body: {} });
    expectError(missing, 404, 'NotFoundError');
    expect(missing.headers.get('allow')).toBeNull();
    const refused = await owner.holding(undefined).get(ACCOUNTS, { headers: { 'x-request-id': 'mine' } });
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    expect(refused.headers.get('x-request-id')).toBe('mine');
  });

  it('says that the service cannot answer while its database is gone', async () => {
    const databaseUrl = await createDatabase();
    const fragile = await startKeyward({ databaseUrl });
    try {
      const client = unleash(await signInOwner(fragile));
      const name = new URL(databaseUrl).pathname.slice(1);
      await runOn(
        process.env[SERVER_URL_VARIABLE]!,
        `alter database ${name} allow_connections false`,
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
      );
      const answer = await client.get(ACCOUNTS);
      expectError(answer, 503, 'ServiceUnavailableError');
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    } finally {
      await fragile.close();
      await dropDatabase(databaseUrl);
    }
  });
});

describe('a body', () => {
  it('may hold anything under names that are not known, a secret or a deep nest among it', async () => {
    const { secret } = await issuePat(owner, PERSONAL_TOKENS);
    const nest = `${'['.repeat(500)}${']'.repeat(500)}`;
    const body = `{"username":"${unique('bot')}","name":"Bot","rootRole":3,"secret":"${secret}","nest":${nest},"nul":"\\u0000"}`;
    const { tokens } = expectStatus(await owner.post<UnleashAccount>(ACCOUNTS, { body }), 201);
    expect(tokens).toEqual([]);
  });
});

describe('the number of a role', () => {
  it('is 0 where an account has none: it is told, may be sent back, and its tokens may then do nothing', async () => {
    const native = await createAccount(person);
    const account = (await findAccount(owner, { id: native.number }))!;
    expect(account.rootRole).toBe(NO_ROLE);
    const { secret } = await issuePat(owner, patsPath(account));
    expectError(await owner.holding(secret).get(ACCOUNTS), 403, 'PermissionError');
    const body = { name: 'Renamed', rootRole: NO_ROLE };
    expect(expectStatus(await owner.put(accountPath(account), { body }), 200)).toMatchObject(body);
  });

  it('is lifted by nobody who does not hold what the tokens state by themselves', async () => {
    const native = await createAccount(person, { name: 'Capped', slug: unique('capped'), role: 'viewer' });
    await issueToken(person, native.slug, { scopes: ['audit_events:read'] });
    const editor = unleash(await person.colleague({ role: 'editor' }));
    const answer = await editor.put(`${ACCOUNTS}/${native.number}`, { body: { rootRole: NO_ROLE } });
    expectError(answer, 403, 'PermissionError');
  });

  it('is understood where it is that of Owner, which is not offered', async () => {
    const account = await createUnleashAccount(owner, { rootRole: OWNER });
    expect(account.rootRole).toBe(OWNER);
    const admin = unleash(await person.colleague({ role: 'admin' }));
    expectError(await admin.put(accountPath(account), { body: { rootRole: OWNER } }), 403, 'PermissionError');
    expectError(await admin.post(ACCOUNTS, { body: accountRequest({ rootRole: OWNER }) }), 403, 'PermissionError');
    await createUnleashAccount(admin, { rootRole: ADMIN });
  });
});

describe('a token of another dialect', () => {
  it('that never expires is told to expire in the year 9999', async () => {
    const native = await createAccount(person);
    await issueToken(person, native.slug, { name: 'for ever' });
    const [pat] = await listPats(owner, patsPath({ id: native.number }));
    expect(pat).toMatchObject({ expiresAt: '9999-12-31T23:59:59.999Z', userId: native.number });
  });
});

describe('a token of this dialect', () => {
  it('is bounded by the lifetime that the organization allows', async () => {
    expectStatus(await person.patch('/organization', { body: { tokenLifetimeMaxSeconds: 60 } }), 200);
    const account = await createUnleashAccount(owner);
    for (const path of [patsPath(account), PERSONAL_TOKENS])
      expectBadData(await owner.post(path, { body: patRequest() }), '/body/expiresAt');
  });

  it('is no scope wider in the native dialect than the role that it carries', async () => {
    const account = await createUnleashAccount(owner);
    const { secret } = await issuePat(owner, patsPath(account));
    const holder = person.holding(secret);
    expectStatus(await holder.get('/service-accounts'), 200);
    expectProblem(await holder.post('/service-accounts', { body: { name: 'x' } }), 403, 'access.denied');
  });
});

describe('a list', () => {
  it('that is too long is refused, never cut off without a word', async () => {
    const body = (): object => accountRequest({ rootRole: NO_ROLE });
    await atOnce(ROWS_MAX, () => owner.post(ACCOUNTS, { body: body() }));
    expect(await listAccounts(owner)).toHaveLength(ROWS_MAX);
    await createUnleashAccount(owner, { rootRole: NO_ROLE });
    expectError(await owner.get(ACCOUNTS), 403, 'OperationDeniedError');
  });
});
