import { expectStatus, issueToken, unique } from '../support/callers.js';
import { type Answer, Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { codeOf, madeUp, platform, Tenant, VERIFYING, writeToken } from '../support/verification.js';

const FORM = 'application/x-www-form-urlencoded';
const INACTIVE = '{"active":false}';
const PATHS = ['/oauth2/introspect', '/api/oauth2/introspect', '/oauth2/introspect?through=nest'];

let keyward: Keyward;
let operator: Client;
let tenant: Tenant;
let verifier: Client;

beforeAll(async () => {
  keyward = await startKeyward({ env: { ...VERIFYING, BODY_BYTES_MAX: '4096' } });
  operator = platform(keyward);
  tenant = await Tenant.create(keyward);
  verifier = await tenant.holder('api_tokens:verify');
});
afterAll(() => keyward?.close());

type Form = string | Readonly<Record<string, string>>;

function introspect(asker: Client, form: Form, path = PATHS[0]!, type = FORM): Promise<Answer> {
  const body = typeof form === 'string' ? form : new URLSearchParams(form).toString();
  return asker.post(path, { body, headers: { 'content-type': type } });
}

/** An error in the form of RFC 6749 §5.2. */
function expectOAuthError(answer: Answer, status: number, error: string): void {
  expect([answer.status, answer.body]).toEqual([status, { error, error_description: expect.stringMatching(/\S/) }]);
  expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.get('x-request-id')).toMatch(/\S/);
}

describe('introspection of an active token (RFC 7662 §2.2)', () => {
  it('keeps names in any script whole', async () => {
    const name = unique('Сборка 鍵 🗝️');
    const { slug } = expectStatus(
      await tenant.owner.post<{ slug: string }>('/service-accounts', { body: { name } }),
      201,
    );
    const { token } = await issueToken(tenant.owner, slug);
    expect(expectStatus(await introspect(operator, { token }), 200)).toMatchObject({ active: true, username: name });
  });

  it('says whose it is and what it may do', async () => {
    const expiresAt = '2099-01-31T12:00:00.900Z';
    const issued = await tenant.issue({ scopes: ['orders:read', 'invoices'], expiresAt });
    const { account } = tenant;
    for (const asker of [operator, verifier, tenant.owner]) {
      const answer = await introspect(asker, { token: issued.token });
      expect(expectStatus(answer, 200)).toEqual({
        active: true,
        scope: 'orders:read invoices',
        client_id: account.id,
        sub: account.id,
        username: account.name,
        token_type: 'Bearer',
        exp: Math.floor(Date.parse(expiresAt) / 1_000),
        iat: Math.floor(Date.parse(issued.createdAt) / 1_000),
        jti: issued.id,
        organization_id: tenant.id,
      });
      expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
  });

  it('leaves out an expiry that there is none of', async () => {
    const { token } = await tenant.issue();
    expect((await introspect(operator, { token })).body).not.toHaveProperty('exp');
  });

  it('names the person of a personal token, and the token itself where there is nobody', async () => {
    const { id } = await tenant.addMember('admin');
    const personal = await writeToken(keyward, { organizationId: tenant.id, userId: id });
    expect((await introspect(operator, { token: personal })).body).toMatchObject({ active: true, sub: id });
    const organizational = await writeToken(keyward, { organizationId: tenant.id });
    const { jti, sub, client_id } = (await introspect(operator, { token: organizational })).body as Record<
      string,
      string
    >;
    expect([sub, client_id]).toEqual([jti, jti]);
  });

  it.each(PATHS)('is the same for a token and a JWT, at %s', async (path) => {
    const { token } = await tenant.issue();
    const expected = (await introspect(operator, { token })).text;
    for (const asker of [operator, verifier, tenant.owner]) {
      expect((await introspect(asker, { token }, path)).text).toBe(expected);
    }
  });

  it.each([
    ['a hint', { token_type_hint: 'access_token' }],
    ['a wrong hint', { token_type_hint: 'refresh_token' }],
    ['a hint that nobody knows', { token_type_hint: 'x' }],
    ['a parameter that is not ours', { client_secret: 'x' }],
  ])('takes %s and ignores it (RFC 7662 §2.1)', async (_, more) => {
    const { token } = await tenant.issue();
    expect((await introspect(operator, { token, ...more })).body).toMatchObject({ active: true });
  });

  it('takes a charset beside the content type', async () => {
    const { token } = await tenant.issue();
    for (const type of [`${FORM};charset=UTF-8`, `${FORM}; charset=utf-8`, FORM.toUpperCase()]) {
      expect((await introspect(operator, { token }, PATHS[0], type)).body).toMatchObject({ active: true });
    }
  });

  it('counts once on the rate limit of the token, and takes the address of its bearer', async () => {
    const { token } = await tenant.issue({ rateLimit: 2, authorizedIpAddresses: ['192.0.2.1'] });
    expect((await introspect(operator, { token })).text).toBe(INACTIVE);
    expect((await introspect(operator, { token, ip_address: '192.0.2.2' })).text).toBe(INACTIVE);
    const ip_address = '::ffff:192.0.2.1';
    for (const active of [true, true, false]) {
      expect((await introspect(operator, { token, ip_address })).body).toMatchObject({ active });
    }
  });
});

describe('of a token that is not active nothing is told but that', () => {
  it.each<[string, () => Promise<string>]>([
    ['unknown', async () => madeUp(1)[0]!],
    ['malformed', async () => 'kws_x'],
    ['too long', async () => 'x'.repeat(300)],
    ['a JWT', async () => tenant.owner.token],
    [
      'revoked',
      async () => {
        const issued = await tenant.issue();
        await tenant.revoke(issued);
        return issued.token;
      },
    ],
    [
      'expired',
      async () => {
        const { id, token } = await tenant.issue();
        await keyward.sql("update tokens set expires_at = now() - interval '1 second' where id = $1", [id]);
        return token;
      },
    ],
    [
      'of a disabled account',
      async () => {
        const own = await Tenant.create(keyward);
        const { token } = await own.issue();
        expectStatus(await own.owner.post(`/service-accounts/${own.account.slug}/disable`), 200);
        return token;
      },
    ],
    [
      'of a suspended organization',
      async () => {
        const own = await Tenant.create(keyward);
        const { token } = await own.issue();
        expectStatus(await operator.post(`/organizations/${own.slug}/suspend`), 200);
        return token;
      },
    ],
    ['for other addresses', async () => (await tenant.issue({ authorizedIpAddresses: ['192.0.2.1'] })).token],
  ])('when it is %s', async (_, token) => {
    const secret = await token();
    // From the database, and from memory.
    for (let count = 0; count < 2; count++) {
      const answer = await introspect(operator, { token: secret });
      expect([answer.status, answer.text]).toEqual([200, INACTIVE]);
    }
  });

  it('when it belongs to another organization than the asker', async () => {
    const { token } = await (await Tenant.create(keyward)).issue();
    for (const asker of [verifier, tenant.owner]) expect((await introspect(asker, { token })).text).toBe(INACTIVE);
    expect((await introspect(operator, { token })).body).toMatchObject({ active: true });
  });

  it('from the moment of its revocation on, though it was introspected a moment before', async () => {
    const issued = await tenant.issue();
    expect((await introspect(operator, { token: issued.token })).body).toMatchObject({ active: true });
    await tenant.revoke(issued);
    expect((await introspect(operator, { token: issued.token })).text).toBe(INACTIVE);
  });
});

describe.each(PATHS)('%s refuses in the words of OAuth 2.0', (path) => {
  const doors = (): Client[] => [verifier, tenant.owner];

  it.each<[string, string]>([
    ['no token', 'x=y'],
    ['an empty token', 'token='],
    ['an empty form', ''],
    ['the token twice (RFC 6749 §3.2)', 'token=a&token=b'],
    ['the same token twice', 'token=a&token=a'],
    ['an address that is none', 'token=a&ip_address=localhost'],
    ['an address twice', 'token=a&ip_address=192.0.2.1&ip_address=192.0.2.1'],
  ])('%s with 400', async (_, form) => {
    for (const asker of doors()) expectOAuthError(await introspect(asker, form, path), 400, 'invalid_request');
  });

  it('what is no form with 415', async () => {
    for (const asker of doors()) {
      for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x']) {
        expectOAuthError(await introspect(asker, '{"token":"x"}', path, type), 415, 'invalid_request');
      }
    }
  });

  it('a form that is too large with 413', async () => {
    for (const asker of doors()) {
      expectOAuthError(await introspect(asker, { token: 'x'.repeat(5_000) }, path), 413, 'invalid_request');
    }
  });

  it('an asker without a credential, with a bad one, or without the scope', async () => {
    const reader = await tenant.holder('api_tokens:read');
    const challenges: [string | undefined, number, string, string][] = [
      [undefined, 401, 'invalid_token', 'Bearer'],
      [madeUp(1)[0]!, 401, 'invalid_token', 'Bearer error="invalid_token"'],
    ];
    for (const [token, status, error, challenge] of challenges) {
      const answer = await introspect(new Client(keyward.url, token), { token: 'x' }, path);
      expectOAuthError(answer, status, error);
      expect(answer.headers.get('www-authenticate')).toBe(challenge);
    }
    const viewer = await tenant.owner.colleague({ role: 'viewer' });
    for (const asker of [reader, viewer]) {
      expectOAuthError(await introspect(asker, { token: 'x' }, path), 403, 'insufficient_scope');
    }
  });
});

it.each(['GET', 'PUT', 'DELETE', 'PATCH'])('%s is refused with 405 that allows POST', async (method) => {
  for (const asker of [verifier, tenant.owner]) {
    const answer = await asker.request(method, PATHS[0]!);
    expectOAuthError(answer, 405, 'invalid_request');
    expect(answer.headers.get('allow')).toBe('POST');
  }
});

it('introspection and verification agree about a secret that is full of what forms escape', async () => {
  const secret = `${unique('a+b c%20&token=é')}=`;
  const { id: organizationId } = tenant;
  await writeToken(keyward, { organizationId, secret });
  expect(await codeOf(operator, secret)).toBe('VALID');
  expect((await introspect(operator, { token: secret })).body).toMatchObject({ active: true });
});
