import { expectStatus, unique } from '../support/callers.js';
import type { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import {
  ask,
  codeOf,
  madeUp,
  platform,
  type Question,
  Tenant,
  verify,
  VERIFYING,
  writeToken,
} from '../support/verification.js';
import type { IssuedToken } from '../support/wire.js';

const NOT_FOUND = '{"valid":false,"code":"NOT_FOUND"}';

let keyward: Keyward;
let operator: Client;
let tenant: Tenant;

beforeAll(async () => {
  keyward = await startKeyward({ env: VERIFYING });
  operator = platform(keyward);
  tenant = await Tenant.create(keyward);
});
afterAll(() => keyward?.close());

describe('the verdict on a good token', () => {
  it('shows all that a service needs to go on', async () => {
    const expiresAt = '2099-01-31T12:00:00.000Z';
    const settings = { scopes: ['orders:read', 'orders:create'], rateLimit: 10, annotations: { team: 'payments' } };
    const issued = await tenant.issue({ ...settings, expiresAt });
    const answer = await ask(operator, issued.token);
    expect(answer.body).toEqual({
      valid: true,
      code: 'VALID',
      organization: { id: tenant.id, slug: tenant.slug },
      serviceAccount: { id: tenant.account.id, slug: tenant.account.slug, name: tenant.account.name },
      token: { id: issued.id, slug: issued.slug, name: issued.name },
      scopes: settings.scopes,
      expiresAt,
      annotations: settings.annotations,
      rateLimit: { limit: 10, remaining: 9, resetSeconds: expect.any(Number) },
    });
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('keeps names in any script whole, in each kind of answer', async () => {
    const name = 'Schlüssel «ключ» 鍵 🗝️ "\\';
    const { token } = await tenant.issue({ name, annotations: { team: 'Zürich 🏔' } });
    const shown = { token: { name }, annotations: { team: 'Zürich 🏔' } };
    expect(await verify(operator, token)).toMatchObject(shown);
    const { body } = await operator.post('/tokens/verify-batch', { body: { tokens: [{ token }] } });
    expect(body).toMatchObject({ results: [shown] });
    expect(await verify(operator, token, { scopes: ['nobody:holds'] })).toMatchObject({ valid: false, ...shown });
  });

  it('leaves out what the token has not', async () => {
    const { token } = await tenant.issue();
    const members = ['annotations', 'code', 'organization', 'scopes', 'serviceAccount', 'token', 'valid'];
    expect(Object.keys(await verify(operator, token)).sort()).toEqual(members);
  });

  it('names the person of a personal token, and neither person nor account of an organization token', async () => {
    const { id } = await tenant.addMember('admin');
    const personal = await verify(operator, await writeToken(keyward, { organizationId: tenant.id, userId: id }));
    expect(personal).toMatchObject({ code: 'VALID', user: { id, name: expect.stringMatching(/^Person-/) } });
    expect(personal).not.toHaveProperty('serviceAccount');

    const organizational = await verify(operator, await writeToken(keyward, { organizationId: tenant.id }));
    expect(organizational).toMatchObject({ code: 'VALID', organization: { id: tenant.id } });
    expect(organizational).not.toHaveProperty('serviceAccount');
    expect(organizational).not.toHaveProperty('user');
  });

  it('is the same from the database and from memory', async () => {
    const { token } = await tenant.issue({ expiresAt: '2099-01-31T12:00:00Z', annotations: { a: 'b' } });
    const texts = [];
    for (let count = 0; count < 3; count++) texts.push((await ask(operator, token)).text);
    expect(new Set(texts).size).toBe(1);
  });
});

describe('a secret that is not known', () => {
  it.each([
    ['was never issued', () => madeUp(1)[0]!],
    ['is empty', () => ''],
    ['has a wrong checksum', () => `kws_${'0'.repeat(49)}`],
    ['is no longer whole', () => madeUp(1)[0]!.slice(0, -1)],
    ['is of no form of ours', () => 'something else'],
    ['is too long for any', () => 'x'.repeat(256)],
    ['holds what no secret can', () => 'a\u0000b\ud800'],
    ['is a JWT', () => tenant.owner.token],
  ])('is NOT_FOUND, and nothing is shown, when it %s', async (_, secret) => {
    for (let count = 0; count < 2; count++) expect((await ask(operator, secret())).text).toBe(NOT_FOUND);
  });

  it('becomes known when it is issued, though it was asked for a moment before', async () => {
    const secret = unique('brought-along-from-elsewhere');
    expect(await codeOf(operator, secret)).toBe('NOT_FOUND');
    await writeToken(keyward, { organizationId: tenant.id, secret });
    const startedAt = performance.now();
    const { UNKNOWN_CACHE_TTL_MS } = keyward.config.settings;
    while ((await codeOf(operator, secret)) !== 'VALID') {
      expect(performance.now() - startedAt).toBeLessThan(UNKNOWN_CACHE_TTL_MS + 1_000);
    }
  });
});

/** What can speak against a token, in the order in which it is told; each with the question that meets it. */
const FAULTS: readonly { readonly code: string; readonly cause?: string; readonly question?: Question }[] = [
  { code: 'REVOKED', cause: "update tokens set revoked_at = now(), revoked_by_id = 'test' where id = $1" },
  { code: 'EXPIRED', cause: "update tokens set expires_at = now() - interval '1 second' where id = $1" },
  {
    code: 'DISABLED',
    cause:
      'update service_accounts set disabled_at = now() where id = (select service_account_id from tokens where id = $1)',
  },
  {
    code: 'SUSPENDED',
    cause:
      'update organizations set suspended_at = now() where id = (select organization_id from tokens where id = $1)',
  },
  {
    code: 'FORBIDDEN_ADDRESS',
    cause: "update tokens set authorized_ip_addresses = '{192.0.2.1}' where id = $1",
    question: { ipAddress: '192.0.2.2' },
  },
  { code: 'INSUFFICIENT_SCOPE', question: { scopes: ['orders:delete'] } },
  { code: 'RATE_LIMITED', cause: 'update tokens set rate_limit = 1 where id = $1', question: { cost: 2 } },
];

/** A token of an organization of its own, of which several things are wrong before anybody has asked about it. */
async function tokenWith(faults: typeof FAULTS): Promise<{ own: Tenant; issued: IssuedToken; question: Question }> {
  const own = await Tenant.create(keyward);
  const issued = await own.issue({ scopes: ['orders:read'] });
  for (const { cause } of faults) if (cause !== undefined) await keyward.sql(cause, [issued.id]);
  return { own, issued, question: Object.assign({}, ...faults.map(({ question }) => question)) };
}

describe('of several reasons against a token, the verdict tells', () => {
  it.each(FAULTS.map(({ code }, index): [string, number] => [code, index]))(
    '%s before all that come after it',
    async (code, index) => {
      const { issued, question } = await tokenWith(FAULTS.slice(index));
      expect(await codeOf(operator, issued.token, question)).toBe(code);
      expect(await codeOf(operator, issued.token, question)).toBe(code);
    },
  );

  it.each(FAULTS.map((fault): [string, (typeof FAULTS)[number]] => [fault.code, fault]))(
    '%s with whose token it is, so that the service can say so',
    async (code, fault) => {
      const { own, issued, question } = await tokenWith([fault]);
      const verdict = await verify(operator, issued.token, question);
      expect(verdict).toMatchObject({
        valid: false,
        code,
        organization: { id: own.id, slug: own.slug },
        serviceAccount: { id: own.account.id, slug: own.account.slug, name: own.account.name },
        token: { id: issued.id, slug: issued.slug, name: issued.name },
        scopes: ['orders:read'],
      });
      expect('rateLimit' in verdict).toBe(code === 'RATE_LIMITED');
    },
  );

  it('REVOKED for a token of a deleted account', async () => {
    const own = await Tenant.create(keyward);
    const { token } = await own.issue();
    expectStatus(await own.owner.delete(`/service-accounts/${own.account.slug}`), 204);
    expect(await codeOf(operator, token)).toBe('REVOKED');
  });
});

describe('the scopes that are asked for', () => {
  it.each<[string, string[], string[], string]>([
    ['none', ['orders:read'], [], 'VALID'],
    ['the very scope', ['orders:read'], ['orders:read'], 'VALID'],
    ['an action of a resource that is held', ['orders'], ['orders:read', 'orders:lines:read'], 'VALID'],
    ['a resource of which one action is held', ['orders:read'], ['orders'], 'INSUFFICIENT_SCOPE'],
    ['a resource whose name begins alike', ['orders'], ['orders-archive:read'], 'INSUFFICIENT_SCOPE'],
    ['two, one of which is held', ['orders:read'], ['orders:read', 'invoices:read'], 'INSUFFICIENT_SCOPE'],
    ['two that are held', ['orders:read', 'invoices'], ['invoices:read', 'orders:read'], 'VALID'],
    ['one by a token that has none', [], ['orders:read'], 'INSUFFICIENT_SCOPE'],
    ['everything', ['orders', 'api_tokens'], ['*'], 'INSUFFICIENT_SCOPE'],
    ['nothing that has a name', ['orders'], [''], 'INSUFFICIENT_SCOPE'],
    ['one in other letters', ['orders:read'], ['Orders:Read'], 'INSUFFICIENT_SCOPE'],
    ['what a held alias stands for', ['read:tokens'], ['api_tokens:read', 'service_accounts:read'], 'VALID'],
    ['more than a held alias stands for', ['read:tokens'], ['api_tokens'], 'INSUFFICIENT_SCOPE'],
    ['an alias by all that it stands for', ['api_tokens', 'service_accounts'], ['write:tokens'], 'VALID'],
    ['an alias by half of what it stands for', ['api_tokens'], ['write:tokens'], 'INSUFFICIENT_SCOPE'],
    ['an alias by itself', ['write:tokens'], ['write:tokens', 'read:tokens'], 'VALID'],
  ])('are all needed: %s', async (_, held, scopes, code) => {
    const { token } = await tenant.issue({ scopes: held });
    expect(await codeOf(operator, token, { scopes })).toBe(code);
  });

  it("are judged within what the account's role allows", async () => {
    const own = await Tenant.create(keyward);
    const path = `/service-accounts/${own.account.slug}`;
    const { token } = await own.issue({ scopes: ['api_tokens', 'service_accounts:read', 'orders'] });
    expectStatus(await own.owner.put(path, { body: { name: 'Narrowed', role: 'viewer' } }), 204);
    expect((await verify(operator, token)).scopes).toEqual(['api_tokens:read', 'service_accounts:read', 'orders:read']);
    expect(await codeOf(operator, token, { scopes: ['api_tokens:read', 'orders:read'] })).toBe('VALID');
    expect(await codeOf(operator, token, { scopes: ['api_tokens:verify'] })).toBe('INSUFFICIENT_SCOPE');
    expect(await codeOf(operator, token, { scopes: ['orders:create'] })).toBe('INSUFFICIENT_SCOPE');
  });
});

describe("a token's own rate limit", () => {
  it('lets through what it allows, at whatever cost, and says what is left', async () => {
    const { token } = await tenant.issue({ rateLimit: 5 });
    const remaining: [string, number | undefined][] = [];
    for (const cost of [undefined, 3, 0, 1, 0, 1]) {
      const { code, rateLimit } = await verify(operator, token, cost === undefined ? {} : { cost });
      remaining.push([code, rateLimit?.remaining]);
    }
    expect(remaining).toEqual([
      ['VALID', 4],
      ['VALID', 1],
      ['VALID', 1],
      ['VALID', 0],
      ['VALID', 0],
      ['RATE_LIMITED', 0],
    ]);
  });

  it('is not used up by requests that are refused for another reason', async () => {
    const { token } = await tenant.issue({ rateLimit: 1, authorizedIpAddresses: ['192.0.2.1'] });
    const ipAddress = '192.0.2.1';
    expect(await codeOf(operator, token)).toBe('FORBIDDEN_ADDRESS');
    expect(await codeOf(operator, token, { ipAddress, scopes: ['orders:delete'] })).toBe('INSUFFICIENT_SCOPE');
    expect(await codeOf(operator, token, { ipAddress })).toBe('VALID');
    expect(await codeOf(operator, token, { ipAddress })).toBe('RATE_LIMITED');
  });

  it('lets exactly as many through when they come at the same time', async () => {
    const { token } = await tenant.issue({ rateLimit: 7 });
    const codes = await Promise.all(Array.from({ length: 30 }, () => codeOf(operator, token)));
    expect(codes.filter((code) => code === 'VALID')).toHaveLength(7);
    expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(23);
  });
});
