import { createAccount, expectStatus, issueToken, signInOwner, unique } from '../support/callers.js';
import { type Answer, type Client, jwt } from '../support/http.js';
import {
  EACH_ENDPOINT,
  ENDPOINTS,
  expectRefused,
  Katapult,
  type KatapultCode,
  KatapultTenant,
  ORGANIZATION,
  ORGANIZATIONS,
  REGENERATE,
  STATUS_OF,
  type Subjects,
  TOKEN,
  TOKENS,
} from '../support/katapult.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { madeUp, platform, VERIFYING } from '../support/verification.js';

let keyward: Keyward;
let operator: Client;
let tenant: KatapultTenant;
let subjects: Subjects;

beforeAll(async () => {
  keyward = await startKeyward({ env: VERIFYING });
  operator = platform(keyward);
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  tenant = await KatapultTenant.create(keyward);
  subjects = { organization: tenant.organization, token: await tenant.create({ scopes: [] }) };
});

describe('a credential', () => {
  it.each(EACH_ENDPOINT)('is asked for with 400, and refused with 403: %s', async (_name, { call }) => {
    expectRefused(await call(tenant.caller.holding(undefined), subjects), 'missing_api_token', {});
    expectRefused(await call(tenant.caller.holding(madeUp(1)[0]), subjects), 'invalid_api_token', { details: null });
  });

  it('is refused in the same words, whatever is wrong with it', async () => {
    const { claims } = tenant.owner;
    const { slug } = await createAccount(tenant.owner);
    const ofAccount = await issueToken(tenant.owner, slug, { scopes: ['api_tokens:read'] });
    const expired = await tenant.create();
    const revoked = await tenant.create();
    await keyward.sql("update tokens set expires_at = now() - interval '1 hour' where name = $1", [expired.name]);
    expectStatus(await tenant.delete(revoked), 200);
    expectStatus(await tenant.owner.delete(`/service-accounts/${slug}`), 204);
    const credentials = [
      'x',
      madeUp(1)[0]!,
      expired.secret,
      revoked.secret,
      ofAccount.token,
      await jwt({ ...claims, expiresInSeconds: -3_600 }),
      await jwt({ ...claims, secret: 'another secret than the one that the service trusts' }),
    ];
    const texts = new Set<string>();
    for (const credential of credentials) {
      const answer = await tenant.caller.holding(credential).get(tenant.listPath());
      expectRefused(answer, 'invalid_api_token', { details: null });
      texts.add(answer.text);
    }
    expect(texts.size).toBe(1);
  });

  it.each(['Basic dXNlcjpwYXNzd29yZA==', 'Bearer', 'Bearer ', 'nonsense', ''])(
    'that is sent as %j is never answered with 401, on no route',
    async (authorization) => {
      const anybody = new Katapult(keyward.url);
      const paths = [ORGANIZATIONS, tenant.listPath(), '/core/v1/nowhere', '/api_tokens/api_token'];
      for (const path of paths) {
        const { status, body } = await anybody.get(path, { headers: { authorization } });
        const { code } = body as { code: KatapultCode };
        expect([path, status]).toEqual([path, STATUS_OF[code]]);
        expect(['missing_api_token', 'invalid_api_token', 'route_not_found']).toContain(code);
      }
    },
  );
});

describe('the scopes of an endpoint', () => {
  it.each(EACH_ENDPOINT)('are enough, each alone: %s', async (_name, { scopes, answers, call }) => {
    for (const scope of scopes) {
      for (const caller of [await tenant.holder(scope), await tenant.narrowedTo(scope)]) {
        const token = await tenant.create({ scopes: [] });
        const body = expectStatus(await call(caller, { ...subjects, token }), 200);
        expect(Object.keys(body as object).sort()).toEqual([...answers].sort());
      }
    }
  });

  it.each(EACH_ENDPOINT)('are named to who has none of them: %s', async (_name, { scopes, call }) => {
    const all = [...new Set(ENDPOINTS.flatMap((endpoint) => endpoint.scopes)), 'orders:read'];
    // A resource implies its actions; nothing else here implies another.
    const others = all.filter((scope) => !scopes.includes(scope));
    expect(others).not.toHaveLength(0);
    for (const caller of [await tenant.holder(...others), await tenant.narrowedTo(...others)]) {
      const { scopes: named, ...rest } = expectRefused(await call(caller, subjects), 'scope_not_granted');
      expect([[...(named as string[])].sort(), rest]).toEqual([[...scopes].sort(), {}]);
    }
    expect((await tenant.list()).api_tokens.map(({ id }) => id)).toContain(subjects.token.id);
  });

  it.each(EACH_ENDPOINT)('are understood with the prefix of OAuth2 in a JWT: %s', async (_name, { scopes, call }) => {
    const prefixed = (scope: string): string => `api.katapult.io/core/v1/${scope}`;
    for (const scope of scopes) {
      const token = await tenant.create({ scopes: [] });
      expectStatus(await call(await tenant.narrowedTo(prefixed(scope)), { ...subjects, token }), 200);
    }
    const other = scopes.includes('api_tokens') ? 'organizations:read' : 'api_tokens';
    expectRefused(await call(await tenant.narrowedTo(prefixed(other)), subjects), 'scope_not_granted');
    for (const scope of scopes) {
      const foreign = await tenant.narrowedTo(`api.example.com/core/v1/${scope}`);
      expectRefused(await call(foreign, subjects), 'scope_not_granted');
    }
  });
});

describe('a suspended organization', () => {
  const path = (): string => `/organizations/${tenant.organization.sub_domain}`;
  const ABOUT_IT = EACH_ENDPOINT.filter(([name]) => name !== 'GET /organizations');

  it.each(ABOUT_IT)('is told to be so to its people and its tokens: %s', async (_name, { scopes, call }) => {
    const holder = await tenant.holder(scopes[0]!);
    expectStatus(await operator.post(`${path()}/suspend`), 200);
    for (const caller of [tenant.caller, holder]) {
      expectRefused(await call(caller, subjects), 'organization_suspended', {});
    }
    expectStatus(await operator.post(`${path()}/resume`), 200);
    expectStatus(await call(tenant.caller, subjects), 200);
  });
});

describe('what belongs to another organization', () => {
  let intruder: Katapult;
  beforeEach(async () => {
    intruder = Katapult.of(await signInOwner(keyward));
  });

  it('is an organization that is not found, by id and by sub_domain, as if there were none', async () => {
    const { id, sub_domain } = tenant.organization;
    const properties = { name: unique('intruder') };
    const calls: ((organization: object) => Promise<Answer>)[] = [
      (organization) => intruder.get(TOKENS, { body: { organization } }),
      (organization) => intruder.get(ORGANIZATION, { body: { organization } }),
      (organization) => intruder.post(TOKENS, { body: { organization, properties } }),
    ];
    const there = [{ id }, { sub_domain }];
    const nowhere = [{ id: 'org_nothing' }, { sub_domain: unique('nobody') }];
    for (const call of calls) {
      const texts = new Set<string>();
      for (const organization of [...there, ...nowhere]) {
        const answer = await call(organization);
        expectRefused(answer, 'organization_not_found', {});
        texts.add(answer.text);
      }
      expect(texts.size).toBe(1);
    }
    expect((await tenant.list()).api_tokens).toHaveLength(1);
  });

  it('is a token that is not found, as if there were none, and stays as it is', async () => {
    const before = await tenant.list();
    const calls: ((id: string) => Promise<Answer>)[] = [
      (id) => intruder.patch(TOKEN, { body: { api_token: { id }, properties: { name: 'Mine' } } }),
      (id) => intruder.delete(TOKEN, { body: { api_token: { id } } }),
      (id) => intruder.post(REGENERATE, { body: { api_token: { id } } }),
      (id) => intruder.delete(`/core/v1/api_tokens/${id}`),
    ];
    for (const call of calls) {
      const [foreign, missing] = [await call(subjects.token.id), await call('tok_nothing')];
      expectRefused(foreign, 'api_token_not_found', {});
      expect(missing.text).toBe(foreign.text);
    }
    expect(await tenant.list()).toEqual(before);
  });
});
