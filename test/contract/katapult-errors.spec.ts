import { createAccount, expectStatus, issueToken } from '../support/callers.js';
import { createDatabase, dropDatabase, runOn, SERVER_URL_VARIABLE } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import type { Answer, Client } from '../support/http.js';
import {
  type ApiToken,
  expectRefused,
  type KatapultCode,
  KatapultTenant,
  ORGANIZATION,
  ORGANIZATIONS,
  TOKEN,
  TOKENS,
} from '../support/katapult.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { madeUp, platform, VERIFYING } from '../support/verification.js';

let keyward: Keyward;
let operator: Client;
let tenant: KatapultTenant;
let token: ApiToken;

beforeAll(async () => {
  keyward = await startKeyward({ env: VERIFYING });
  operator = platform(keyward);
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  tenant = await KatapultTenant.create(keyward);
  token = await tenant.create({ scopes: [] });
});

function suspend(): Promise<Answer> {
  return operator.post(`/organizations/${tenant.organization.sub_domain}/suspend`);
}

/** The answer to the second request of a token that may make one. */
async function exceedRateLimit(): Promise<Answer> {
  const { slug } = await createAccount(tenant.owner);
  const issued = await issueToken(tenant.owner, slug, { scopes: ['api_tokens:read'], rateLimit: 1 });
  const limited = tenant.caller.holding(issued.token);
  expectStatus(await limited.get(tenant.listPath()), 200);
  return limited.get(tenant.listPath());
}

describe('every error', () => {
  const occurrences: [KatapultCode, object, () => Promise<Answer>][] = [
    ['missing_api_token', {}, () => tenant.caller.holding(undefined).get(tenant.listPath())],
    [
      'invalid_argument',
      {
        path: ['organization'],
        index: null,
        issue: 'object_expected',
        issue_description: expect.any(String),
        errors: expect.any(Array),
        argument: expect.objectContaining({ id: expect.any(String), name: 'organization' }),
      },
      () => tenant.caller.get(`${TOKENS}?organization=x`),
    ],
    [
      'missing_required_argument',
      { path: ['api_token'], argument: expect.objectContaining({ name: 'api_token' }) },
      () => tenant.caller.delete(TOKEN),
    ],
    [
      'invalid_json_body',
      { details: expect.stringMatching(/\S/) },
      () => tenant.caller.post(TOKENS, { body: '{"organization": ' }),
    ],
    ['invalid_api_token', { details: null }, () => tenant.caller.holding(madeUp(1)[0]).get(tenant.listPath())],
    [
      'unauthorized_network_for_api_token',
      { ip_address: '127.0.0.1' },
      async () => {
        const properties = { scopes: ['api_tokens:read'], authorized_ip_addresses: ['192.0.2.7'] };
        return tenant.caller.holding((await tenant.create(properties)).secret).get(tenant.listPath());
      },
    ],
    [
      'scope_not_granted',
      { scopes: ['organizations:read'] },
      async () => (await tenant.holder('api_tokens')).get(ORGANIZATIONS),
    ],
    [
      'permission_denied',
      { details: expect.anything() },
      async () => tenant.request({ name: 'Beyond', scopes: ['orders'] }, [], await tenant.holder('api_tokens')),
    ],
    [
      'organization_suspended',
      {},
      async () => {
        expectStatus(await suspend(), 200);
        return tenant.caller.get(tenant.listPath());
      },
    ],
    ['organization_not_found', {}, () => tenant.caller.get(`${ORGANIZATION}?organization[id]=org_nothing`)],
    ['api_token_not_found', {}, () => tenant.caller.delete(TOKEN, { body: { api_token: { id: 'tok_nothing' } } })],
    ['route_not_found', {}, () => tenant.caller.get('/core/v1/nowhere')],
    [
      'validation_error',
      { errors: expect.arrayContaining(["Name can't be blank"]) },
      () => tenant.request({ name: '', scopes: [] }),
    ],
    ['rate_limit_reached', { total_permitted: 1 }, exceedRateLimit],
  ];

  it.each(occurrences)('like %s is told in both forms at once, with its detail', async (code, detail, provoke) => {
    expectRefused(await provoke(), code, detail);
  });

  it('like service_unavailable too, while the database is gone', async () => {
    const databaseUrl = await createDatabase();
    const name = new URL(databaseUrl).pathname.slice(1);
    const instance = await startKeyward({ databaseUrl });
    const server = process.env[SERVER_URL_VARIABLE]!;
    try {
      const { caller, organization } = await KatapultTenant.create(instance);
      const list = (): Promise<Answer> => caller.get(`${TOKENS}?organization[id]=${organization.id}`);
      await runOn(
        server,
        `alter database ${name} allow_connections false`,
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
      );
      await eventually(20_000, async () => (await list()).status !== 200);
      expectRefused(await list(), 'service_unavailable', {});
    } finally {
      await runOn(server, `alter database ${name} allow_connections true`);
      await instance.close();
      await dropDatabase(databaseUrl);
    }
  });
});

describe('whatever is sent', () => {
  const ODD_PROPERTIES: [string, object][] = [
    ['a name that is too long', { name: 'n'.repeat(10_000) }],
    ['a name with control characters', { name: 'a\u0000\n\ud800' }],
    ['scopes of no grammar', { name: 'x', scopes: ['NOT A SCOPE', ''] }],
    ['a scope of the platform', { name: 'x', scopes: ['platform:verify'] }],
    ['very many scopes', { name: 'x', scopes: Array.from({ length: 5_000 }, (_, index) => `orders:a${index}`) }],
    ['an expiry in the past', { name: 'x', expires_at: 1 }],
    ['a negative expiry', { name: 'x', expires_at: -1 }],
    ['an expiry beyond all calendars', { name: 'x', expires_at: 1e18 }],
    ['an expiry with a fraction', { name: 'x', expires_at: 4_102_444_800.5 }],
    ['a range with bits behind its mask', { name: 'x', authorized_ip_addresses: ['192.0.2.1/24'] }],
    ['very many addresses', { name: 'x', authorized_ip_addresses: Array.from({ length: 5_000 }, () => '192.0.2.1') }],
    ['null where a value is expected', { name: null, scopes: null, authorized_ip_addresses: null }],
  ];

  /** Either it worked, or it was refused by a code of the table with its status. */
  function expectInTheDialect(answer: Answer): void {
    if (answer.status === 200) return;
    expectRefused(answer, (answer.body as { code: KatapultCode } | undefined)?.code ?? 'validation_error');
    expect(answer.status).toBeLessThan(500);
  }

  it.each(ODD_PROPERTIES)('is answered in the dialect: %s', async (_what, properties) => {
    expectInTheDialect(await tenant.request({ scopes: [], ...properties }));
    const patched = await tenant.caller.patch(TOKEN, { body: { api_token: { id: token.id }, properties } });
    expectInTheDialect(patched);
  });

  it.each<[string, unknown]>([
    ['a number', 5],
    ['null', null],
    ['a list', []],
    ['annotations of objects', [{ key: {}, value: [] }]],
    ['annotations with one key', ['b', 'c'].map((value) => ({ key: 'a', value }))],
    ['long annotations', [{ key: 'k'.repeat(5_000), value: 'v'.repeat(5_000) }]],
    ['empty annotations', [{ key: '', value: '' }]],
  ])('is answered in the dialect, as annotations: %s', async (_what, annotations) => {
    const body = { organization: tenant.lookup, properties: { name: 'Odd', scopes: [] }, annotations };
    expectInTheDialect(await tenant.caller.post(TOKENS, { body }));
    expectInTheDialect(await tenant.caller.get(TOKENS, { body: { organization: tenant.lookup, annotations } }));
  });

  it.each([
    'page=99999999999999999999',
    'page=1e9',
    'page[]=1',
    'page[a]=1',
    'page=',
    'per_page=1&per_page=2',
    'annotations=team',
    'annotations[]=team',
    'annotations[0][key]=team&annotations[0][value]=payments',
    `a${'[b]'.repeat(200)}=c`,
    'organization[id]=x&organization=y',
    'organization[__proto__][id]=x&__proto__[id]=y&organization[constructor]=z',
    '[]=x&=y&%5B=z&organization[=a&&&',
    `annotations[][key]=%00&annotations[][value]=%ff`,
    Array.from({ length: 400 }, (_, index) => `annotations[][key]=${index}`).join('&'),
  ])('is answered in the dialect, as a query: %#', async (query) => {
    expectInTheDialect(await tenant.caller.get(tenant.listPath(query)));
    expectStatus(await tenant.caller.get(tenant.listPath()), 200);
  });
});
