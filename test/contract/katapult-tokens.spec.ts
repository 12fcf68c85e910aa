import { expectStatus, unique } from '../support/callers.js';
import type { Answer, Client } from '../support/http.js';
import {
  type ApiToken,
  expectRefused,
  type Katapult,
  KatapultTenant,
  ORGANIZATION_SECRET,
  REGENERATE,
  TOKEN,
  TOKEN_ID,
  unixSeconds,
} from '../support/katapult.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { codeOf, platform, verify, VERIFYING } from '../support/verification.js';

let keyward: Keyward;
let operator: Client;
let tenant: KatapultTenant;

beforeAll(async () => {
  keyward = await startKeyward({ env: VERIFYING });
  operator = platform(keyward);
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  tenant = await KatapultTenant.create(keyward);
});

const BLANK_NAMES: [string, object][] = [
  ['no name', {}],
  ['an empty name', { name: '' }],
  ['a name of spaces', { name: '   ' }],
];

describe('create', () => {
  it('answers 200 with every member of the token, its secret and its annotations', async () => {
    const properties = {
      name: 'Deploy',
      authorized_ip_addresses: ['192.0.2.7', '198.51.100.0/24', '2001:db8::1', '2001:db8:1::/48'],
      expires_at: unixSeconds(3_600),
      scopes: ['orders:read', 'orders:write'],
    };
    const annotations = [{ key: 'team', value: 'payments' }];
    const answer = await tenant.request(properties, annotations);
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        api_token: {
          ...properties,
          id: expect.stringMatching(TOKEN_ID),
          organization_id: tenant.organization.id,
          rate_limit: keyward.config.settings.RATE_LIMIT_PER_MINUTE,
          secret: expect.stringMatching(ORGANIZATION_SECRET),
        },
        annotations,
      },
    ]);
  });

  it('shows as null, and as empty lists, what was not given', async () => {
    const { api_token, annotations } = expectStatus(await tenant.request({ name: 'Bare' }), 200);
    expect(api_token).toEqual({
      id: expect.stringMatching(TOKEN_ID),
      name: 'Bare',
      organization_id: tenant.organization.id,
      authorized_ip_addresses: [],
      expires_at: null,
      rate_limit: keyward.config.settings.RATE_LIMIT_PER_MINUTE,
      scopes: expect.any(Array),
      secret: expect.stringMatching(ORGANIZATION_SECRET),
    });
    expect(annotations).toEqual([]);
  });

  it('takes an expiry of null for none', async () => {
    expect((await tenant.create({ expires_at: null })).expires_at).toBeNull();
  });

  it('makes a secret that verifies at once, with what was asked for', async () => {
    const expires_at = unixSeconds(3_600);
    const token = await tenant.create({ expires_at }, [{ key: 'team', value: 'payments' }]);
    expect(await verify(operator, token.secret)).toMatchObject({
      valid: true,
      code: 'VALID',
      organization: { slug: tenant.organization.sub_domain },
      token: { name: token.name },
      scopes: ['orders:read'],
      expiresAt: new Date(expires_at * 1_000).toISOString(),
      annotations: { team: 'payments' },
    });
  });

  it('makes a token for its authorized addresses only, of both families, and for any network where there are none', async () => {
    const bound = await tenant.create({ authorized_ip_addresses: ['192.0.2.7', '2001:db8::/32'] });
    const free = await tenant.create({ authorized_ip_addresses: [] });
    for (const [ipAddress, code] of [
      ['192.0.2.7', 'VALID'],
      ['2001:db8:ffff::1', 'VALID'],
      ['192.0.2.8', 'FORBIDDEN_ADDRESS'],
      ['2001:db9::1', 'FORBIDDEN_ADDRESS'],
    ] as const) {
      expect([ipAddress, await codeOf(operator, bound.secret, { ipAddress })]).toEqual([ipAddress, code]);
      expect(await codeOf(operator, free.secret, { ipAddress })).toBe('VALID');
    }
  });

  it.each(BLANK_NAMES)('refuses %s with a validation error, and makes nothing', async (_what, properties) => {
    const detail = { errors: expect.arrayContaining(["Name can't be blank"]) };
    expectRefused(await tenant.request(properties), 'validation_error', detail);
    expect((await tenant.list()).api_tokens).toEqual([]);
  });

  it.each(['not an address', 'example.com', '', '192.0.2.256', '192.0.2.0/33', '2001:db8::/129', '2001:db8::1::2'])(
    'refuses the authorized address %j with a validation error, and makes nothing',
    async (address) => {
      const properties = { name: 'Bound', scopes: [], authorized_ip_addresses: ['192.0.2.7', address] };
      const detail = { errors: expect.arrayContaining([expect.stringMatching(/\S/)]) };
      expectRefused(await tenant.request(properties), 'validation_error', detail);
      expect((await tenant.list()).api_tokens).toEqual([]);
    },
  );
});

describe('update', () => {
  it('changes what is sent and leaves the rest as it is', async () => {
    const { secret, ...before } = await tenant.create({}, [{ key: 'team', value: 'payments' }]);
    const expires_at = unixSeconds(7_200);
    const changes: object[] = [
      { name: 'After' },
      { scopes: ['orders:write', 'orders:read'] },
      { authorized_ip_addresses: ['192.0.2.7', '2001:db8::/32'] },
      { expires_at },
      {},
      { expires_at: null },
      { authorized_ip_addresses: [] },
    ];
    let expected: object = { ...before, secret: null };
    for (const properties of changes) {
      const answer = await tenant.patch(before, { properties });
      expected = { ...expected, ...properties };
      const body = { api_token: expected, annotations: [{ key: 'team', value: 'payments' }] };
      expect([answer.status, answer.body]).toEqual([200, body]);
      expect(answer.text).not.toContain(secret);
    }
    expect((await tenant.list()).api_tokens).toEqual([expected]);
    expect(await codeOf(operator, secret)).toBe('VALID');
  });

  it('sets the annotations that are sent', async () => {
    const token = await tenant.create({}, [{ key: 'team', value: 'payments' }]);
    const annotations = [{ key: 'team', value: 'billing' }];
    const answer = await tenant.patch(token, { properties: {}, annotations });
    expect(expectStatus(answer, 200).annotations).toEqual(annotations);
    expect(await verify(operator, token.secret)).toMatchObject({ annotations: { team: 'billing' } });
    const more = [...annotations, { key: 'stage', value: 'live' }];
    const both = expectStatus(await tenant.patch(token, { properties: {}, annotations: more }), 200).annotations;
    expect([...both].sort((one, other) => other.key.localeCompare(one.key))).toEqual(more);
  });

  it('takes hold of a token in use at once', async () => {
    const token = await tenant.create({ scopes: ['orders:read'] });
    expect(await codeOf(operator, token.secret, { scopes: ['orders:read'] })).toBe('VALID');
    expectStatus(await tenant.patch(token, { properties: { scopes: ['orders:write'] } }), 200);
    expect(await codeOf(operator, token.secret, { scopes: ['orders:read'] })).toBe('INSUFFICIENT_SCOPE');
    const authorized_ip_addresses = ['192.0.2.7'];
    expectStatus(await tenant.patch(token, { properties: { authorized_ip_addresses } }), 200);
    expect(await codeOf(operator, token.secret, { ipAddress: '192.0.2.8' })).toBe('FORBIDDEN_ADDRESS');
  });

  it('refuses a blank name and a wrong address with a validation error, and changes nothing', async () => {
    const { secret: _secret, ...before } = await tenant.create();
    const nameless = await tenant.patch(before, { properties: { name: '', scopes: [] } });
    expectRefused(nameless, 'validation_error', { errors: expect.arrayContaining(["Name can't be blank"]) });
    const wrong = { name: 'Changed', authorized_ip_addresses: ['not an address'] };
    expectRefused(await tenant.patch(before, { properties: wrong }), 'validation_error');
    expect((await tenant.list()).api_tokens).toEqual([{ ...before, secret: null }]);
  });
});

describe('delete', () => {
  it('answers 200 with the id and the name, and the token stops verifying at once', async () => {
    const token = await tenant.create();
    expect(await codeOf(operator, token.secret)).toBe('VALID');
    const answer = await tenant.delete(token);
    expect([answer.status, answer.body]).toEqual([200, { api_token: { id: token.id, name: token.name } }]);
    expect(await codeOf(operator, token.secret)).toBe('REVOKED');
    const used = await tenant.caller.holding(token.secret).get(tenant.listPath());
    expectRefused(used, 'invalid_api_token', { details: null });
  });

  it('leaves no token that could be listed, changed, regenerated or deleted again', async () => {
    const token = await tenant.create();
    const other = await tenant.create();
    expectStatus(await tenant.delete(token), 200);
    expect((await tenant.list()).api_tokens.map(({ id }) => id)).toEqual([other.id]);
    const answers = [
      await tenant.patch(token, { properties: { name: 'Again' } }),
      await tenant.regenerate(token),
      await tenant.delete(token),
    ];
    for (const answer of answers) expectRefused(answer, 'api_token_not_found', {});
  });
});

describe('regenerate', () => {
  it('answers 200 with the same token and another secret, and the old secret dies at once', async () => {
    const { secret: old, ...before } = await tenant.create({ expires_at: unixSeconds(3_600) });
    expect(await codeOf(operator, old)).toBe('VALID');
    const answer = await tenant.regenerate(before);
    const secret = answer.body.api_token.secret;
    expect([answer.status, answer.body]).toEqual([
      200,
      { api_token: { ...before, secret: expect.stringMatching(ORGANIZATION_SECRET) } },
    ]);
    expect(secret).not.toBe(old);
    expect(await verify(operator, old)).toMatchObject({ valid: false });
    expect(await codeOf(operator, secret)).toBe('VALID');
    expect((await tenant.list()).api_tokens).toEqual([{ ...before, secret: null }]);
  });
});

describe('the secret', () => {
  it('is shown by create and regenerate, and is null everywhere else', async () => {
    const created = await tenant.create();
    const { secret } = expectStatus(await tenant.regenerate(created), 200).api_token;
    const answers: Answer[] = [
      await tenant.caller.get(tenant.listPath()),
      await tenant.patch(created, { properties: { name: unique('renamed') } }),
      await tenant.request({ name: '' }),
      await tenant.delete(created),
    ];
    for (const { text } of answers) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(created.secret);
    }
    expect(answers[0]!.body).toMatchObject({ api_tokens: [{ id: created.id, secret: null }] });
    expect(answers[1]!.body).toMatchObject({ api_token: { id: created.id, secret: null } });
  });
});

describe('nobody grants more than they hold', () => {
  /** A caller with less than the owner, the one way and the other. */
  const CALLERS: [string, (...scopes: string[]) => Promise<Katapult>][] = [
    ['a token', (...scopes) => tenant.holder(...scopes)],
    ['a JWT with a scope claim', (...scopes) => tenant.narrowedTo(...scopes)],
  ];

  function expectDenied(answer: Answer): void {
    expect(Object.keys(expectRefused(answer, 'permission_denied'))).toEqual(['details']);
  }

  it.each(CALLERS)('by creating a token, as %s', async (_what, hold) => {
    const caller = await hold('api_tokens', 'orders:read');
    const granted = await tenant.request({ name: 'Within', scopes: ['orders:read', 'api_tokens:read'] }, [], caller);
    expect(expectStatus(granted, 200).api_token.scopes).toEqual(['orders:read', 'api_tokens:read']);
    const { total } = (await tenant.list()).pagination;
    for (const scopes of [['orders:read', 'orders:write'], ['orders'], ['organizations:read']]) {
      expectDenied(await tenant.request({ name: unique('beyond'), scopes }, [], caller));
    }
    expect((await tenant.list()).pagination.total).toBe(total);
  });

  it.each(CALLERS)('by changing a token, as %s', async (_what, hold) => {
    const caller = await hold('api_tokens', 'orders:read');
    const { id, name } = await tenant.create({ scopes: ['orders:read'] });
    const body = { api_token: { id }, properties: { scopes: ['orders:read', 'orders:write'] } };
    expectDenied(await caller.patch(TOKEN, { body }));
    expect((await tenant.find(name))?.scopes).toEqual(['orders:read']);
  });

  it('by changing the very token that calls', async () => {
    const { id, secret } = await tenant.create({ scopes: ['api_tokens'] });
    const body = { api_token: { id }, properties: { scopes: ['api_tokens', 'orders:read'] } };
    expectDenied(await tenant.caller.holding(secret).patch(TOKEN, { body }));
  });

  it.each(CALLERS)('by taking over the secret of a stronger token, as %s', async (_what, hold) => {
    const caller = await hold('api_tokens', 'orders:read');
    const strong = await tenant.create({ scopes: ['orders:read', 'orders:write'] });
    const weak = await tenant.create({ scopes: ['orders:read'] });
    expectDenied(await caller.post(REGENERATE, { body: { api_token: { id: strong.id } } }));
    expect(await codeOf(operator, strong.secret)).toBe('VALID');
    const taken = await caller.post<{ api_token: ApiToken }>(REGENERATE, { body: { api_token: { id: weak.id } } });
    expect(expectStatus(taken, 200).api_token.secret).toMatch(ORGANIZATION_SECRET);
  });
});
