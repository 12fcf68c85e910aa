import { expectStatus, type Person, signInOwner } from '../support/callers.js';
import { type Answer, Client, sendRaw } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import {
  accountPath,
  accountRequest,
  ACCOUNTS,
  createUnleashAccount,
  expectAccount,
  expectDeleted,
  expectError,
  expectErrorForm,
  expectPat,
  inSeconds,
  issuePat,
  type IssuedUnleashPat,
  listAccounts,
  listPats,
  patRequest,
  patsPath,
  PERSONAL_TOKENS,
  unleash,
  type UnleashAccount,
  type UnleashClient,
} from '../support/unleash.js';

let keyward: Keyward;
let person: Person;
let owner: UnleashClient;
let account: UnleashAccount;
let pats: string;

beforeAll(async () => {
  keyward = await startKeyward();
  person = await signInOwner(keyward);
  owner = unleash(person);
  account = await createUnleashAccount(owner);
  pats = patsPath(account);
});
afterAll(() => keyward?.close());

describe('the authorization header', () => {
  const PREFIXES = ['', 'Bearer ', 'bearer ', 'BEARER ', 'bEaReR '];

  it.each(PREFIXES)('carries an API token after "%s"', async (prefix) => {
    const { secret } = await issuePat(owner, pats);
    const headers = { authorization: prefix + secret };
    expectStatus(await new Client(keyward.url).get(ACCOUNTS, { headers }), 200);
  });

  it.each(PREFIXES)('carries the JWT of a person after "%s"', async (prefix) => {
    const headers = { authorization: prefix + person.token };
    expectStatus(await new Client(keyward.url).get(ACCOUNTS, { headers }), 200);
    expectStatus(await new Client(keyward.url).get(PERSONAL_TOKENS, { headers }), 200);
  });

  it.each(PREFIXES)('is judged the same where the token after "%s" is wrong', async (prefix) => {
    const headers = { authorization: `${prefix}wrong` };
    expectError(await new Client(keyward.url).get(ACCOUNTS, { headers }), 401, 'UnauthorizedError');
  });
});

describe('the content type', () => {
  const operations: [string, () => string, () => object][] = [
    ['POST', () => ACCOUNTS, accountRequest],
    ['PUT', () => accountPath(account), () => ({ name: 'Renamed' })],
    ['POST', () => pats, patRequest],
    ['POST', () => PERSONAL_TOKENS, patRequest],
  ];
  const refused = [
    'text/plain',
    'text/json',
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
  ];

  function expectRefused(answer: Answer): void {
    expect(expectError(answer, 415, 'ContentTypeError').message).toContain('application/json');
  }

  it.each(operations)('is JSON or 415: %s', async (method, path, body) => {
    for (const contentType of refused) {
      const headers = { 'content-type': contentType };
      expectRefused(await owner.request(method, path(), { body: body(), headers }));
    }
  });

  it.each(operations)('may not be missing: %s', async (method, path, body) => {
    const text = JSON.stringify(body());
    const head = [
      `${method} ${path()} HTTP/1.1`,
      'host: keyward',
      'connection: close',
      `authorization: ${owner.token}`,
      `content-length: ${Buffer.byteLength(text)}`,
    ];
    expectRefused(await sendRaw(keyward.url, `${head.join('\r\n')}\r\n\r\n${text}`));
  });

  it.each(operations)('may not be missing where there is no body either: %s', async (method, path) => {
    expectRefused(await owner.request(method, path()));
  });

  it.each(operations)('may have parameters, and any case: %s', async (method, path, body) => {
    for (const contentType of ['application/json; charset=utf-8', 'Application/JSON']) {
      const headers = { 'content-type': contentType };
      const { status } = await owner.request(method, path(), { body: body(), headers });
      expect(status).toBe(method === 'PUT' ? 200 : 201);
    }
  });

  it('is not asked of a deletion', async () => {
    expectDeleted(await owner.delete(accountPath(await createUnleashAccount(owner))));
  });
});

describe('a body', () => {
  it.each(['{', '[]', '"text"', '7', 'null'])('that is no JSON object is 400: %s', async (body) => {
    expectError(await owner.post(ACCOUNTS, { body }), 400, 'BadDataError');
    expectError(await owner.put(accountPath(account), { body }), 400, 'BadDataError');
    expectError(await owner.post(pats, { body }), 400, 'BadDataError');
  });

  it('may have members that this dialect does not know: they are ignored', async () => {
    const unknown = {
      id: 77,
      colour: 'red',
      isAPI: true,
      tokens: [{ id: 1 }],
      scopes: ['*'],
      secret: 'mine',
      seenAt: 7,
    };
    const body = { ...accountRequest({ name: 'Curious' }), ...unknown };
    const created = expectStatus(await owner.post<UnleashAccount>(ACCOUNTS, { body }), 201);
    expect(expectAccount(created)).toMatchObject({ name: 'Curious', tokens: [] });
    const change = { name: 'Still curious', ...unknown };
    const changed = expectStatus(await owner.put<UnleashAccount>(accountPath(created), { body: change }), 200);
    expect(expectAccount(changed)).toEqual({ ...created, name: 'Still curious' });
    for (const path of [patsPath(created), PERSONAL_TOKENS]) {
      const pat = expectStatus(
        await owner.post<IssuedUnleashPat>(path, { body: { ...patRequest(), ...unknown } }),
        201,
      );
      const { secret, ...metadata } = pat;
      expect(expectPat(metadata).seenAt).toBeNull();
      expect(secret).not.toBe('mine');
    }
  });
});

describe('a moment', () => {
  it.each([
    ['nine fractional digits', '2099-06-01T00:00:00.123456789Z', '2099-06-01T00:00:00.123Z'],
    ['nine fractional digits and an offset', '2099-06-01T02:00:00.123456789+02:00', '2099-06-01T00:00:00.123Z'],
    ['six fractional digits', '2099-06-01T00:00:00.123456Z', '2099-06-01T00:00:00.123Z'],
    ['three fractional digits', '2099-06-01T00:00:00.125Z', '2099-06-01T00:00:00.125Z'],
    ['one fractional digit', '2099-06-01T00:00:00.5Z', '2099-06-01T00:00:00.500Z'],
    ['no fraction', '2099-06-01T00:00:00Z', '2099-06-01T00:00:00.000Z'],
    ['an offset', '2099-05-31T18:30:00-05:30', '2099-06-01T00:00:00.000Z'],
    // RFC 3339 §5.6: "T" and "Z" may be lower case.
    ['letters in lower case', '2099-06-01t00:00:00z', '2099-06-01T00:00:00.000Z'],
  ])('comes in with %s and goes out in milliseconds', async (_what, expiresAt, answered) => {
    for (const path of [pats, PERSONAL_TOKENS]) {
      const issued = await issuePat(owner, path, { expiresAt });
      expect(issued.expiresAt).toBe(answered);
      expect((await listPats(owner, path)).find(({ id }) => id === issued.id)?.expiresAt).toBe(answered);
    }
  });

  it('without a time zone is none', async () => {
    const expiresAt = inSeconds(3_600).replace('Z', '');
    expectError(await owner.post(pats, { body: patRequest({ expiresAt }) }), 400, 'BadDataError');
  });
});

describe('a path that is not of this dialect', () => {
  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])('is 404 NotFoundError: %s', async (method) => {
    const body = method === 'GET' || method === 'DELETE' ? undefined : {};
    const paths = ['/api/admin/nowhere', '/api/admin/user', `${accountPath(account)}/nowhere`, `${pats}/1/2`];
    for (const path of paths) {
      expectError(await owner.request(method, path, { body }), 404, 'NotFoundError');
    }
  });
});

describe('a method that a path does not have', () => {
  it.each([
    ['PUT', ACCOUNTS],
    ['PATCH', ACCOUNTS],
    ['DELETE', ACCOUNTS],
    ['GET', `${ACCOUNTS}/{account}`], // there is no GET of one account
    ['POST', `${ACCOUNTS}/{account}`],
    ['PATCH', `${ACCOUNTS}/{account}`],
    ['PUT', `${ACCOUNTS}/{account}/token`],
    ['DELETE', `${ACCOUNTS}/{account}/token`],
    ['GET', `${ACCOUNTS}/{account}/token/1`],
    ['PUT', `${ACCOUNTS}/{account}/token/1`],
    ['PUT', PERSONAL_TOKENS],
    ['DELETE', PERSONAL_TOKENS],
    ['GET', `${PERSONAL_TOKENS}/1`],
  ])('is refused in the form of this dialect: %s %s', async (method, template) => {
    const body = method === 'GET' || method === 'DELETE' ? undefined : {};
    const answer = await owner.request(method, template.replace('{account}', String(account.id)), { body });
    expect([404, 405]).toContain(answer.status);
    const { name } = expectErrorForm(answer);
    if (answer.status === 404) expect(name).toBe('NotFoundError');
    expect((await listAccounts(owner)).map(({ id }) => id)).toContain(account.id);
  });
});
