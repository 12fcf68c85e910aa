import { mintDevelopmentJwt } from '../../src/authentication/mint-development-jwt.js';
import { createAccount, issueToken, unique } from '../support/callers.js';
import { Client, sendRaw } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import { call, expectTheSame401, HS256_SECRET, readAndWrite } from '../support/sign-in.js';

/** How a credential is carried, and what becomes of a request whose credential cannot be judged. */
let keyward: Keyward;
let jwt: string;

beforeAll(async () => {
  keyward = await startKeyward({ env: { AUTH_JWT_SECRET: HS256_SECRET } });
  jwt = await signIn();
});

afterAll(() => keyward.close());

function signIn(org = unique('header')): Promise<string> {
  return mintDevelopmentJwt(HS256_SECRET, { sub: 'ann', org }, 60);
}

it.each(['', 'Bearer', 'Bearer ', 'Basic YTpi', 'token abc', 'raw-token'])(
  'asks for a bearer token where the header is "%s"',
  async (authorization) => {
    const headers: Record<string, string> = authorization === '' ? {} : { authorization };
    const answer = await new Client(keyward.url).get('/service-accounts', { headers });
    expectProblem(answer, 401, 'authentication.required');
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  },
);

it('takes the name of the scheme in any case', async () => {
  const headers = { authorization: `bEARER  ${jwt}` };
  expect((await new Client(keyward.url).get('/service-accounts', { headers })).status).toBe(200);
});

it('takes API tokens beside JWTs, and refuses what is neither like a bad JWT', async () => {
  const owner = new Client(keyward.url, jwt);
  const { slug } = await createAccount(owner);
  const { token } = await issueToken(owner, slug, { scopes: ['service_accounts:read'] });
  expect(await readAndWrite(keyward, token)).toEqual([200, 403]);
  for (const wrong of [`${token}x`, token.slice(0, -1), 'x', `${jwt}.${jwt}`, `${token}.a.b`, `eyJ.${token}.a`]) {
    expectTheSame401(await call(keyward, wrong));
  }
});

it.each([
  ['twice, the good one first', () => [`Authorization: Bearer ${jwt}`, 'Authorization: Bearer x']],
  ['twice, the good one last', () => ['authorization: Bearer x', `AUTHORIZATION: Bearer ${jwt}`]],
  ['twice the same', () => [`Authorization: Bearer ${jwt}`, `Authorization: Bearer ${jwt}`]],
  ['with two credentials', () => [`Authorization: Bearer ${jwt} ${jwt}`]],
  ['with two credentials and a comma', () => [`Authorization: Bearer ${jwt}, Bearer ${jwt}`]],
  ['with bytes that are no text', () => [`Authorization: Bearer ${jwt}\u00e9`]],
  ['with a token of 12,000 characters', () => [`Authorization: Bearer ${'k'.repeat(12_000)}`]],
])('refuses a header that comes %s', async (_, lines) => {
  const head = ['GET /service-accounts HTTP/1.1', 'Host: x', 'Connection: close', ...lines()];
  expectTheSame401(await sendRaw(keyward.url, `${head.join('\r\n')}\r\n\r\n`));
});

it('tells the log what is wrong with a header, without the credential', async () => {
  const verbose = await startKeyward({ env: { AUTH_JWT_SECRET: HS256_SECRET, LOG_LEVEL: 'debug' } });
  try {
    const twice = [
      'GET /service-accounts HTTP/1.1',
      'Host: x',
      'Connection: close',
      ...Array(2).fill(`Authorization: Bearer ${jwt}`),
    ];
    await sendRaw(verbose.url, `${twice.join('\r\n')}\r\n\r\n`);
    await call(verbose, `${jwt} more`);
    const lines = verbose.logs.filter((line) => line.includes('AuthenticationGuard'));
    expect(lines).toEqual([
      expect.stringContaining('there are several Authorization headers'),
      expect.stringContaining('the credential holds a space or what is not ASCII'),
    ]);
    for (const part of jwt.split('.')) expect(verbose.logs.join('')).not.toContain(part);
  } finally {
    await verbose.close();
  }
});

it('looks at no credential where a route is public', async () => {
  const answer = await new Client(keyward.url, 'x').get('/health/live');
  expect(answer.status).toBe(200);
});

it('answers each of many requests at the same time for itself', async () => {
  const people = await Promise.all(Array.from({ length: 10 }, () => signIn()));
  const calls = people.flatMap((good) => [call(keyward, good), call(keyward, `${good}x`), call(keyward)]);
  const answers = await Promise.all(calls);
  expect(answers.map(({ status }) => status)).toEqual(people.flatMap(() => [200, 401, 401]));
  const organizations = await Promise.all(
    people.map((good) => new Client(keyward.url, good).get<{ id: string }>('/organization')),
  );
  expect(new Set(organizations.map(({ body }) => body.id)).size).toBe(people.length);
});

it('lets nobody in and calls no credential bad when the service itself fails', async () => {
  const broken = await startKeyward({ env: { AUTH_JWT_SECRET: HS256_SECRET } });
  try {
    const owner = new Client(broken.url, jwt);
    const { slug } = await createAccount(owner);
    const { token } = await issueToken(owner, slug, { scopes: ['service_accounts'] });
    await broken.sql('alter table memberships rename to memberships_away');
    expectProblem(await call(broken, jwt), 500, 'service.internal');
    expectProblem(await call(broken, token), 500, 'service.internal');
  } finally {
    await broken.close();
  }
});
