import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { sendRaw } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import type { IssuedToken, ServiceAccount, Token } from '../support/wire.js';

const BODY_BYTES_MAX = 1_048_576;

let keyward: Keyward;
let owner: Person;
let account: ServiceAccount;

beforeAll(async () => {
  keyward = await startKeyward();
  owner = await signInOwner(keyward);
  account = await createAccount(owner, { name: 'Transport' });
});
afterAll(() => keyward?.close());

/** The head of a raw POST of the owner. */
function rawHead(path: string, ...headers: string[]): string {
  const lines = [`POST ${path} HTTP/1.1`, 'host: keyward.test', `authorization: Bearer ${owner.token}`, ...headers];
  return `${lines.join('\r\n')}\r\nconnection: close\r\n\r\n`;
}

describe('paths', () => {
  it('serves every native path under /api, too', async () => {
    for (const prefix of ['', '/api']) {
      const name = unique('Both paths');
      const body = { name };
      const created = expectStatus(await owner.post<ServiceAccount>(`${prefix}/service-accounts`, { body }), 201);
      const path = `/service-accounts/${created.slug}`;
      expect((await owner.get(prefix + path)).body).toEqual(created);
      expect((await owner.get<ServiceAccount[]>(`${prefix}/service-accounts`)).body).toContainEqual(created);
      expect((await owner.put(prefix + path, { body })).status).toBe(204);
      expect((await owner.get(`${prefix}${path}/tokens`)).body).toEqual([]);
      const token = { name: unique('token'), scopes: ['orders:read'] };
      const issued = expectStatus(await owner.post<IssuedToken>(`${prefix}${path}/tokens`, { body: token }), 201);
      expect((await owner.delete(`${prefix}${path}/tokens/${issued.slug}`)).status).toBe(204);
    }
  });

  it('leaves /api/admin/ to another dialect', async () => {
    expect((await owner.get('/api/admin/service-accounts')).status).toBe(404);
  });

  it('names the path as it was sent in a problem', async () => {
    const problem = expectProblem(
      await owner.get('/api/service-accounts/nobody?a=b'),
      404,
      'service_account.not_found',
    );
    expect(problem.instance).toBe('/api/service-accounts/nobody');
  });
});

describe('content types', () => {
  it('answers in application/json', async () => {
    expect((await owner.get('/service-accounts')).headers.get('content-type')).toMatch(/^application\/json\b/);
  });

  it('takes application/json with a charset', async () => {
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    expect((await owner.post('/service-accounts', { body: { name: unique('charset') }, headers })).status).toBe(201);
  });

  it.each(['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
    'refuses %s with 415',
    async (contentType) => {
      const headers = { 'content-type': contentType };
      const body = JSON.stringify({ name: unique('type') });
      for (const answer of [
        await owner.post('/service-accounts', { body, headers }),
        await owner.put(`/service-accounts/${account.slug}`, { body, headers }),
        await owner.post(`/service-accounts/${account.slug}/tokens`, { body, headers }),
      ]) {
        expectProblem(answer, 415, 'request.unsupported_media_type');
      }
    },
  );
});

describe('body size', () => {
  it('takes a body of exactly 1 MiB', async () => {
    const json = JSON.stringify({ name: unique('large') });
    const body = json + ' '.repeat(BODY_BYTES_MAX - Buffer.byteLength(json));
    expect((await owner.post('/service-accounts', { body })).status).toBe(201);
  });

  it('refuses a body that declares more than 1 MiB with 413', async () => {
    const head = rawHead(
      '/service-accounts',
      'content-type: application/json',
      `content-length: ${BODY_BYTES_MAX + 1}`,
    );
    expectProblem(await sendRaw(keyward.url, head), 413, 'request.too_large');
  });

  it('refuses a body that grows beyond 1 MiB without having said so with 413', async () => {
    const head = rawHead('/service-accounts', 'content-type: application/json', 'transfer-encoding: chunked');
    const size = BODY_BYTES_MAX + 1;
    const answer = await sendRaw(keyward.url, `${head}${size.toString(16)}\r\n${' '.repeat(size)}\r\n0\r\n\r\n`);
    expectProblem(answer, 413, 'request.too_large');
  });
});

describe('missing and malformed bodies', () => {
  const requests: [string, string, () => string][] = [
    ['POST', 'an account', () => '/service-accounts'],
    ['PUT', 'an account', () => `/service-accounts/${account.slug}`],
    ['POST', 'a token', () => `/service-accounts/${account.slug}/tokens`],
  ];

  it.each(requests)('refuses a %s of %s without a body with 400', async (method, _what, path) => {
    expectProblem(await owner.request(method, path()), 400, 'request.body_missing');
    const headers = { 'content-type': 'application/json' };
    expectProblem(await owner.request(method, path(), { headers }), 400, 'request.body_missing');
  });

  it.each(requests)('refuses a %s of %s with malformed JSON with 400 at `body`', async (method, _what, path) => {
    for (const body of ['{', '{"name": "x",}', "{'name': 'x'}", '{"name":"x"} trailing', 'name=x']) {
      const problem = expectProblem(await owner.request(method, path(), { body }), 400, 'request.malformed_json');
      expect(problem.errors).toEqual([{ location: 'body', message: expect.stringMatching(/JSON|position|token/i) }]);
    }
  });

  it.each(requests)('refuses a %s of %s whose JSON is no object with 422', async (method, _what, path) => {
    for (const body of ['[]', '"text"', '1', 'true', 'null']) {
      expectProblem(await owner.request(method, path(), { body }), 422, 'request.invalid');
    }
  });

  it('lets no body change the prototype of anything', async () => {
    const body = `{"name":"${unique('proto')}","__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}`;
    const answer = await owner.post('/service-accounts', { body });
    expect([400, 422]).toContain(answer.status);
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
  });
});

describe('members of a body', () => {
  it('refuses an unknown member with 422 and names it', async () => {
    const requests: [string, string, object][] = [
      ['POST', '/service-accounts', { name: 'x1' }],
      ['PUT', `/service-accounts/${account.slug}`, { name: 'x1' }],
      ['POST', `/service-accounts/${account.slug}/tokens`, { name: 'x1', scopes: ['orders:read'] }],
    ];
    for (const [method, path, body] of requests) {
      const problem = expectInvalid(
        await owner.request(method, path, { body: { ...body, colour: 'red' } }),
        'body.colour',
      );
      expect(problem.errors).toEqual([{ location: 'body.colour', message: 'unexpected property', value: 'red' }]);
    }
  });

  it('names every member that is wrong', async () => {
    const body = { name: '', scopes: 'orders', colour: 'red' };
    const answer = await owner.post(`/service-accounts/${account.slug}/tokens`, { body });
    const problem = expectProblem(answer, 422, 'request.invalid');
    expect(problem.errors?.map((error) => error.location).sort()).toEqual(['body.colour', 'body.name', 'body.scopes']);
  });

  it('accepts and ignores read-only members of an account', async () => {
    const readOnly = {
      id: '00000000-0000-4000-8000-000000000000',
      externalId: `ksa_${'x'.repeat(32)}`,
      createdAt: '2001-01-01T00:00:00Z',
      createdBy: { id: 'somebody', name: 'Somebody' },
      tokens: [{ name: 'none of these is made' }],
    };
    const created = await createAccount(owner, { name: unique('read-only'), ...readOnly });
    expect(created).toMatchObject({ tokens: [], createdBy: { name: 'Olive Owner' } });
    expect([created.id, created.externalId, created.createdAt]).not.toContain(readOnly.id);
    expect(created.externalId).not.toBe(readOnly.externalId);
    expect(created.createdAt).not.toMatch(/^2001/);
  });

  it('accepts an account sent back as it was received', async () => {
    const { slug } = await createAccount(owner, { name: unique('round trip') });
    await issueToken(owner, slug);
    const received = (await owner.get<ServiceAccount>(`/service-accounts/${slug}`)).body;
    const answer = await owner.put(`/service-accounts/${slug}`, { body: { ...received, name: 'Renamed' } });
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect((await owner.get(`/service-accounts/${slug}`)).body).toEqual({ ...received, name: 'Renamed' });
  });

  it('accepts and ignores read-only members of a token', async () => {
    const first = await issueToken(owner, account.slug);
    await owner.delete(`/service-accounts/${account.slug}/tokens/${first.slug}`);
    const tokens = (await owner.get<Token[]>(`/service-accounts/${account.slug}/tokens`)).body;
    const revoked = tokens.find((token) => token.id === first.id);
    expect(revoked).toHaveProperty('revokedAt');

    const name = unique('second');
    const second = await issueToken(owner, account.slug, { ...revoked, token: first.token, name, slug: name });
    expect(second).toMatchObject({ name, slug: name, scopes: first.scopes, serviceAccountId: account.id });
    expect(second).not.toHaveProperty('revokedAt');
    expect(second).not.toHaveProperty('revokedBy');
    expect(second.id).not.toBe(first.id);
    expect(second.token).not.toBe(first.token);
  });
});
