import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { type Answer, Client, jwt, sendRaw } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import type { Problem } from '../support/wire.js';

let keyward: Keyward;
let owner: Person;
let accountSlug: string;
let tokensPath: string;

beforeAll(async () => {
  keyward = await startKeyward();
  owner = await signInOwner(keyward);
  accountSlug = (await createAccount(owner, { name: 'Problems' })).slug;
  tokensPath = `/service-accounts/${accountSlug}/tokens`;
});
afterAll(() => keyward?.close());

const JSON_BODY = { 'content-type': 'application/json' };

describe('every problem', () => {
  const occurrences: [number, string, string, () => Promise<Answer>][] = [
    [400, 'request.malformed_json', '/service-accounts', () => owner.post('/service-accounts', { body: '{' })],
    [400, 'request.body_missing', '/service-accounts', () => owner.post('/service-accounts', { headers: JSON_BODY })],
    [400, 'request.invalid_cursor', '/service-accounts', () => owner.get('/service-accounts?cursor=x')],
    [400, 'request.malformed', '/%zz', () => owner.get('/%zz')],
    [401, 'authentication.required', '/service-accounts', () => new Client(keyward.url).get('/service-accounts')],
    [401, 'authentication.invalid', '/service-accounts', () => owner.holding('wrong').get('/service-accounts')],
    [403, 'access.denied', '/service-accounts', async () => (await owner.narrowedTo('x')).get('/service-accounts')],
    [404, 'service_account.not_found', '/service-accounts/nobody', () => owner.get('/service-accounts/nobody')],
    [404, 'route.not_found', '/nowhere', () => owner.get('/nowhere')],
    [405, 'route.method_not_allowed', '/service-accounts', () => owner.put('/service-accounts', { body: {} })],
    [
      409,
      'service_account.slug_taken',
      '/service-accounts',
      () => owner.post('/service-accounts', { body: { name: 'Again', slug: accountSlug } }),
    ],
    [
      415,
      'request.unsupported_media_type',
      '/service-accounts',
      () => owner.post('/service-accounts', { body: 'name', headers: { 'content-type': 'text/plain' } }),
    ],
    [422, 'request.invalid', '/service-accounts', () => owner.post('/service-accounts', { body: {} })],
  ];

  it.each(occurrences)(
    'like %i %s, is complete and tells where to read about it',
    async (status, code, path, provoke) => {
      const problem = expectProblem(await provoke(), status, code);
      expect(problem.instance).toBe(path);
      expect(problem.type).toBe(`${keyward.url}/problems/${code}`);
      const page = await fetch(problem.type);
      expect(page.status).toBe(200);
      const text = await page.text();
      expect(text).toContain(code);
      expect(text).toContain(problem.title);
    },
  );

  it('carries the id that the request came with, or one of its own', async () => {
    const sent = await owner.get('/service-accounts/nobody', { headers: { 'x-request-id': 'id-of-the-caller.1' } });
    expect(expectProblem(sent, 404, 'service_account.not_found').requestId).toBe('id-of-the-caller.1');
    const [first, second] = [await owner.get('/nowhere'), await owner.get('/nowhere')] as Answer<Problem>[];
    expect(first?.body.requestId).toMatch(/\S{8,}/);
    expect(first?.body.requestId).not.toBe(second?.body.requestId);
  });

  it('is answered in the same form for an id that cannot be used', async () => {
    for (const id of ['x'.repeat(5_000), 'a b', '"><script>']) {
      const answer = await owner.post('/service-accounts', {
        body: { name: unique('id') },
        headers: { 'x-request-id': id },
      });
      expect([id.slice(0, 10), answer.status]).toEqual([id.slice(0, 10), 201]);
      expectProblem(await owner.get('/nowhere', { headers: { 'x-request-id': id } }), 404, 'route.not_found');
    }
  });

  it('leaves the query out of its instance', async () => {
    const answer = await owner.get('/service-accounts/nobody?access_token=abc');
    expect(expectProblem(answer, 404, 'service_account.not_found').instance).toBe('/service-accounts/nobody');
    expect(answer.text).not.toContain('access_token');
  });
});

it('sends the id of the request back on success, too', async () => {
  const answer = await owner.get('/service-accounts', { headers: { 'x-request-id': 'id-of-the-caller.2' } });
  expect(answer.headers.get('x-request-id')).toBe('id-of-the-caller.2');
  expect((await owner.get('/service-accounts')).headers.get('x-request-id')).toMatch(/\S{8,}/);
});

describe('401', () => {
  it('is asked of whoever sends no credential, with the scheme that is accepted', async () => {
    const paths: [string, string][] = [
      ['GET', '/service-accounts'],
      ['POST', '/service-accounts'],
      ['GET', `/service-accounts/${accountSlug}`],
      ['PUT', `/service-accounts/${accountSlug}`],
      ['GET', tokensPath],
      ['POST', tokensPath],
      ['DELETE', `${tokensPath}/nightly`],
    ];
    for (const [method, path] of paths) {
      const body = method === 'POST' || method === 'PUT' ? { name: 'x1', scopes: ['orders'] } : undefined;
      const answer = await new Client(keyward.url).request(method, path, { body });
      expectProblem(answer, 401, 'authentication.required');
      // RFC 9110 §11.6.1: a 401 carries a challenge.
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer\b/);
    }
  });

  it('says the same of every credential that is not accepted', async () => {
    const { org, sub } = owner.claims;
    const revoked = await issueToken(owner, accountSlug, { scopes: ['service_accounts:read'] });
    expectStatus(await owner.delete(`${tokensPath}/${revoked.slug}`), 204);
    const [header, payload] = (owner.token ?? '').split('.');
    const unsigned = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${payload}.`;
    const credentials: [string, string][] = [
      ['a revoked token', revoked.token],
      ['a made-up token', `${revoked.token.slice(0, -1)}${revoked.token.endsWith('A') ? 'B' : 'A'}`],
      ['a word', 'wrong'],
      ['a JWT that has expired', await jwt({ org, sub, expiresInSeconds: -600 })],
      ['a JWT of another key', await jwt({ org, sub, secret: 'another-secret-of-at-least-32-characters' })],
      ['a JWT without a signature', unsigned],
      ['a JWT whose signature was cut off', `${header}.${payload}.`],
    ];
    const headers = { 'x-request-id': 'the-same-for-all' };
    const texts = new Map<string, string[]>();
    for (const [what, token] of credentials) {
      const answer = await owner.holding(token).get('/service-accounts', { headers });
      expectProblem(answer, 401, 'authentication.invalid');
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer\b/);
      texts.set(answer.text, [...(texts.get(answer.text) ?? []), what]);
    }
    expect([...texts.values()]).toHaveLength(1);
  });

  it('is the answer to another scheme', async () => {
    const headers = { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` };
    expect((await new Client(keyward.url).get('/service-accounts', { headers })).status).toBe(401);
  });
});

describe('405', () => {
  it.each([
    ['PUT', '/service-accounts', 'GET, POST'],
    ['DELETE', '/api/service-accounts', 'GET, POST'],
    ['PATCH', '/service-accounts/{account}', 'DELETE, GET, PUT'],
    ['POST', '/service-accounts/{account}', 'DELETE, GET, PUT'],
    ['PUT', '/service-accounts/{account}/tokens', 'GET, POST'],
    ['PUT', '/service-accounts/{account}/tokens/nightly', 'DELETE, GET, PATCH'],
    ['GET', '/service-accounts/{account}/disable', 'POST'],
  ])('is the answer to %s %s, with Allow: %s', async (method, template, allowed) => {
    const answer = await owner.request(method, template.replace('{account}', accountSlug), {
      body: method === 'GET' || method === 'DELETE' ? undefined : {},
    });
    expectProblem(answer, 405, 'route.method_not_allowed');
    const methods = (answer.headers.get('allow') ?? '')
      .split(/,\s*/)
      .filter((name) => !['HEAD', 'OPTIONS'].includes(name));
    expect(methods.sort().join(', ')).toBe(allowed);
  });
});

describe('requests that are no requests', () => {
  it.each(['/%zz', '/service-accounts/%zz', '/service-accounts/%ff', '/%'])('answers 400 to %s', async (path) => {
    expectProblem(await owner.get(path), 400, 'request.malformed');
  });

  it.each([
    '/service-accounts/%00',
    '/service-accounts/..%2f..',
    '/service-accounts/a%0ab',
    '//',
    '/service-accounts//',
  ])('answers a refusal, and no fault of its own, to %s', async (path) => {
    const answer = await owner.get(path);
    expect([400, 404, 422]).toContain(answer.status);
    expectProblem(answer, answer.status, (answer.body as Problem).code);
  });

  it.each([
    ['garbage', 'NONSENSE\r\n\r\n'],
    ['a header without a name', 'GET /service-accounts HTTP/1.1\r\nhost: x\r\n: value\r\n\r\n'],
    ['two lengths', 'POST /service-accounts HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na'],
  ])('answers 400 to %s instead of HTTP, and goes on serving', async (_what, bytes) => {
    const answer = await sendRaw(keyward.url, bytes);
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json\b/);
    expect(answer.body).toMatchObject({ status: 400, code: 'request.malformed' });
    expectStatus(await owner.get('/service-accounts'), 200);
  });

  it('answers 404 to an unknown problem', async () => {
    expectProblem(await owner.get('/problems/no.such_code'), 404, 'route.not_found');
  });
});

describe('what a problem echoes', () => {
  it('is what was sent, at the place where it was', async () => {
    const body = { name: 'x1', slug: 'Not-A-Slug', scopes: ['orders:read'], size: { is: [1, 2] } };
    const { errors } = expectProblem(await owner.post(tokensPath, { body }), 422, 'request.invalid');
    expect(new Map(errors?.map((error) => [error.location, error.value]))).toEqual(
      new Map<string, unknown>([
        ['body.slug', 'Not-A-Slug'],
        ['body.size', { is: [1, 2] }],
      ]),
    );
  });

  it.each(['password', 'secret', 'clientSecret', 'authorization', 'accessToken', 'refresh_token'])(
    'is never the value of a member called %s',
    async (member) => {
      const answer = await owner.post('/service-accounts', { body: { name: 'x1', [member]: 'hunter2-hunter2' } });
      expectInvalid(answer, `body.${member}`);
      expect(answer.text).not.toContain('hunter2');
    },
  );

  it('is never one of our secrets, or a JWT, in the place of something else', async () => {
    const { token: secret } = await issueToken(owner, accountSlug);
    for (const pasted of [secret, owner.token ?? '']) {
      const requests: [string, Promise<Answer>][] = [
        ['a slug', owner.post('/service-accounts', { body: { name: 'x1', slug: pasted } })],
        ['an unknown member', owner.post('/service-accounts', { body: { name: 'x1', colour: pasted } })],
        ['deep in one', owner.post('/service-accounts', { body: { name: 'x1', colour: { deep: [pasted] } } })],
        ['the name of a member', owner.post('/service-accounts', { body: { name: 'x1', [pasted]: true } })],
        ['a scope', owner.post(tokensPath, { body: { name: 'x1', scopes: [pasted] } })],
        ['an expiry', owner.post(tokensPath, { body: { name: 'x1', scopes: ['orders'], expiresAt: pasted } })],
        ['a role', owner.post('/service-accounts', { body: { name: 'x1', role: pasted } })],
        ['malformed JSON', owner.post('/service-accounts', { body: `{"name": "${pasted}` })],
        ['a limit', owner.get(`/service-accounts?limit=${pasted}`)],
        ['a cursor', owner.get(`/service-accounts?cursor=${pasted}`)],
      ];
      const echoing: string[] = [];
      for (const [place, request] of requests) {
        const answer = await request;
        expect([place, [400, 422].includes(answer.status)]).toEqual([place, true]);
        if (answer.text.includes(pasted)) echoing.push(place);
      }
      expect(echoing).toEqual([]);
    }
  });
});

describe('a fault of the service', () => {
  it('is 500 with the id of the request and nothing of what happened', async () => {
    await keyward.sql('alter table service_accounts rename to hidden_table');
    try {
      const answer = await owner.get('/service-accounts');
      expectProblem(answer, 500, 'service.internal');
      expect(answer.text).not.toMatch(/relation|hidden_table|select|\.ts|\.js|typeorm|at \w+/i);
    } finally {
      await keyward.sql('alter table hidden_table rename to service_accounts');
    }
    expectStatus(await owner.get('/service-accounts'), 200);
  });
});
