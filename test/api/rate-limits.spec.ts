import { jest } from '@jest/globals';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { BoundedCounters } from '../../src/rate-limit/bounded-counters.js';
import { FailureLimiter } from '../../src/rate-limit/failure-limiter.js';
import { generateSecret } from '../../src/tokens/token-secret.js';
import { createAccount, issueToken, type Person, signInOwner } from '../support/callers.js';
import { type Answer, Client, jwt } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import type { ServiceAccount } from '../support/wire.js';

const DEFAULT_LIMIT = 1_000;
const UNAUTHENTICATED_LIMIT = 5;
const FAILURES_LIMIT = 6;

let keyward: Keyward;
let owner: Person;
let account: ServiceAccount;

beforeAll(async () => {
  keyward = await startKeyward({
    env: {
      RATE_LIMIT_PER_MINUTE: String(DEFAULT_LIMIT),
      UNAUTHENTICATED_PER_MINUTE: String(UNAUTHENTICATED_LIMIT),
      FAILED_VERIFICATIONS_PER_MINUTE: String(FAILURES_LIMIT),
      TRUST_PROXY: '127.0.0.1',
      REDIS_URL: '',
    },
  });
  owner = await signInOwner(keyward);
  account = await createAccount(owner, { name: 'Limited' });
});
afterAll(() => keyward?.close());

/** A client with a new token that may read accounts. */
async function holder(more: object = {}): Promise<Client> {
  const { token } = await issueToken(owner, account.slug, { scopes: ['service_accounts:read'], ...more });
  return owner.holding(token);
}

const read = (client: Client): Promise<Answer> => client.get('/service-accounts?limit=1');
/** As a trusted proxy hands on the request of a client at an address. */
const from = (address: string): { headers: Record<string, string> } => ({ headers: { 'x-forwarded-for': address } });

/** What the header fields of an answer say. */
function limitsOf({ headers }: Answer): { policy: string; q: number; r: number; t: number } {
  const [, policy = '', q] = /^"(\w+)";q=(\d+);w=60$/.exec(headers.get('ratelimit-policy') ?? '') ?? [];
  const [, samePolicy, r, t] = /^"(\w+)";r=(\d+);t=(\d+)$/.exec(headers.get('ratelimit') ?? '') ?? [];
  expect([q, r, t, samePolicy === policy]).toEqual([expect.anything(), expect.anything(), expect.anything(), true]);
  return { policy, q: Number(q), r: Number(r), t: Number(t) };
}

/** Asserts a whole 429 and returns its Retry-After. */
function expectTooMany(answer: Answer): number {
  expectProblem(answer, 429, 'rate_limit.exceeded');
  const retryAfter = answer.headers.get('retry-after') ?? '';
  expect(retryAfter).toMatch(/^[1-9]\d?$/);
  expect(Number(retryAfter)).toBeLessThanOrEqual(60);
  return Number(retryAfter);
}

/** Lets the clock of this process, which the service runs in, be ahead by so much until the test ends. */
function setClockAhead(milliseconds: number): void {
  jest
    .spyOn(Date, 'now')
    .mockImplementation(() => Math.floor(performance.timeOrigin + performance.now()) + milliseconds);
}
afterEach(() => void jest.restoreAllMocks());

describe('the limit of a credential', () => {
  it('is announced with what is left of it, by the default where the token has none of its own', async () => {
    const client = await holder();
    const first = limitsOf(await read(client));
    expect(first).toMatchObject({ policy: 'default', q: DEFAULT_LIMIT, r: DEFAULT_LIMIT - 1 });
    expect([59, 60]).toContain(first.t);
    const second = limitsOf(await read(client));
    expect(second).toMatchObject({ q: DEFAULT_LIMIT, r: DEFAULT_LIMIT - 2 });
    expect(second.t).toBeLessThanOrEqual(first.t);
  });

  it("is the token's own rateLimit where it has one, and what is too many is refused with 429 and Retry-After", async () => {
    const client = await holder({ rateLimit: 3 });
    for (const left of [2, 1, 0]) {
      const answer = await read(client);
      expect([answer.status, limitsOf(answer).q, limitsOf(answer).r]).toEqual([200, 3, left]);
      expect(answer.headers.has('retry-after')).toBe(false);
    }
    const refused = await read(client);
    const { r, t } = limitsOf(refused);
    // The draft, §6: Retry-After is no earlier than the end of the window.
    expect([r, t]).toEqual([0, expectTooMany(refused)]);
  });

  it('lets exactly as many through when they come at the same time', async () => {
    const client = await holder({ rateLimit: 7 });
    const answers = await Promise.all(Array.from({ length: 25 }, () => read(client)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(7);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(18);
  });

  it('counts each request once, whatever becomes of it', async () => {
    const client = await holder();
    const requests: [number, () => Promise<Answer>][] = [
      [200, () => read(client)],
      [200, () => client.get('/api/service-accounts?limit=1')],
      [403, () => client.post('/service-accounts', { body: { name: 'Denied' } })],
      [404, () => client.get('/service-accounts/nobody')],
      [422, () => client.get('/service-accounts?limit=none')],
    ];
    for (const [index, [status, request]] of requests.entries()) {
      const answer = await request();
      expect([answer.status, limitsOf(answer).r]).toEqual([status, DEFAULT_LIMIT - 1 - index]);
    }
  });

  it('is of each token by itself, and of a person whatever JWT they hold', async () => {
    const [one, other] = [await holder({ rateLimit: 1 }), await holder({ rateLimit: 1 })];
    await read(one);
    expectTooMany(await read(one));
    expect((await read(other)).status).toBe(200);

    const before = limitsOf(await read(owner)).r;
    expect(limitsOf(await read(await owner.narrowedTo('service_accounts:read'))).r).toBe(before - 1);
    expect(limitsOf(await read(await owner.colleague({ role: 'viewer' }))).r).toBe(DEFAULT_LIMIT - 1);
  });

  it('begins anew a minute after the first request, however many were refused meanwhile', async () => {
    const client = await holder({ rateLimit: 1 });
    await read(client);
    setClockAhead(30_000);
    expect(expectTooMany(await read(client))).toBeLessThanOrEqual(31);
    setClockAhead(61_000);
    const answer = await read(client);
    expect([answer.status, limitsOf(answer).r]).toEqual([200, 0]);
  });
});

describe('requests without a credential', () => {
  const ask = (address: string): Promise<Answer> => new Client(keyward.url).get('/problems', from(address));

  it('are limited per address', async () => {
    for (let left = UNAUTHENTICATED_LIMIT - 1; left >= 0; left--) {
      expect(limitsOf(await ask('192.0.2.1'))).toMatchObject({
        policy: 'unauthenticated',
        q: UNAUTHENTICATED_LIMIT,
        r: left,
      });
    }
    expectTooMany(await ask('192.0.2.1'));
    expectTooMany(await ask('::ffff:192.0.2.1'));
    expect((await ask('192.0.2.2')).status).toBe(200);
  });

  it('have one limit for all addresses of a /64', async () => {
    for (let host = 1; host <= UNAUTHENTICATED_LIMIT; host++) await ask(`2001:db8:0:1::${host}`);
    expectTooMany(await ask('2001:db8:0:1:ffff::1'));
    expect((await ask('2001:db8:0:2::1')).status).toBe(200);
  });

  it('take nothing from who has a credential at the same address', async () => {
    for (let count = 0; count <= UNAUTHENTICATED_LIMIT; count++) await ask('192.0.2.3');
    expectTooMany(await ask('192.0.2.3'));
    expect((await owner.get('/service-accounts', from('192.0.2.3'))).status).toBe(200);
  });

  it('may always ask whether the process is alive', async () => {
    for (let count = 0; count <= 2 * UNAUTHENTICATED_LIMIT; count++) {
      const answer = await new Client(keyward.url).get('/health/live', from('192.0.2.4'));
      expect([answer.status, answer.headers.has('ratelimit')]).toEqual([200, false]);
    }
  });
});

describe('a flood of bad credentials from one address', () => {
  const madeUp = (): Client => new Client(keyward.url, generateSecret('kw', 's'));
  const knock = (client: Client, address: string): Promise<Answer> =>
    client.get('/service-accounts?limit=1', from(address));

  it('is refused with 429 beyond the limit, from that address only', async () => {
    for (let count = 0; count < FAILURES_LIMIT; count++) {
      expectProblem(await knock(madeUp(), '198.51.100.1'), 401, 'authentication.invalid');
    }
    for (let count = 0; count < 5; count++) expectTooMany(await knock(madeUp(), '198.51.100.1'));
    expectProblem(await knock(madeUp(), '198.51.100.2'), 401, 'authentication.invalid');
  });

  it('is refused the same for JWTs that nobody signed', async () => {
    const forged = new Client(
      keyward.url,
      await jwt({ org: 'any', sub: 'any', secret: 'another secret than the one that the service trusts' }),
    );
    for (let count = 0; count < FAILURES_LIMIT; count++) {
      expectProblem(await knock(forged, '198.51.100.3'), 401, 'authentication.invalid');
    }
    expectTooMany(await knock(forged, '198.51.100.3'));
  });

  it('shuts out neither people nor the tokens in use there, and lets new tokens in one by one', async () => {
    const known = await holder();
    expect((await knock(known, '198.51.100.4')).status).toBe(200);
    const fresh = await Promise.all(Array.from({ length: 12 }, () => holder()));
    for (let count = 0; count < FAILURES_LIMIT; count++) await knock(madeUp(), '198.51.100.4');

    const startedAt = performance.now();
    const answers = await Promise.all(fresh.map((client) => knock(client, '198.51.100.4')));
    const probesMax = 1 + Math.floor((performance.now() - startedAt) / 1_000);
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(probesMax);
    for (const answer of answers.filter(({ status }) => status !== 200)) expectTooMany(answer);

    expect((await knock(known, '198.51.100.4')).status).toBe(200);
    expect((await knock(owner, '198.51.100.4')).status).toBe(200);
    for (const client of fresh) expect((await knock(client, '198.51.100.5')).status).toBe(200);
  });
});

describe('the counter of failures', () => {
  const LIMIT = 3;
  const ADDRESSES_MAX = 100;
  const START = 1_000_000;
  let limiter: FailureLimiter;
  beforeEach(() => void (limiter = new FailureLimiter(LIMIT, ADDRESSES_MAX)));

  function fail(address: string | undefined, times: number, now: number): void {
    for (let count = 0; count < times; count++) limiter.recordFailure(address, now);
  }

  it('blocks at the limit, until the minute that began with the first failure is over', () => {
    fail('192.0.2.1', LIMIT - 1, START);
    expect([limiter.isBlocked('192.0.2.1', START), limiter.blockedSeconds('192.0.2.1', START)]).toEqual([false, 0]);
    fail('192.0.2.1', 1, START + 10_000);
    expect(limiter.isBlocked('192.0.2.1', START + 10_000)).toBe(true);
    expect(limiter.blockedSeconds('192.0.2.1', START + 10_001)).toBe(50);
    expect(limiter.isBlocked('192.0.2.1', START + 59_999)).toBe(true);
    expect(limiter.isBlocked('192.0.2.1', START + 60_000)).toBe(false);
    fail('192.0.2.1', 1, START + 60_000);
    expect(limiter.isBlocked('192.0.2.1', START + 60_000)).toBe(false);
  });

  it('lets everything pass below the limit, and beyond it one probe a second', () => {
    fail('192.0.2.1', LIMIT - 1, START);
    expect([1, 2, 3].map(() => limiter.mayProbe('192.0.2.1', START))).toEqual([true, true, true]);
    fail('192.0.2.1', 1, START + 500);
    const probes = Array.from({ length: 5_000 }, (_, index) => START + 500 + index).filter((now) => {
      const isAllowed = limiter.mayProbe('192.0.2.1', now);
      if (isAllowed) limiter.recordFailure('192.0.2.1', now);
      return isAllowed;
    });
    expect(probes).toEqual([1_500, 2_500, 3_500, 4_500].map((after) => START + after));
  });

  it.each([
    ['an address and the same in other letters', '2001:DB8:0:1::5', '2001:db8:0:1::5'],
    ['two addresses of a /64', '2001:db8:0:1::5', '2001:db8::1:2:3:4:5'],
    ['an address with and without its interface', 'fe80::1', 'fe80::1%eth0'],
    ['an IPv4 address and its mapping into IPv6', '192.0.2.1', '::ffff:192.0.2.1'],
    ['an IPv4 address and its mapping in hexadecimal', '192.0.2.1', '0:0:0:0:0:ffff:c000:201'],
    ['unknown addresses and what is none', undefined, 'x'.repeat(100_000)],
    ['unknown addresses and malformed ones', undefined, '2001:db8::1::2'],
  ])('counts %s together', (_, failing, asking) => {
    fail(failing, LIMIT, START);
    expect(limiter.isBlocked(asking, START)).toBe(true);
  });

  it.each([
    ['two IPv4 addresses', '192.0.2.1', '192.0.2.2'],
    ['addresses of two /64', '2001:db8:0:1::5', '2001:db8:0:2::5'],
    ['unknown addresses and a known one', undefined, '192.0.2.1'],
  ])('counts %s apart', (_, failing, asking) => {
    fail(failing, LIMIT, START);
    expect(limiter.isBlocked(asking, START)).toBe(false);
  });

  it('keeps a busy address blocked while twenty thousand others fail, in bounded memory', () => {
    fail('192.0.2.1', LIMIT, START);
    for (let other = 0; other < 20_000; other++) {
      const address = `10.${other >>> 16}.${(other >>> 8) & 255}.${other & 255}`;
      limiter.recordFailure(address, START + Math.floor(other / 100));
      if (other % (ADDRESSES_MAX / 2) === 0) {
        expect(limiter.isBlocked('192.0.2.1', START + Math.floor(other / 100))).toBe(true);
        expect(limiter.size).toBeLessThanOrEqual(ADDRESSES_MAX);
      }
    }
  });

  it('blocks nobody longer because the clock was set back', () => {
    fail('192.0.2.1', LIMIT, START);
    expect(limiter.isBlocked('192.0.2.1', START - 1)).toBe(false);
  });
});

describe('counters in memory', () => {
  it('end the oldest windows early beyond their maximum, and never refuse one for another', async () => {
    const memory = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: 60 });
    const counters = new BoundedCounters(memory, 100);
    for (let key = 0; key < 1_000; key++) expect((await counters.consume(String(key), 1)).consumedPoints).toBe(1);
    expect([memory.dump().storage.length, counters.evictions]).toEqual([100, 900]);
    expect((await counters.consume('999', 1)).consumedPoints).toBe(2);
    expect((await counters.consume('0', 1)).consumedPoints).toBe(1);
  });

  it('make room as windows end', async () => {
    const counters = new BoundedCounters(new RateLimiterMemory({ points: 100, duration: 60 }), 10);
    for (let minute = 0; minute < 5; minute++) {
      for (let key = 0; key < 10; key++) await counters.consume(`${minute}-${key}`, 1);
      setClockAhead((minute + 1) * 61_000);
    }
    expect(counters.evictions).toBe(0);
  });
});
