import { METHODS, request } from 'node:http';
import { expectStatus } from '../support/callers.js';
import { type Answer, Client, sendRaw } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { madeUp, platform, Tenant, VERIFYING, writeToken } from '../support/verification.js';

let keyward: Keyward;
let tenant: Tenant;
/** A client that holds a token for orders. */
let holder: Client;

beforeAll(async () => {
  keyward = await startKeyward({ env: VERIFYING });
  tenant = await Tenant.create(keyward);
  holder = await tenant.holder('orders', 'invoices:read');
});
afterAll(() => keyward?.close());

/** What an answer tells the proxy: its status and the headers it may hand on. */
function told({ status, headers }: Answer): Record<string, unknown> {
  const names = ['x-keyward-code', 'www-authenticate', 'x-keyward-token-id'];
  return {
    status,
    ...Object.fromEntries(names.flatMap((name) => (headers.has(name) ? [[name, headers.get(name)]] : []))),
  };
}

function identityOf({ headers }: Answer): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith('x-keyward-')));
}

describe('a request with a good token may go on', () => {
  it('with headers that say who sends it, and no body', async () => {
    const issued = await tenant.issue({ scopes: ['orders', 'invoices:read'] });
    const answer = await holder.holding(issued.token).get('/forward-auth');
    expect([answer.status, answer.text]).toEqual([200, '']);
    expect(identityOf(answer)).toEqual({
      'x-keyward-organization-id': tenant.id,
      'x-keyward-organization': tenant.slug,
      'x-keyward-service-account-id': tenant.account.id,
      'x-keyward-service-account': tenant.account.slug,
      'x-keyward-token-id': issued.id,
      'x-keyward-scopes': 'orders invoices:read',
    });
  });

  it("with the person's id where it is a personal token, and neither account nor person where it is the organization's", async () => {
    const { id } = await tenant.addMember('admin');
    const personal = await writeToken(keyward, { organizationId: tenant.id, userId: id });
    const ofPerson = identityOf(await holder.holding(personal).get('/forward-auth'));
    expect(ofPerson).toMatchObject({ 'x-keyward-user-id': id });
    expect(ofPerson).not.toHaveProperty('x-keyward-service-account-id');
    const organizational = await writeToken(keyward, { organizationId: tenant.id });
    const names = Object.keys(identityOf(await holder.holding(organizational).get('/forward-auth')));
    expect(names.sort()).toEqual(
      ['organization', 'organization-id', 'scopes', 'token-id'].map((name) => `x-keyward-${name}`),
    );
  });

  it('whatever is asked of Keyward itself: any token of any organization judges itself', async () => {
    const other = await Tenant.create(keyward);
    const answers = [await (await other.holder()).get('/forward-auth'), await platform(keyward).get('/forward-auth')];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  });

  const sendable = METHODS.filter((method) => method !== 'CONNECT');
  it.each(sendable)('by the method %s, with a body or without', async (method) => {
    for (const path of ['/forward-auth', '/forward-auth/orders/1']) {
      expect(await statusOf(method, path, holder.token)).toBe(200);
      expect(await statusOf(method, path, holder.token, 'a body that is of no interest')).toBe(200);
      expect(await statusOf(method, path, undefined)).toBe(401);
      expect(await statusOf(method, path, madeUp(1)[0], '{')).toBe(401);
    }
  });

  it.each([
    '/forward-auth/',
    '/forward-auth/orders/1?x=1',
    '/forward-auth/a//b/../c',
    '/forward-auth/%2e%2e/%zz',
    `/forward-auth/${'long/'.repeat(500)}`,
    '/forward-auth/tokens/verify',
    '/forward-auth?',
    '/forward-auth?x=1&y',
  ])('whatever path and query the proxy appends: %s', async (path) => {
    expect(await statusOf('GET', path, holder.token)).toBe(200);
    expect(await statusOf('GET', path, undefined)).toBe(401);
    expect(await statusOf('GET', path, madeUp(1)[0])).toBe(401);
  });
});

/** Sends what `fetch` would not, and reads the status of the answer. */
function statusOf(method: string, path: string, token: string | undefined, body?: string): Promise<number> {
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
  };
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(keyward.url);
    const sent = request({ hostname, port, method, path, headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    sent.on('error', reject).end(body);
  });
}

it.each(['/forward-authx', '/forward-auth.json', '/api/forward-authx', '/x/forward-auth'])(
  'nothing is let through at %s',
  async (path) => {
    expect((await holder.get(path)).status).toBe(404);
  },
);

describe('the scopes that are asked for', () => {
  it.each<[string, number]>([
    ['', 200],
    ['?scope=orders:read', 200],
    ['?scope=orders:read&scope=invoices:read', 200],
    ['?scope=orders:read%20invoices:read', 200],
    ['?scope=orders:read+invoices:read', 200],
    ['?scope=', 200],
    ['?other=invoices', 200],
    ['?scope=invoices', 403],
    ['?scope=orders:read&scope=invoices', 403],
    ['?scope=invoices&scope=orders:read', 403],
    ['?scope=orders:read%20invoices', 403],
    ['?x=1&scope=invoices&y=2', 403],
    ['/orders/1?x=1&scope=invoices', 403],
    ['?scope=%69nvoices', 403],
    ['?scope=*', 403],
  ])('are all needed: %s', async (rest, status) => {
    const answer = await holder.get(`/forward-auth${rest}`);
    expect([answer.status, answer.headers.get('x-keyward-code')]).toEqual([
      status,
      status === 200 ? null : 'INSUFFICIENT_SCOPE',
    ]);
  });

  it('are a hundred at most', async () => {
    const path = (count: number): string => `/forward-auth?${new Array(count).fill('scope=orders:read').join('&')}`;
    expect((await holder.get(path(100))).status).toBe(200);
    expect((await holder.get(path(101))).status).toBe(403);
  });
});

describe('a request is refused', () => {
  const challenge = 'Bearer error="invalid_token"';

  it('with 401 and a challenge where another token may help', async () => {
    expect(told(await new Client(keyward.url).get('/forward-auth'))).toEqual({
      status: 401,
      'www-authenticate': 'Bearer',
    });
    const revoked = await tenant.issue();
    await tenant.revoke(revoked);
    const expired = await tenant.issue();
    await keyward.sql("update tokens set expires_at = now() - interval '1 second' where id = $1", [expired.id]);
    const own = await Tenant.create(keyward);
    const disabled = await own.issue();
    expectStatus(await own.owner.post(`/service-accounts/${own.account.slug}/disable`), 200);
    const codes: [string, string][] = [
      ['NOT_FOUND', madeUp(1)[0]!],
      ['NOT_FOUND', 'kws_x'],
      ['NOT_FOUND', 'x'.repeat(300)],
      ['NOT_FOUND', tenant.owner.token],
      ['REVOKED', revoked.token],
      ['EXPIRED', expired.token],
      ['DISABLED', disabled.token],
    ];
    for (const [code, token] of codes) {
      const answer = await holder.holding(token).get('/forward-auth');
      expect([told(answer), answer.text]).toEqual([
        { status: 401, 'x-keyward-code': code, 'www-authenticate': challenge },
        '',
      ]);
    }
  });

  it('with 403 where this bearer may not, whatever token they send', async () => {
    const own = await Tenant.create(keyward);
    const suspended = await own.issue();
    expectStatus(await platform(keyward).post(`/organizations/${own.slug}/suspend`), 200);
    const restricted = await tenant.issue({ authorizedIpAddresses: ['192.0.2.1'] });
    const limited = await tenant.issue({ rateLimit: 1 });
    expect((await holder.holding(limited.token).get('/forward-auth')).status).toBe(200);
    const codes: [string, string][] = [
      ['SUSPENDED', suspended.token],
      ['FORBIDDEN_ADDRESS', restricted.token],
      ['RATE_LIMITED', limited.token],
    ];
    for (const [code, token] of codes) {
      const answer = await holder.holding(token).get('/forward-auth');
      expect([told(answer), answer.text]).toEqual([{ status: 403, 'x-keyward-code': code }, '']);
    }
  });

  it('with no header that says who it would have been', async () => {
    const { token } = await tenant.issue({ authorizedIpAddresses: ['192.0.2.1'] });
    const answer = await holder.holding(token).get('/forward-auth', { headers: { 'x-keyward-user-id': 'forged' } });
    expect(identityOf(answer)).toEqual({ 'x-keyward-code': 'FORBIDDEN_ADDRESS' });
  });

  it('when it has several Authorization headers, of which the service behind may believe another one', async () => {
    const good = `Authorization: Bearer ${holder.token}\r\n`;
    const other = `Authorization: Bearer ${madeUp(1)[0]}\r\n`;
    for (const lines of [good + other, other + good, good + good]) {
      const head = `GET /forward-auth HTTP/1.1\r\nHost: x\r\n${lines}Connection: close\r\n\r\n`;
      expect((await sendRaw(keyward.url, head)).status).toBe(401);
    }
  });

  it('when its token comes in another way than the Authorization header', async () => {
    const client = new Client(keyward.url);
    const { token } = holder;
    const answers = [
      await client.get(`/forward-auth?access_token=${token}`),
      await client.get('/forward-auth', {
        headers: { cookie: `token=${token}`, 'x-api-key': token!, 'proxy-authorization': `Bearer ${token}` },
      }),
      await client.get('/forward-auth', { headers: { authorization: `Token ${token}` } }),
      await client.get('/forward-auth', { headers: { authorization: token! } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
  });
});

it('from the moment of the revocation on the token lets nothing through', async () => {
  const issued = await tenant.issue();
  const client = holder.holding(issued.token);
  expect((await client.get('/forward-auth')).status).toBe(200);
  await tenant.revoke(issued);
  expect(told(await client.get('/forward-auth'))).toMatchObject({ status: 401, 'x-keyward-code': 'REVOKED' });
});
