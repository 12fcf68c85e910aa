import { createAccount, expectStatus, issueToken, unique } from '../support/callers.js';
import type { Answer } from '../support/http.js';
import {
  expectInvalidArgument,
  expectMissingArgument,
  KatapultTenant,
  type Pagination,
  type TokenList,
  TOKENS,
  unixSeconds,
} from '../support/katapult.js';
import { type Keyward, startKeyward } from '../support/keyward.js';

/** Rows by the hundred, which would take the API seconds to make. */
const COPY_TOKEN = `
  insert into tokens (id, organization_id, slug, name, scopes, created_at, created_by_id)
  select gen_random_uuid(), organization_id, slug || n, name || '-' || n, scopes,
         created_at + n * interval '1 millisecond', created_by_id
  from tokens, generate_series(1, $2::integer) n where name = $1`;

let keyward: Keyward;
let tenant: KatapultTenant;

beforeAll(async () => {
  keyward = await startKeyward();
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  tenant = await KatapultTenant.create(keyward);
});

async function create(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let made = 0; made < count; made += 1) ids.push((await tenant.create()).id);
  return ids;
}

/** Fills the list of the organization up to so many rows. */
async function fillTo(total: number): Promise<void> {
  const { name } = await tenant.create();
  await keyward.sql(COPY_TOKEN, [name, total - 1]);
}

async function paginationOf(query = ''): Promise<Pagination> {
  return (await tenant.list(query)).pagination;
}

async function namesOf(query: string): Promise<string[]> {
  return (await tenant.list(query)).api_tokens.map(({ name }) => name).sort();
}

describe('a page', () => {
  it('of an empty list has nothing on no pages', async () => {
    expect(await tenant.list()).toEqual({
      pagination: { current_page: 1, total_pages: 0, total: 0, per_page: 30, large_set: false },
      api_tokens: [],
    });
  });

  it('is by default the first of 30 rows', async () => {
    await fillTo(31);
    const first = await tenant.list();
    expect(first.pagination).toEqual({ current_page: 1, total_pages: 2, total: 31, per_page: 30, large_set: false });
    expect(first.api_tokens).toHaveLength(30);
    expect((await tenant.list('page=2')).api_tokens).toHaveLength(1);
  });

  it('holds each row of the list on exactly one page', async () => {
    const ids = await create(5);
    const met: string[] = [];
    for (const page of [1, 2, 3]) {
      const { pagination, api_tokens } = await tenant.list(`page=${page}&per_page=2`);
      expect(pagination).toEqual({ current_page: page, total_pages: 3, total: 5, per_page: 2, large_set: false });
      expect(api_tokens).toHaveLength(page === 3 ? 1 : 2);
      met.push(...api_tokens.map(({ id }) => id));
    }
    expect(met.sort()).toEqual(ids.sort());
  });

  it('ends with the last full one', async () => {
    await create(4);
    expect(await paginationOf('per_page=2')).toMatchObject({ total_pages: 2, total: 4 });
    expect(await paginationOf('per_page=4')).toMatchObject({ total_pages: 1, total: 4 });
  });

  it('beyond the end is 200 with an empty list', async () => {
    await create(2);
    const { pagination, api_tokens } = await tenant.list('page=99&per_page=1');
    expect(pagination).toEqual({ current_page: 99, total_pages: 2, total: 2, per_page: 1, large_set: false });
    expect(api_tokens).toEqual([]);
  });

  it('has from 1 to 200 rows', async () => {
    await fillTo(201);
    expect(await paginationOf('per_page=1')).toMatchObject({ per_page: 1, total_pages: 201 });
    const { pagination, api_tokens } = await tenant.list('per_page=200');
    expect(pagination).toEqual({ current_page: 1, total_pages: 2, total: 201, per_page: 200, large_set: false });
    expect(api_tokens).toHaveLength(200);
  });

  it.each([
    ['page', '0', 'validation_errors', undefined],
    ['page', '-1', 'validation_errors', undefined],
    ['page', 'abc', 'parse_error', undefined],
    ['per_page', '0', 'validation_errors', ['greater_than_zero']],
    ['per_page', '-1', 'validation_errors', ['greater_than_zero']],
    ['per_page', '201', 'validation_errors', ['less_than_or_equal_to_two_hundred']],
    ['per_page', 'abc', 'parse_error', undefined],
  ])('is not asked for with %s=%s', async (name, value, issue, errors) => {
    const inQuery = await tenant.caller.get(tenant.listPath(`${name}=${value}`));
    expectInvalidArgument(inQuery, [name], issue, { errors });
    const body = { organization: tenant.lookup, [name]: /^-?\d+$/.test(value) ? Number(value) : value };
    expectInvalidArgument(await tenant.caller.get(TOKENS, { body }), [name], issue, { errors });
  });
});

describe('a list of more than 1,000 rows', () => {
  it('is counted up to there', async () => {
    await fillTo(1_000);
    expect(await paginationOf('per_page=200')).toEqual({
      current_page: 1,
      total_pages: 5,
      total: 1_000,
      per_page: 200,
      large_set: false,
    });
  });

  it('is a large set beyond, without totals, and is walked by its pages all the same', async () => {
    await fillTo(1_001);
    const ids = new Set<string>();
    for (const page of [1, 2, 3, 4, 5, 6, 7]) {
      const { pagination, api_tokens } = await tenant.list(`per_page=200&page=${page}`);
      const expected = { current_page: page, total_pages: null, total: null, per_page: 200, large_set: true };
      expect(pagination).toEqual(expected);
      expect(api_tokens).toHaveLength(page < 6 ? 200 : page === 6 ? 1 : 0);
      for (const { id } of api_tokens) ids.add(id);
    }
    expect(ids.size).toBe(1_001);
  });

  it('is none where fewer of them match', async () => {
    const { name } = await tenant.create({}, [{ key: 'team', value: 'payments' }]);
    await fillTo(1_001);
    const { pagination, api_tokens } = await tenant.list('annotations[][key]=team&annotations[][value]=payments');
    expect(pagination).toEqual({ current_page: 1, total_pages: 1, total: 1, per_page: 30, large_set: false });
    expect(api_tokens.map((token) => token.name)).toEqual([name]);
  });
});

describe('the list', () => {
  it('shows tokens of the organization and of its service accounts, each with every member and no secret', async () => {
    const { slug } = await createAccount(tenant.owner);
    const expires_at = unixSeconds(3_600);
    const more = { expiresAt: new Date(expires_at * 1_000).toISOString(), authorizedIpAddresses: ['192.0.2.0/24'] };
    const ofAccount = await issueToken(tenant.owner, slug, { ...more, rateLimit: 7 });
    const { secret: _secret, ...ofOrganization } = await tenant.create();
    const { api_tokens } = await tenant.list();
    expect(api_tokens).toHaveLength(2);
    expect(await tenant.find(ofOrganization.name)).toEqual({ ...ofOrganization, secret: null });
    expect(await tenant.find(ofAccount.name)).toEqual({
      id: expect.stringMatching(/^tok_/),
      name: ofAccount.name,
      organization_id: tenant.organization.id,
      authorized_ip_addresses: ['192.0.2.0/24'],
      expires_at,
      rate_limit: 7,
      scopes: ['orders:read'],
      secret: null,
    });
  });

  it('shows no token that was revoked, nor one of a deleted account', async () => {
    const [kept, deleted] = [await createAccount(tenant.owner), await createAccount(tenant.owner)];
    const live = await issueToken(tenant.owner, kept.slug);
    const revoked = await issueToken(tenant.owner, kept.slug);
    await issueToken(tenant.owner, deleted.slug);
    expect(await paginationOf()).toMatchObject({ total: 3 });
    expectStatus(await tenant.owner.delete(`/service-accounts/${kept.slug}/tokens/${revoked.slug}`), 204);
    expectStatus(await tenant.owner.delete(`/service-accounts/${deleted.slug}`), 204);
    expect(await namesOf('')).toEqual([live.name]);
    expect(await paginationOf()).toMatchObject({ total: 1, total_pages: 1 });
  });

  it('does not show personal tokens', async () => {
    const { name } = await tenant.create();
    const body = { name: unique('personal'), scopes: ['orders:read'] };
    expectStatus(await tenant.owner.post('/user/tokens', { body }), 201);
    expect(await namesOf('')).toEqual([name]);
    expect(await paginationOf()).toMatchObject({ total: 1 });
  });

  it('shows nothing of another organization', async () => {
    const theirs = await KatapultTenant.create(keyward);
    await theirs.create({}, [{ key: 'team', value: 'payments' }]);
    const { name } = await tenant.create({}, [{ key: 'team', value: 'payments' }]);
    expect(await namesOf('')).toEqual([name]);
    expect(await namesOf('annotations[][key]=team&annotations[][value]=payments')).toEqual([name]);
  });
});

it('shows a personal token to its person with an organization of null', async () => {
  const { name, ...token } = await tenant.create();
  await keyward.sql(
    `update tokens set user_id = (select m.user_id from memberships m where m.organization_id = tokens.organization_id)
     where name = $1`,
    [name],
  );
  const { api_token } = expectStatus(await tenant.patch(token, { properties: { name: unique('renamed') } }), 200);
  expect(api_token).toMatchObject({ id: token.id, organization_id: null });
});

describe('a filter by annotations', () => {
  const TEAM = 'annotations[][key]=team&annotations[][value]=payments';
  const filtered = (query: string): Promise<Answer<TokenList>> => tenant.caller.get(tenant.listPath(query));
  let names: Readonly<Record<'both' | 'team' | 'stage', string>>;

  beforeEach(async () => {
    const [team, stage] = [
      { key: 'team', value: 'payments' },
      { key: 'stage', value: 'live' },
    ];
    names = {
      both: (await tenant.create({}, [team, stage])).name,
      team: (await tenant.create({}, [team, { key: 'stage', value: 'test' }])).name,
      stage: (await tenant.create({}, [stage])).name,
    };
    await tenant.create();
  });

  it('finds what has this value under this key, and counts that only', async () => {
    expect(await namesOf(TEAM)).toEqual([names.both, names.team].sort());
    const page = await paginationOf(`${TEAM}&per_page=1&page=2`);
    expect(page).toEqual({ current_page: 2, total_pages: 2, total: 2, per_page: 1, large_set: false });
  });

  it.each([
    [
      'interleaved',
      'annotations[][key]=team&annotations[][value]=payments&annotations[][key]=stage&annotations[][value]=live',
    ],
    [
      'as parallel arrays',
      'annotations[][key]=team&annotations[][key]=stage&annotations[][value]=payments&annotations[][value]=live',
    ],
    [
      'with brackets that are percent-encoded',
      'annotations%5B%5D%5Bkey%5D=team&annotations%5B%5D%5Bvalue%5D=payments&annotations%5B%5D%5Bkey%5D=stage&annotations%5B%5D%5Bvalue%5D=live',
    ],
  ])('takes several %s, all of which must match', async (_how, query) => {
    expect(await namesOf(query)).toEqual([names.both]);
    expect(await namesOf(query.replace('live', 'other'))).toEqual([]);
  });

  it('is taken from a JSON body', async () => {
    const annotations = [
      { key: 'team', value: 'payments' },
      { key: 'stage', value: 'test' },
    ];
    const body = { organization: tenant.lookup, annotations };
    const { api_tokens } = expectStatus(await tenant.caller.get<TokenList>(TOKENS, { body }), 200);
    expect(api_tokens.map(({ name }) => name)).toEqual([names.team]);
  });

  it('that nothing matches finds nothing on no pages', async () => {
    expect(await tenant.list('annotations[][key]=payments&annotations[][value]=team')).toEqual({
      pagination: { current_page: 1, total_pages: 0, total: 0, per_page: 30, large_set: false },
      api_tokens: [],
    });
  });

  it('finds what was annotated in the native dialect, on tokens of service accounts too', async () => {
    const { slug } = await createAccount(tenant.owner);
    const value = 'a+b & ü=%41[]';
    const { name } = await issueToken(tenant.owner, slug, { annotations: { 'cost-centre': value } });
    const query = `annotations[][key]=cost-centre&annotations[][value]=${encodeURIComponent(value)}`;
    expect(await namesOf(query)).toEqual([name]);
  });

  it.each([
    ['value', 'annotations[][key]=team'],
    ['value', 'annotations[][key]=team&annotations[][value]=payments&annotations[][key]=stage'],
    ['value', 'annotations[][key]=team&annotations[][key]=stage&annotations[][value]=payments'],
    ['key', 'annotations[][value]=payments'],
    ['key', 'annotations[][key]=team&annotations[][value]=payments&annotations[][value]=live'],
  ])('is refused for its missing %s where the counts are unequal: %s', async (missing, query) => {
    expectMissingArgument(await filtered(query), ['annotations', missing]);
  });
});
