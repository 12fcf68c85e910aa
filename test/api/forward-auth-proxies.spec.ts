import { readFileSync } from 'node:fs';
import { type Answer, sendRaw } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { madeUp, platform, Tenant, VERIFYING, writeTokens } from '../support/verification.js';

const CLIENT = '192.0.2.7';
/** Of the proxy: the test calls from the first one, the second one is what Envoy adds when it asks. */
const PROXY_ADDRESSES = '127.0.0.1,10.9.8.7';
const GUIDE = readFileSync('docs/forward-auth.md', 'utf8');

let keyward: Keyward;
let tenant: Tenant;

beforeAll(async () => {
  keyward = await startKeyward({ env: { ...VERIFYING, TRUST_PROXY: PROXY_ADDRESSES } });
  tenant = await Tenant.create(keyward);
});
afterAll(() => keyward?.close());

/** What a proxy holds while it asks. */
interface Held {
  readonly authorization: string | undefined;
  /** Whom the proxy takes for the client. */
  readonly client: string;
  /** What the client claims in X-Forwarded-For. */
  readonly claimed?: string;
}

const bearer = (authorization: string | undefined): string[] =>
  authorization === undefined ? [] : [`Authorization: ${authorization}`];

/**
 * The requests that each proxy sends when it holds a `POST /orders/1?x=1` and is configured as in docs/forward-auth.md,
 * as their sources write them: ngx_http_auth_request_module.c with ngx_http_proxy_module.c, pkg/middlewares/auth/forward.go
 * of Traefik 3, and ext_authz_http_impl.cc with async_client_impl.cc of Envoy before and from version 1.28 on.
 */
const PROXIES: Readonly<Record<string, (held: Held) => readonly string[]>> = {
  nginx: ({ authorization, client }) => [
    'GET /forward-auth?scope=orders:read HTTP/1.1',
    `X-Forwarded-For: ${client}`,
    'Host: keyward',
    'User-Agent: a client/1.0',
    'Accept: */*',
    ...bearer(authorization),
    'Content-Type: application/json',
    'X-Keyward-User-Id: forged',
    'Cookie: a=b',
  ],
  Traefik: ({ authorization, client }) => [
    'GET /forward-auth?scope=orders:read HTTP/1.1',
    'Host: keyward:3000',
    'User-Agent: a client/1.0',
    ...bearer(authorization),
    `X-Forwarded-For: ${client}`,
    'X-Forwarded-Host: api.example.com',
    'X-Forwarded-Method: POST',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Uri: /orders/1?x=1',
    'Accept-Encoding: gzip',
  ],
  'Traefik that passes every header on': ({ authorization, client }) => [
    'GET /forward-auth?scope=orders:read HTTP/1.1',
    'Host: keyward:3000',
    'User-Agent: a client/1.0',
    'Accept: */*',
    'Accept-Encoding: gzip',
    ...bearer(authorization),
    'Content-Type: application/json',
    `X-Forwarded-For: ${client}`,
    'X-Forwarded-Host: api.example.com',
    'X-Forwarded-Method: POST',
    'X-Forwarded-Port: 443',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Server: traefik-1',
    'X-Forwarded-Uri: /orders/1?x=1',
    `X-Real-Ip: ${client}`,
    'X-Keyward-User-Id: forged',
  ],
  'Envoy up to 1.27': ({ authorization, client, claimed }) => [
    'POST /forward-auth?scope=orders:read&path=/orders/1?x=1 HTTP/1.1',
    'host: api.example.com',
    'content-length: 0',
    ...bearer(authorization),
    `x-forwarded-for: ${[claimed, client, '10.9.8.7'].filter((hop) => hop !== undefined).join(',')}`,
    'user-agent: a client/1.0',
    'x-envoy-internal: true',
    'x-envoy-expected-rq-timeout-ms: 1000',
  ],
  'Envoy from 1.28 on': ({ authorization, client, claimed }) => [
    'POST /forward-auth?scope=orders:read&path=/orders/1?x=1 HTTP/1.1',
    'host: api.example.com',
    'content-length: 0',
    ...bearer(authorization),
    `x-forwarded-for: ${[claimed, client].filter((hop) => hop !== undefined).join(',')}`,
    'user-agent: a client/1.0',
  ],
  'Envoy with the path behind the prefix': ({ authorization, client }) => [
    'DELETE /forward-auth/orders/1?x=1&scope=orders:read HTTP/1.1',
    'host: api.example.com',
    'content-length: 0',
    ...bearer(authorization),
    `x-forwarded-for: ${client}`,
  ],
};

describe.each(Object.entries(PROXIES))('the request of %s', (_, requestOf) => {
  const send = (held: Partial<Held>): Promise<Answer> => {
    const lines = requestOf({ authorization: undefined, client: CLIENT, ...held });
    return sendRaw(keyward.url, `${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`);
  };
  const bearing = (token: string): Partial<Held> => ({ authorization: `Bearer ${token}` });

  it('is let through with a good token, and answered with who it is', async () => {
    const { id, token } = await tenant.issue({ scopes: ['orders'] });
    const answer = await send(bearing(token));
    expect([answer.status, answer.text]).toEqual([200, '']);
    expect(answer.headers.get('x-keyward-token-id')).toBe(id);
    expect(answer.headers.get('x-keyward-organization-id')).toBe(tenant.id);
    expect(answer.headers.has('x-keyward-user-id')).toBe(false);
  });

  it('is refused with 401 without a token, and with one that is not good', async () => {
    expect((await send({})).status).toBe(401);
    expect((await send(bearing(madeUp(1)[0]!))).status).toBe(401);
    expect((await send({ authorization: 'Basic dXNlcjpwYXNz' })).status).toBe(401);
  });

  it('is refused with 403 without the scope', async () => {
    const { token } = await tenant.issue({ scopes: ['invoices'] });
    expect((await send(bearing(token))).status).toBe(403);
  });

  it('comes from the address that the proxy saw, whatever the client claims', async () => {
    const { token } = await tenant.issue({ authorizedIpAddresses: [CLIENT] });
    expect((await send(bearing(token))).status).toBe(200);
    expect((await send({ ...bearing(token), client: '203.0.113.9', claimed: CLIENT })).status).toBe(403);
  });
});

describe('the guide for proxies', () => {
  it('has the headers that an answer may hold, each of which every configuration keeps a client from forging', async () => {
    const { id } = await tenant.addMember('admin');
    const names = new Set<string>();
    const written = [{ organizationId: tenant.id, userId: id }, { organizationId: tenant.id }];
    const tokens = [(await tenant.issue()).token, ...(await writeTokens(keyward, written))];
    for (const token of tokens) {
      const answer = await platform(keyward).holding(token).get('/forward-auth');
      for (const [name] of answer.headers) if (name.startsWith('x-keyward-')) names.add(name);
    }
    const [, listed = ''] = /for all seven:\n\n```\n([^`]*)```/.exec(GUIDE) ?? [];
    expect(listed.toLowerCase().split(/\s+/).filter(Boolean).sort()).toEqual([...names].sort());
    const [nginx = '', traefik = '', envoy = ''] = GUIDE.split(/^## /m).slice(1);
    for (const name of names) {
      expect(nginx.toLowerCase()).toMatch(new RegExp(`proxy_set_header ${name} \\$keyward_`));
      expect(envoy).toContain(`- remove: ${name}\n`);
    }
    expect(traefik).toContain('authResponseHeadersRegex: ^X-Keyward-');
  });

  it('asks by the requests that are tried here', () => {
    expect(GUIDE).toContain('proxy_pass http://keyward/forward-auth?scope=$keyward_scope;');
    expect(GUIDE).toContain('address: http://keyward:3000/forward-auth?scope=orders:read');
    expect(GUIDE).toContain('path_prefix: /forward-auth?scope=orders:read&path=');
  });
});
