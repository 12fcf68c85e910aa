import { createAccount, expectStatus, issueToken, unique } from '../support/callers.js';
import { type Answer, Client } from '../support/http.js';
import {
  EACH_ENDPOINT,
  expectRefused,
  Katapult,
  KatapultTenant,
  ORGANIZATIONS,
  type TokenAnswer,
  type TokenList,
  TOKENS,
} from '../support/katapult.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { platform, VERIFYING } from '../support/verification.js';

const DEFAULT_LIMIT = 1_000;

let keyward: Keyward;
let tenant: KatapultTenant;

beforeAll(async () => {
  keyward = await startKeyward({ env: { ...VERIFYING, RATE_LIMIT_PER_MINUTE: String(DEFAULT_LIMIT) } });
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  tenant = await KatapultTenant.create(keyward);
});

/** The two numbers that an answer says about the limit. */
function limitsOf({ headers }: Answer): [permitted: string | null, remaining: string | null] {
  return [headers.get('x-ratelimit-permitted'), headers.get('x-ratelimit-remaining')];
}

describe('the aliases at the root', () => {
  it('serve the tokens of an organization', async () => {
    const path = '/organizations/organization/api_tokens';
    const body = { organization: tenant.lookup, properties: { name: 'At the root' } };
    const { api_token } = expectStatus(await tenant.caller.post<TokenAnswer>(path, { body }), 200);
    const query = `organization[sub_domain]=${tenant.organization.sub_domain}&per_page=5`;
    const listed = expectStatus(await tenant.caller.get<TokenList>(`${path}?${query}`), 200);
    expect(listed).toEqual(await tenant.list('per_page=5'));
    expect(listed.api_tokens).toEqual([{ ...api_token, secret: null }]);
  });

  it('serve the organization', async () => {
    const path = '/organizations/organization';
    const answer = await tenant.caller.get(`${path}?organization[id]=${tenant.organization.id}`);
    expect(expectStatus(answer, 200)).toMatchObject({ organization: tenant.organization });
  });

  it.each(['api_token', '_', 'its id'])('serve a token, under /api_tokens/%s', async (placeholder) => {
    const { id, name } = await tenant.create({ scopes: [] });
    const path = `/api_tokens/${placeholder === 'its id' ? id : placeholder}`;
    const api_token = placeholder === 'its id' ? undefined : { id };
    const patched = await tenant.caller.patch(path, { body: { api_token, properties: { scopes: ['orders:read'] } } });
    expect(expectStatus(patched, 200)).toMatchObject({ api_token: { id, name, scopes: ['orders:read'] } });
    const regenerated = await tenant.caller.post(`${path}/regenerate_secret`, { body: { api_token } });
    expect(expectStatus(regenerated, 200)).toMatchObject({ api_token: { id, secret: expect.any(String) } });
    const deleted = await tenant.caller.delete(path, { body: { api_token } });
    expect(expectStatus(deleted, 200)).toEqual({ api_token: { id, name } });
  });

  it('refuse in the words of this dialect', async () => {
    const anybody = new Katapult(keyward.url);
    expectRefused(await anybody.get('/organizations/organization/api_tokens'), 'missing_api_token', {});
    expectRefused(await anybody.patch('/api_tokens/api_token', { body: {} }), 'missing_api_token', {});
    expectRefused(await tenant.caller.delete('/api_tokens/tok_nothing'), 'api_token_not_found', {});
  });

  it('leave the paths of the native dialect alone, also of an organization whose slug begins alike', async () => {
    expectStatus(await platform(keyward).get('/organizations'), 200);
    const body = { name: 'Organization' };
    const { slug } = expectStatus(await platform(keyward).post<{ slug: string }>('/organizations', { body }), 201);
    expect(slug).toMatch(/^organization-/);
    const shown = await platform(keyward).get(`/organizations/${slug}`);
    expect(expectStatus(shown, 200)).toMatchObject({ slug, name: 'Organization' });
  });
});

it('is served under /api as well', async () => {
  expect((await tenant.caller.get(`/api${ORGANIZATIONS}`)).body).toEqual({ organizations: [tenant.organization] });
  expect((await tenant.caller.get(`/api${tenant.listPath()}`)).body).toEqual(await tenant.list());
});

describe('what has no route', () => {
  it.each([
    ['GET', '/core/v1/nowhere'],
    ['POST', '/core/v1/organizations/organization/nowhere'],
    ['GET', '/core/v1/api_tokens/api_token/nowhere'],
    ['PUT', '/core/v1/organizations'],
    ['POST', '/core/v1/organizations'],
    ['DELETE', '/core/v1/organizations/organization'],
    ['PUT', '/core/v1/organizations/organization/api_tokens'],
    ['GET', '/core/v1/api_tokens/api_token'],
    ['PUT', '/core/v1/api_tokens/api_token'],
    ['GET', '/core/v1/api_tokens/api_token/regenerate_secret'],
    ['PUT', '/api_tokens/api_token'],
    ['DELETE', '/organizations/organization/api_tokens'],
  ])('is route_not_found: %s %s', async (method, path) => {
    expectRefused(await tenant.caller.request(method, path), 'route_not_found', {});
  });
});

describe('the headers', () => {
  it.each(EACH_ENDPOINT)('of every answer name the request and the limit: %s', async (_name, { call }) => {
    const subjects = { organization: tenant.organization, token: await tenant.create({ scopes: [] }) };
    const answer = await call(tenant.caller, subjects);
    expectStatus(answer, 200);
    expect(answer.headers.get('x-request-id')).toMatch(/\S{8,}/);
    expect(answer.headers.get('x-api-schema')).not.toBe('json-error');
    expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
    const [permitted, remaining] = limitsOf(answer);
    expect(permitted).toBe(String(DEFAULT_LIMIT));
    expect(remaining).toMatch(/^\d+$/);
    expect(Number(remaining)).toBeLessThan(DEFAULT_LIMIT);
  });

  it('hold the id that the request came with, also of an error', async () => {
    const headers = { 'x-request-id': 'id-of-the-caller.3' };
    const found = await tenant.caller.get(ORGANIZATIONS, { headers });
    expect([found.status, found.headers.get('x-request-id')]).toEqual([200, 'id-of-the-caller.3']);
    const refused = await tenant.caller.get('/core/v1/nowhere', { headers });
    expect([refused.status, refused.headers.get('x-request-id')]).toEqual([404, 'id-of-the-caller.3']);
  });

  it('count down with each request, whatever becomes of it', async () => {
    const holder = await tenant.holder('organizations:read', 'api_tokens');
    const requests: [number, () => Promise<Answer>][] = [
      [200, () => holder.get(ORGANIZATIONS)],
      [200, () => holder.get(tenant.listPath().replace('/core/v1', ''))],
      [404, () => holder.get(`${TOKENS}?organization[id]=org_nothing`)],
      [400, () => holder.get(`${TOKENS}?organization=x`)],
      [422, () => tenant.request({ name: '' }, [], holder)],
      [200, () => holder.get(ORGANIZATIONS)],
    ];
    for (const [index, [status, request]] of requests.entries()) {
      const answer = await request();
      const expected = [String(DEFAULT_LIMIT), String(DEFAULT_LIMIT - 1 - index)];
      expect([answer.status, ...limitsOf(answer)]).toEqual([status, ...expected]);
    }
  });
});

describe('the rate limit', () => {
  it('of a token without its own is shown as the one by default', async () => {
    const created = await tenant.create();
    expect(created.rate_limit).toBe(DEFAULT_LIMIT);
    const { slug } = await createAccount(tenant.owner);
    const { name } = await issueToken(tenant.owner, slug);
    for (const token of [created, { name }]) expect((await tenant.find(token.name))?.rate_limit).toBe(DEFAULT_LIMIT);
  });

  it('of a token that has one is shown, told and kept', async () => {
    const { slug } = await createAccount(tenant.owner);
    const name = unique('limited');
    const body = { name, scopes: ['organizations:read'], rateLimit: 2 };
    const { token } = await issueToken(tenant.owner, slug, body);
    expect((await tenant.find(name))?.rate_limit).toBe(2);
    const holder = tenant.caller.holding(token);
    for (const remaining of ['1', '0']) {
      const answer = await holder.get(ORGANIZATIONS);
      expect([answer.status, ...limitsOf(answer)]).toEqual([200, '2', remaining]);
    }
    const refused = await holder.get(ORGANIZATIONS);
    expectRefused(refused, 'rate_limit_reached', { total_permitted: 2 });
    expect(limitsOf(refused)).toEqual(['2', '0']);
  });
});

describe('a body', () => {
  it.each(['GET', 'POST', 'PATCH', 'DELETE'])('of %s that is no JSON is told so', async (method) => {
    const path = method === 'GET' || method === 'POST' ? TOKENS : '/core/v1/api_tokens/api_token';
    for (const body of ['{', '{"organization": {"id": }}', 'organization=x']) {
      const answer = await tenant.caller.request(method, path, { body });
      expectRefused(answer, 'invalid_json_body', { details: expect.stringMatching(/\S/) });
    }
  });

  it('holds moments as integers, and what has no value as null', async () => {
    const { slug } = await createAccount(tenant.owner);
    const bare = await issueToken(tenant.owner, slug);
    const expiring = await issueToken(tenant.owner, slug, { expiresAt: '2099-06-01T00:00:00Z' });
    const [one, other] = [await tenant.find(bare.name), await tenant.find(expiring.name)];
    expect([one?.expires_at, other?.expires_at]).toEqual([null, Date.parse('2099-06-01T00:00:00Z') / 1_000]);
    const fetched = await new Client(keyward.url, tenant.caller.token).get(tenant.listPath());
    expect(fetched.body).toEqual(await tenant.list());
  });
});
