import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { expectStatus } from '../support/callers.js';
import { type Answer, Client, sendRaw } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import { ask, codeOf, madeUp, platform, Tenant, verify, VERIFYING } from '../support/verification.js';
import type { Problem } from '../support/wire.js';

const RATE_LIMIT = 400;

let keyward: Keyward;
let operator: Client;
let tenant: Tenant;
let stranger: Tenant;
/** A client that holds an `api_tokens:verify` token of the tenant's. */
let verifier: Client;

beforeAll(async () => {
  keyward = await startKeyward({ env: { ...VERIFYING, RATE_LIMIT_PER_MINUTE: String(RATE_LIMIT) } });
  operator = platform(keyward);
  [tenant, stranger] = [await Tenant.create(keyward), await Tenant.create(keyward)];
  verifier = await tenant.holder('api_tokens:verify');
});
afterAll(() => keyward?.close());

/** The doors through which a question about a token comes in; the first one leads to the plane, the others through Nest. */
const DOORS = ['/tokens/verify', '/api/tokens/verify', '/tokens/verify?through=nest', '/api/tokens/verify?a=b'];

const askAt = (door: string, asker: Client, body: unknown): Promise<Answer> => asker.post(door, { body });

describe('with platform:verify', () => {
  it('a service asks about the tokens of every organization', async () => {
    for (const { id, issue } of [tenant, stranger].map((own) => ({ id: own.id, issue: () => own.issue() }))) {
      expect(await verify(operator, (await issue()).token)).toMatchObject({ code: 'VALID', organization: { id } });
    }
    expect(await codeOf(operator, operator.token!)).toBe('VALID');
  });

  it('a tenant that wrote the scope into its own row asks about nobody', async () => {
    const { id, token } = await tenant.issue({ scopes: ['api_tokens:read'] });
    await keyward.sql("update tokens set scopes = '{platform:verify,platform,api_tokens:read}' where id = $1", [id]);
    for (const door of DOORS) {
      expectProblem(await askAt(door, tenant.owner.holding(token), { token }), 403, 'access.denied');
    }
  });
});

describe('with api_tokens:verify', () => {
  const askers: [string, () => Promise<Client> | Client][] = [
    ['a token', () => verifier],
    ['a token with all of api_tokens', () => tenant.holder('api_tokens')],
    ['a JWT', () => tenant.owner],
    ['a JWT narrowed to it', () => tenant.owner.narrowedTo('api_tokens:verify')],
  ];

  it.each(askers)('%s asks about the tokens of its own organization', async (_, asker) => {
    const { token } = await tenant.issue();
    expect(await codeOf(await asker(), token)).toBe('VALID');
  });

  it.each(askers)('%s finds a token of another organization as little as one that never was', async (_, asker) => {
    const headers = { 'x-request-id': 'the-same-for-all' };
    const client = await asker();
    const { token: theirs, slug } = await stranger.issue({ rateLimit: 1, scopes: ['orders:read'] });
    expect(await codeOf(operator, theirs)).toBe('VALID'); // in memory, and at its limit
    const told = async (token: string): Promise<object> => {
      const answer = await client.post('/tokens/verify', {
        body: { token, scopes: ['x'], ipAddress: '192.0.2.1' },
        headers,
      });
      const told = [...answer.headers].filter(([name]) => !['date', 'ratelimit'].includes(name));
      return { status: answer.status, text: answer.text, headers: told };
    };
    const nobodys = await told(madeUp(1)[0]!);
    expect(nobodys).toMatchObject({ status: 200, text: '{"valid":false,"code":"NOT_FOUND"}' });
    expect(await told(theirs)).toEqual(nobodys);
    await stranger.revoke({ slug });
    expect(await told(theirs)).toEqual(nobodys);
    expect(await told(operator.token!)).toEqual(nobodys);
  });
});

describe('the same question gets the same answer', () => {
  it.each(DOORS)('from a token and a JWT, at %s', async (door) => {
    const { token } = await tenant.issue({ annotations: { a: 'b' }, authorizedIpAddresses: ['192.0.2.1'] });
    const questions = [{ token, ipAddress: '192.0.2.1' }, { token }, { token: madeUp(1)[0] }];
    for (const question of questions) {
      const expected = expectStatus(await askAt('/tokens/verify', verifier, question), 200);
      for (const asker of [verifier, tenant.owner, operator]) {
        const answer = await askAt(door, asker, question);
        expect(expectStatus(answer, 200)).toEqual(expected);
        expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
        expect(answer.headers.get('cache-control')).toBe('no-store');
      }
    }
  });

  it('whatever the scheme is spelled like', async () => {
    const { token } = await tenant.issue();
    for (const authorization of ['bearer', 'BEARER', 'Bearer '].map((scheme) => `${scheme} ${verifier.token}`)) {
      const answer = await new Client(keyward.url).post('/tokens/verify', {
        body: { token },
        headers: { authorization },
      });
      expect(expectStatus(answer, 200)).toMatchObject({ code: 'VALID' });
    }
  });
});

/** Who must not be told anything, and what they get instead. */
const REFUSED: [
  string,
  () => Promise<Record<string, string>> | Record<string, string>,
  number,
  string,
  string | null,
][] = [
  ['no credential', () => ({}), 401, 'authentication.required', 'Bearer'],
  ['another scheme', () => ({ authorization: 'Basic dXNlcjpwYXNz' }), 401, 'authentication.required', 'Bearer'],
  ['an empty credential', () => ({ authorization: 'Bearer ' }), 401, 'authentication.required', 'Bearer'],
  ['an unknown token', () => bearer(madeUp(1)[0]!), 401, 'authentication.invalid', 'Bearer error="invalid_token"'],
  [
    'a malformed token',
    () => bearer(`kws_${'0'.repeat(49)}`),
    401,
    'authentication.invalid',
    'Bearer error="invalid_token"',
  ],
  [
    'two tokens in one',
    () => bearer(`${verifier.token} ${verifier.token}`),
    401,
    'authentication.invalid',
    'Bearer error="invalid_token"',
  ],
  [
    'a revoked token',
    async () => bearer(await revoked()),
    401,
    'authentication.invalid',
    'Bearer error="invalid_token"',
  ],
  [
    'a token from an address it is not for',
    async () => bearer(await misplaced()),
    403,
    'access.address_not_authorized',
    null,
  ],
  ['a token of a suspended organization', async () => bearer(await suspended()), 403, 'organization.suspended', null],
];
const DENIED: [string, () => Promise<Record<string, string>>][] = [
  [
    'a token that may only read',
    async () => bearer((await tenant.holder('api_tokens:read', 'service_accounts')).token!),
  ],
  ['a token without scopes', async () => bearer((await tenant.holder()).token!)],
  ['a JWT of a viewer', async () => bearer((await tenant.owner.colleague({ role: 'viewer' })).token)],
  ['a JWT narrowed to something else', async () => bearer((await tenant.owner.narrowedTo('api_tokens:read')).token)],
];
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

async function revoked(): Promise<string> {
  const issued = await tenant.issue({ scopes: ['api_tokens:verify'] });
  await codeOf(tenant.owner.holding(issued.token), issued.token);
  await tenant.revoke(issued);
  return issued.token;
}

async function misplaced(): Promise<string> {
  return (await tenant.issue({ scopes: ['api_tokens:verify'], authorizedIpAddresses: ['192.0.2.1'] })).token;
}

async function suspended(): Promise<string> {
  const own = await Tenant.create(keyward);
  const holder = await own.holder('api_tokens:verify');
  expect(await codeOf(holder, holder.token!)).toBe('VALID');
  expectStatus(await operator.post(`/organizations/${own.slug}/suspend`), 200);
  return holder.token!;
}

describe.each(['/tokens/verify', '/tokens/verify-batch'])('%s tells nothing to somebody with', (path) => {
  const body = { '/tokens/verify': { token: 'x' }, '/tokens/verify-batch': { tokens: [] } }[path]!;
  const askWith = (headers: Record<string, string>, door = path): Promise<Answer> =>
    new Client(keyward.url).post(door, { body, headers: { ...headers, 'x-request-id': 'the-same-for-all' } });

  it.each(REFUSED)('%s, in the words of the management API', async (_, headers, status, code, challenge) => {
    const sent = await headers();
    for (const door of [path, `/api${path}`]) {
      const answer = await askWith(sent, door);
      const problem = expectProblem(answer, status, code);
      expect(answer.headers.get('www-authenticate')).toBe(challenge);
      const managed = await new Client(keyward.url).get<Problem>('/service-accounts', {
        headers: { ...sent, 'x-request-id': 'the-same-for-all' },
      });
      expect({ ...problem, instance: '' }).toEqual({ ...managed.body, instance: '' });
    }
  });

  it.each(DENIED)('%s', async (_, headers) => {
    const sent = await headers();
    for (const door of [path, `/api${path}`]) expectProblem(await askWith(sent, door), 403, 'access.denied');
  });

  it('several Authorization headers, of which a proxy may have judged another one', async () => {
    const lines = (door: string): string =>
      `POST ${door} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${verifier.token}\r\nAuthorization: Bearer ${operator.token}\r\n` +
      'Content-Type: application/json\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}';
    for (const door of [`/api${path}`, path]) {
      expectProblem(await sendRaw(keyward.url, lines(door)), 401, 'authentication.invalid');
    }
  });
});

describe('on a connection that goes on being used', () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<unknown>();
  afterAll(() => agent.destroy());

  async function statusOf(asker: string, token: string): Promise<number | undefined> {
    const headers = { authorization: `Bearer ${asker}`, 'content-type': 'application/json' };
    const question = request(`${keyward.url}/tokens/verify`, { agent, method: 'POST', headers });
    question.end(JSON.stringify({ token }));
    const [answer] = (await once(question, 'response')) as [IncomingMessage];
    sockets.add(answer.socket);
    await text(answer);
    return answer.statusCode;
  }

  it('each request is judged by its own credential, as it is at that time', async () => {
    const { token } = await tenant.issue();
    const asker = await tenant.issue({ scopes: ['api_tokens:verify'] });
    const reader = await tenant.issue({ scopes: ['api_tokens:read'] });
    const mayAsk = async (secret: string): Promise<number | undefined> => statusOf(secret, token);
    expect([await mayAsk(asker.token), await mayAsk(asker.token)]).toEqual([200, 200]);
    expect(await mayAsk(reader.token)).toBe(403);
    expect(await mayAsk(`${asker.token.slice(0, -1)}${asker.token.endsWith('0') ? '1' : '0'}`)).toBe(401);
    expect(await mayAsk(asker.token)).toBe(200);
    expectStatus(await tenant.owner.delete(`/service-accounts/${tenant.account.slug}/tokens/${asker.slug}`), 204);
    expect(await mayAsk(asker.token)).toBe(401);
    expect(sockets.size).toBe(1);
  });
});

it("asking about tokens is not limited by the asker's own budget, through whatever door", async () => {
  const { token } = await tenant.issue();
  const limited = await tenant.issue({ scopes: ['api_tokens:verify'], rateLimit: 1 });
  const asker = tenant.owner.holding(limited.token);
  for (const door of DOORS) {
    for (let count = 0; count < 3; count++) expectStatus(await askAt(door, asker, { token }), 200);
  }
  const person = await tenant.owner.colleague({ role: 'admin' });
  const answers = await Promise.all(Array.from({ length: RATE_LIMIT + 20 }, () => ask(person, token)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
});
