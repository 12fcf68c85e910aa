import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import type { Problem, Token } from '../support/wire.js';

let keyward: Keyward;
let owner: Person;
let accountSlug: string;
let tokensPath: string;

beforeAll(async () => {
  keyward = await startKeyward();
  owner = await signInOwner(keyward);
  accountSlug = (await createAccount(owner, { name: 'Scopes' })).slug;
  tokensPath = `/service-accounts/${accountSlug}/tokens`;
});
afterAll(() => keyward?.close());

function locations(problem: Problem): string[] | undefined {
  return problem.errors?.map((error) => error.location);
}

describe('the scopes of a token', () => {
  it('keep their order and lose their duplicates', async () => {
    const scopes = ['orders:write', 'orders:read', 'orders:write', 'billing', 'orders:read', 'api_tokens:read'];
    const issued = await issueToken(owner, accountSlug, { scopes });
    expect(issued.scopes).toEqual(['orders:write', 'orders:read', 'billing', 'api_tokens:read']);
    expect((await owner.get<Token>(`${tokensPath}/${issued.slug}`)).body.scopes).toEqual(issued.scopes);
  });

  it.each(['orders', 'orders:read', 'orders.v2:read_all', 'a:b:c', 'reports:*', 'x-y:1', 's'.repeat(200)])(
    'may be %s, as long as the operator has declared none',
    async (scope) => {
      expect((await issueToken(owner, accountSlug, { scopes: [scope] })).scopes).toEqual([scope]);
    },
  );

  it.each([
    'Orders',
    'orders read',
    ':read',
    'orders:',
    'orders::read',
    '1orders',
    'ordérs',
    'orders\n',
    '',
    '*',
    '*:read',
    's'.repeat(201),
    7,
    null,
    ['orders'],
    { orders: 'read' },
  ])('are refused at their place when one breaks the grammar: %j', async (scope) => {
    const body = { name: unique('grammar'), scopes: ['orders:read', scope] };
    const problem = expectProblem(await owner.post(tokensPath, { body }), 422, 'request.invalid');
    expect(locations(problem)).toEqual(['body.scopes[1]']);
  });

  it.each(['service_accounts:fly', 'api_tokens:delete', 'platform:nothing', 'webhooks:send', 'application:*'])(
    'are refused at their place when one is unknown: %s',
    async (scope) => {
      const body = { name: unique('unknown'), scopes: [scope, 'orders:read'] };
      const problem = expectProblem(await owner.post(tokensPath, { body }), 422, 'request.invalid');
      expect(problem.errors).toEqual([{ location: 'body.scopes[0]', message: expect.any(String), value: scope }]);
    },
  );

  it('are refused with every offender named', async () => {
    const body = { name: unique('several'), scopes: ['BAD', 'orders:read', 'webhooks:send', 'so bad'] };
    const problem = expectProblem(await owner.post(tokensPath, { body }), 422, 'request.invalid');
    expect(problem.errors?.map(({ location, value }) => [location, value])).toEqual([
      ['body.scopes[0]', 'BAD'],
      ['body.scopes[2]', 'webhooks:send'],
      ['body.scopes[3]', 'so bad'],
    ]);
  });
});

describe('what an operation asks for', () => {
  const ACCOUNT = '/service-accounts/{account}';
  const operations: [string, string, string, (() => object) | undefined][] = [
    ['service_accounts:read', 'GET', '/service-accounts', undefined],
    ['service_accounts', 'POST', '/service-accounts', () => ({ name: unique('allowed') })],
    ['service_accounts:read', 'GET', ACCOUNT, undefined],
    ['service_accounts', 'PUT', ACCOUNT, () => ({ name: 'Scopes' })],
    ['api_tokens:read', 'GET', `${ACCOUNT}/tokens`, undefined],
    ['api_tokens', 'POST', `${ACCOUNT}/tokens`, () => ({ name: unique('allowed'), scopes: ['api_tokens:read'] })],
    ['api_tokens', 'DELETE', `${ACCOUNT}/tokens/nobody-has-this`, undefined],
  ];
  const ALL = ['service_accounts:read', 'service_accounts', 'api_tokens:read', 'api_tokens', 'orders', 'webhooks'];

  /** Whether one scope alone gives another. */
  function gives(held: string, needed: string): boolean {
    return held === needed || needed.startsWith(`${held}:`);
  }

  it.each(operations)('%s is enough, and needed, for %s %s', async (needed, method, template, makeBody) => {
    for (const held of ALL) {
      const caller = await owner.narrowedTo(held);
      const answer = await caller.request(method, template.replace('{account}', accountSlug), { body: makeBody?.() });
      if (gives(held, needed)) {
        expect([held, answer.status < 300 || answer.status === 404]).toEqual([held, true]);
      } else {
        expect(expectProblem(answer, 403, 'access.denied').detail).toContain(needed);
      }
    }
  });

  it.each(operations)(
    '%s is enough, and needed, in an API token for %s %s',
    async (needed, method, template, makeBody) => {
      for (const held of ['service_accounts:read', 'service_accounts', 'api_tokens:read', 'api_tokens']) {
        const { token } = await issueToken(owner, accountSlug, { scopes: [held] });
        const answer = await owner.holding(token).request(method, template.replace('{account}', accountSlug), {
          body: makeBody?.(),
        });
        const isAllowed = answer.status < 300 || answer.status === 404;
        expect([held, isAllowed ? 'allowed' : answer.status]).toEqual([held, gives(held, needed) ? 'allowed' : 403]);
      }
    },
  );

  it('is not given to a token of product scopes', async () => {
    const { token } = await issueToken(owner, accountSlug, { scopes: ['orders', 'billing:read'] });
    for (const path of ['/service-accounts', tokensPath, '/audit-events', '/organization/members']) {
      expectProblem(await owner.holding(token).get(path), 403, 'access.denied');
    }
  });
});

describe("the upstream's names of scopes", () => {
  it.each([
    ['a JWT', async (...scopes: string[]) => owner.narrowedTo(...scopes)],
    [
      'an API token',
      async (...scopes: string[]) => owner.holding((await issueToken(owner, accountSlug, { scopes })).token),
    ],
  ])('are understood in %s: read:tokens reads accounts and tokens, and changes nothing', async (_what, holding) => {
    const caller = await holding('read:tokens');
    expectStatus(await caller.get('/service-accounts'), 200);
    expectStatus(await caller.get(tokensPath), 200);
    expectProblem(await caller.post('/service-accounts', { body: { name: 'no' } }), 403, 'access.denied');
    expectProblem(await caller.delete(`${tokensPath}/nobody-has-this`), 403, 'access.denied');

    const writer = await holding('write:tokens');
    expectStatus(await writer.get('/service-accounts'), 200);
    expectStatus(await writer.get(tokensPath), 200);
    const { slug } = await createAccount(writer, { name: unique('by alias') });
    const issued = await issueToken(writer, slug, { scopes: ['read:tokens'] });
    expect(issued.scopes).toEqual(['read:tokens']);
    expectStatus(await writer.delete(`/service-accounts/${slug}/tokens/${issued.slug}`), 204);
    expectProblem(await writer.get('/organization/members'), 403, 'access.denied');
  });
});

describe('the scope claim of a JWT', () => {
  it('narrows what the person may do', async () => {
    const caller = await owner.narrowedTo('service_accounts:read');
    expectStatus(await caller.get('/service-accounts'), 200);
    expectProblem(await caller.post('/service-accounts', { body: { name: 'no' } }), 403, 'access.denied');
  });

  it('never widens what the role allows', async () => {
    const viewer = await owner.colleague({ role: 'viewer', scopes: ['service_accounts', 'api_tokens', '*'] });
    expectStatus(await viewer.get('/service-accounts'), 200);
    expectProblem(await viewer.post('/service-accounts', { body: { name: 'no' } }), 403, 'access.denied');
  });
});
