import { expectStatus, unique } from '../support/callers.js';
import type { Answer } from '../support/http.js';
import {
  type ApiToken,
  expectInvalidArgument,
  expectMissingArgument,
  expectRefused,
  type Katapult,
  KatapultTenant,
  ORGANIZATION,
  REGENERATE,
  TOKEN,
  type TokenAnswer,
  type TokenList,
  TOKENS,
  unixSeconds,
} from '../support/katapult.js';
import { type Keyward, startKeyward } from '../support/keyward.js';

let keyward: Keyward;
let tenant: KatapultTenant;
let caller: Katapult;
let token: ApiToken;

beforeAll(async () => {
  keyward = await startKeyward();
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  tenant = await KatapultTenant.create(keyward);
  caller = tenant.caller;
  token = await tenant.create();
});

function create(properties: unknown, more: object = {}): Promise<Answer> {
  return caller.post(TOKENS, { body: { organization: tenant.lookup, properties, ...more } });
}

function patch(properties: unknown, more: object = {}): Promise<Answer> {
  return caller.patch(TOKEN, { body: { api_token: { id: token.id }, properties, ...more } });
}

describe('the organization', () => {
  it.each([
    ['GET', TOKENS],
    ['GET', ORGANIZATION],
    ['POST', TOKENS],
  ])('is found by id or by sub_domain, in the query or in the body: %s %s', async (method, path) => {
    const ask = (query: string, more: object = {}): Promise<Answer> => {
      const properties = method === 'POST' ? { properties: { name: unique('found') } } : {};
      return caller.request(method, path + query, { body: { ...properties, ...more } });
    };
    for (const key of ['id', 'sub_domain'] as const) {
      const value = tenant.organization[key];
      expectStatus(await ask(`?organization[${key}]=${value}`), 200);
      expectStatus(await ask(`?organization%5B${key}%5D=${value}`), 200);
      expectStatus(await ask('', { organization: { [key]: value } }), 200);
    }
  });

  it('is refused where it is named in two ways, though they agree', async () => {
    const { id, sub_domain } = tenant.organization;
    const query = `organization[id]=${id}&organization[sub_domain]=${sub_domain}`;
    const issue = 'ambiguous_lookup_values';
    expectInvalidArgument(await caller.get(`${TOKENS}?${query}`), ['organization'], issue);
    expectInvalidArgument(await caller.get(`${ORGANIZATION}?${query}`), ['organization'], issue);
    const body = { organization: { id, sub_domain }, properties: { name: 'Twice' } };
    expectInvalidArgument(await caller.post(TOKENS, { body }), ['organization'], issue);
  });

  it('is refused where it is named in no way', async () => {
    const issue = 'missing_lookup_value';
    expectInvalidArgument(await caller.get(`${TOKENS}?organization[name]=x`), ['organization'], issue);
    expectInvalidArgument(await caller.get(`${ORGANIZATION}?organization[name]=x`), ['organization'], issue);
    for (const organization of [{}, { name: 'x' }]) {
      const body = { organization, properties: { name: 'Nowhere' } };
      expectInvalidArgument(await caller.post(TOKENS, { body }), ['organization'], issue);
    }
  });

  it('is refused where it is no object', async () => {
    const id = tenant.organization.id;
    expectInvalidArgument(await caller.get(`${TOKENS}?organization=${id}`), ['organization'], 'object_expected');
    expectInvalidArgument(await caller.get(`${ORGANIZATION}?organization=${id}`), ['organization'], 'object_expected');
    for (const organization of [id, 5, true, [id], []]) {
      const body = { organization, properties: { name: 'No object' } };
      expectInvalidArgument(await caller.post(TOKENS, { body }), ['organization'], 'object_expected');
    }
  });

  it('is missing where a token shall be made and none is named', async () => {
    for (const path of [TOKENS, TOKENS.replace('/organization/', '/_/')]) {
      const answer = await caller.post(path, { body: { properties: { name: 'Nowhere' } } });
      expectMissingArgument(answer, ['organization']);
    }
  });
});

describe('the token', () => {
  const CALLS: [string, (organization: unknown) => Promise<Answer>][] = [
    ['PATCH', (api_token) => caller.patch(TOKEN, { body: { api_token, properties: { name: unique('name') } } })],
    ['DELETE', (api_token) => caller.delete(TOKEN, { body: { api_token } })],
    ['regenerate', (api_token) => caller.post(REGENERATE, { body: { api_token } })],
  ];

  it.each(CALLS)('is looked up by its id alone: %s', async (_name, call) => {
    expectMissingArgument(await call(undefined), ['api_token']);
    for (const api_token of [{}, { name: token.name }]) {
      expectInvalidArgument(await call(api_token), ['api_token'], 'missing_lookup_value');
    }
    for (const api_token of [token.id, 5, true, [token.id]]) {
      expectInvalidArgument(await call(api_token), ['api_token'], 'object_expected');
    }
    expectStatus(await call({ id: token.id }), 200);
  });
});

describe('the placeholder in a path', () => {
  it.each(['organization', '_'])('is %s, beside an argument', async (placeholder) => {
    const path = `/core/v1/organizations/${placeholder}`;
    const query = `organization[sub_domain]=${tenant.organization.sub_domain}`;
    expect((await caller.get(`${path}?${query}`)).body).toMatchObject({ organization: { id: tenant.organization.id } });
    expect((await caller.get(`${path}/api_tokens?${query}`)).body).toMatchObject({ api_tokens: [{ id: token.id }] });
    const body = { organization: tenant.lookup, properties: { name: unique('placed') } };
    expectStatus(await caller.post(`${path}/api_tokens`, { body }), 200);
  });

  it.each(['api_token', '_'])('is %s, beside the token of the argument', async (placeholder) => {
    const path = `/core/v1/api_tokens/${placeholder}`;
    const api_token = { id: token.id };
    const patched = await caller.patch(path, { body: { api_token, properties: { name: 'Placed' } } });
    expect(patched.body).toMatchObject({ api_token: { id: token.id, name: 'Placed' } });
    expectStatus(await caller.post(`${path}/regenerate_secret`, { body: { api_token } }), 200);
    expectStatus(await caller.delete(path, { body: { api_token } }), 200);
  });

  it('is a real id, which fills the argument that is absent', async () => {
    const organization = `/core/v1/organizations/${tenant.organization.id}`;
    expect((await caller.get(organization)).body).toMatchObject({ organization: { id: tenant.organization.id } });
    expect((await caller.get(`${organization}/api_tokens`)).body).toMatchObject({ api_tokens: [{ id: token.id }] });
    const created = await caller.post(`${organization}/api_tokens`, { body: { properties: { name: 'Filled' } } });
    expect(created.body).toMatchObject({ api_token: { organization_id: tenant.organization.id } });

    const path = `/core/v1/api_tokens/${token.id}`;
    const patched = await caller.patch(path, { body: { properties: { name: 'By path' } } });
    expect(patched.body).toMatchObject({ api_token: { id: token.id, name: 'By path' } });
    expectStatus(await caller.post(`${path}/regenerate_secret`), 200);
    expect((await caller.delete(path)).body).toEqual({ api_token: { id: token.id, name: 'By path' } });
  });

  it('is a real id, which an argument goes before', async () => {
    const theirs = await KatapultTenant.create(keyward);
    const path = `/core/v1/organizations/${theirs.organization.id}/api_tokens`;
    const query = `organization[sub_domain]=${tenant.organization.sub_domain}`;
    expect((await caller.get(`${path}?${query}`)).body).toMatchObject({ api_tokens: [{ id: token.id }] });
    const other = await tenant.create();
    const answer = await caller.delete(`/core/v1/api_tokens/${other.id}`, { body: { api_token: { id: token.id } } });
    expect(answer.body).toEqual({ api_token: { id: token.id, name: token.name } });
    expect((await tenant.list()).api_tokens.map(({ id }) => id)).toEqual([other.id]);
  });

  it('is an id that there is not', async () => {
    expectRefused(await caller.get('/core/v1/organizations/org_nothing'), 'organization_not_found', {});
    expectRefused(await caller.get('/core/v1/organizations/org_nothing/api_tokens'), 'organization_not_found', {});
    expectRefused(await caller.delete('/core/v1/api_tokens/tok_nothing'), 'api_token_not_found', {});
  });
});

describe('query and body', () => {
  it('are merged, and the body wins', async () => {
    const query = `organization[id]=org_nothing&per_page=abc&page=1`;
    const body = { organization: tenant.lookup, per_page: 7 };
    const { pagination } = expectStatus(await caller.get<TokenList>(`${TOKENS}?${query}`, { body }), 200);
    expect(pagination).toMatchObject({ current_page: 1, per_page: 7 });
    const merged = await caller.get<TokenList>(tenant.listPath('page=2'), { body: { per_page: 1 } });
    expect(expectStatus(merged, 200).pagination).toMatchObject({ current_page: 2, per_page: 1, total: 1 });
  });

  it('both carry what changes a token', async () => {
    const name = unique('in the body');
    const byQuery = `${TOKENS}?organization[sub_domain]=${tenant.organization.sub_domain}`;
    expectStatus(await caller.post(byQuery, { body: { properties: { name } } }), 200);
    const patched = await caller.patch<TokenAnswer>(`${TOKEN}?api_token[id]=${token.id}`, {
      body: { properties: { name: 'By query' } },
    });
    expect(expectStatus(patched, 200).api_token).toMatchObject({ id: token.id, name: 'By query' });
    const inQuery = await caller.patch<TokenAnswer>(`${TOKEN}?api_token[id]=${token.id}&properties[name]=Nested`);
    expect(expectStatus(inQuery, 200).api_token.name).toBe('Nested');
    expectStatus(await caller.post(`${REGENERATE}?api_token%5Bid%5D=${token.id}`), 200);
    expectStatus(await caller.delete(`${TOKEN}?api_token[id]=${token.id}`), 200);
  });

  it('may hold unknown arguments, which are ignored', async () => {
    const unknown = { colour: 'red', size: { is: [1, null] } };
    const before = await tenant.list();
    const body = { ...unknown, organization: { ...tenant.lookup, ...unknown } };
    expect((await caller.get(`${TOKENS}?colour=red&size[is][]=1`, { body })).body).toEqual(before);
    const created = await caller.post(TOKENS, { body: { ...body, properties: { ...unknown, name: 'Known' } } });
    expect(created.body).toMatchObject({ api_token: { name: 'Known' } });
    expectStatus(await patch({ ...unknown, name: 'Known too' }, unknown), 200);
    expectStatus(await caller.delete(TOKEN, { body: { ...unknown, api_token: { ...unknown, id: token.id } } }), 200);
  });
});

describe('the properties', () => {
  it('are missing where none are sent', async () => {
    expectMissingArgument(await create(undefined), ['properties']);
    expectMissingArgument(await patch(undefined), ['properties']);
  });

  const WRONG: [string, string, unknown, string, number | undefined][] = [
    ['properties', 'text', 'name', 'object_expected', undefined],
    ['properties', 'a list', ['name'], 'object_expected', undefined],
    ['properties.name', 'a number', { name: 5 }, 'invalid_scalar', undefined],
    ['properties.name', 'an object', { name: { is: 'x' } }, 'invalid_scalar', undefined],
    ['properties.expires_at', 'no moment', { name: 'x', expires_at: 'soon' }, 'parse_error', undefined],
    ['properties.scopes', 'text', { name: 'x', scopes: 'orders:read' }, 'array_expected', undefined],
    ['properties.scopes', 'an object', { name: 'x', scopes: { 0: 'orders:read' } }, 'array_expected', undefined],
    ['properties.scopes', 'a list with a number', { name: 'x', scopes: ['orders:read', 5] }, 'invalid_scalar', 1],
    [
      'properties.authorized_ip_addresses',
      'text',
      { name: 'x', authorized_ip_addresses: '192.0.2.7' },
      'array_expected',
      undefined,
    ],
    [
      'properties.authorized_ip_addresses',
      'a list with an object',
      { name: 'x', authorized_ip_addresses: [{}, '192.0.2.7'] },
      'invalid_scalar',
      0,
    ],
  ];

  it.each(WRONG)('are refused where %s is %s', async (path, _what, properties, issue, index) => {
    for (const send of [create, patch]) {
      expectInvalidArgument(await send(properties), path.split('.'), issue, { index });
    }
    expect((await tenant.list()).api_tokens).toEqual([{ ...token, secret: null }]);
  });

  it('take an expiry in whole unix seconds', async () => {
    const expires_at = unixSeconds(86_400);
    expect((await tenant.create({ expires_at })).expires_at).toBe(expires_at);
  });
});

describe('the annotations', () => {
  it.each([
    ['text', 'team', ['annotations'], 'array_expected', undefined],
    ['an object', { team: 'payments' }, ['annotations'], 'array_expected', undefined],
    ['a list with text', [{ key: 'a', value: 'b' }, 'team'], ['annotations'], 'object_expected', 1],
  ])('are refused where they are %s', async (_what, annotations, path, issue, index) => {
    const properties = { name: unique('annotated') };
    expectInvalidArgument(await create(properties, { annotations }), path, issue, { index });
    expectInvalidArgument(await patch(properties, { annotations }), path, issue, { index });
  });

  it.each([
    ['value', [{ key: 'team' }]],
    ['key', [{ value: 'payments' }]],
  ])('are refused for their missing %s', async (missing, annotations) => {
    const properties = { name: unique('annotated') };
    expectMissingArgument(await create(properties, { annotations }), ['annotations', missing]);
    expectMissingArgument(await patch(properties, { annotations }), ['annotations', missing]);
  });
});
