import { createDatabase, dropDatabase } from '../support/databases.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import { Client, type RequestOptions } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { codeOf, madeUp, platform, Tenant, verifyBatch, VERIFYING } from '../support/verification.js';

const FAILURES_PER_MINUTE = 20;
const CALLERS = 4;
/** At least so many tokens, for at least so long. */
const [FLOOD, FLOOD_MS] = [200, 2_000];
const UNKNOWN_MAX = 1_000;
const BATCH = 250;
const CREDENTIAL_QUERY = 'from token_secrets s';

let databaseUrl: string;
let proxy: FaultyProxy;
let tenant: Tenant;
let keyward: Keyward;

async function start(env: Readonly<Record<string, string>>): Promise<Keyward> {
  return startKeyward({ databaseUrl: proxy.url, env: { ...VERIFYING, TRUST_PROXY: '127.0.0.1', ...env } });
}

beforeAll(async () => {
  databaseUrl = await createDatabase();
  proxy = await FaultyProxy.start(databaseUrl);
  keyward = await start({ FAILED_VERIFICATIONS_PER_MINUTE: String(FAILURES_PER_MINUTE) });
  tenant = await Tenant.create(keyward);
  await codeOf(platform(keyward), 'x'); // the asker's own token is in memory from here on
});
afterAll(async () => {
  await keyward?.close();
  await proxy?.close();
  await dropDatabase(databaseUrl);
});

async function queriesDuring(work: () => Promise<unknown>): Promise<number> {
  const before = proxy.countStatements(CREDENTIAL_QUERY);
  await work();
  return proxy.countStatements(CREDENTIAL_QUERY) - before;
}

const from = (address: string, options: RequestOptions = {}): RequestOptions => ({
  ...options,
  headers: { ...options.headers, 'x-forwarded-for': address },
});

const DOORS: readonly { door: string; address: string; ask: (token: string, address: string) => Promise<unknown> }[] = [
  {
    door: 'verification on behalf of an address',
    address: '192.0.2.1',
    ask: (token, ipAddress) => codeOf(platform(keyward), token, { ipAddress }),
  },
  {
    door: 'batches of them',
    address: '192.0.2.2',
    ask: (token, ipAddress) =>
      verifyBatch(
        platform(keyward),
        [token, ...madeUp(4)].map((one) => ({ token: one, ipAddress })),
      ),
  },
  {
    door: 'introspection',
    address: '192.0.2.3',
    ask: (token, address) => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      return platform(keyward).post('/oauth2/introspect', from(address, { headers, body: `token=${token}` }));
    },
  },
  {
    door: 'forward authentication',
    address: '192.0.2.4',
    ask: (token, address) => new Client(keyward.url, token).get('/forward-auth', from(address)),
  },
  {
    door: 'the management API',
    address: '192.0.2.5',
    ask: (token, address) => new Client(keyward.url, token).get('/service-accounts', from(address)),
  },
];

describe.each(DOORS)('a flood of unknown tokens from one address, through $door,', ({ address, ask }) => {
  it('costs the database the failures that are allowed, and then one query a second', async () => {
    const startedAt = performance.now();
    let asked = 0;
    const call = async (): Promise<void> => {
      for (; asked < FLOOD || performance.now() - startedAt < FLOOD_MS; asked++) await ask(madeUp(1)[0]!, address);
    };
    const queries = await queriesDuring(() => Promise.all(Array.from({ length: CALLERS }, call)));
    const probes = Math.ceil((performance.now() - startedAt) / 1_000);
    expect(queries).toBeGreaterThan(0);
    // What the callers ask at the moment when the limit is reached is under way already.
    expect(queries).toBeLessThanOrEqual(FAILURES_PER_MINUTE + CALLERS - 1 + probes);
  });

  it('keeps nobody else waiting: a token that is in memory there, or new from elsewhere, is good', async () => {
    const [known, fresh] = [await tenant.issue(), await tenant.issue()];
    const asker = platform(keyward);
    expect(await codeOf(asker, known.token, { ipAddress: '198.51.100.1' })).toBe('VALID');
    for (let count = 0; count <= FAILURES_PER_MINUTE; count++) await ask(madeUp(1)[0]!, address);
    expect(await codeOf(asker, known.token, { ipAddress: address })).toBe('VALID');
    expect(await codeOf(asker, fresh.token, { ipAddress: '198.51.100.2' })).toBe('VALID');
  });
});

it('tokens of another form cost no query at all', async () => {
  const [secret] = madeUp(1) as [string];
  const mistyped = [`${secret.slice(0, -1)}${secret.endsWith('0') ? '1' : '0'}`, secret.slice(0, -1), `${secret}0`];
  const asker = platform(keyward);
  const ipAddress = '192.0.2.9';
  const queries = await queriesDuring(async () => {
    for (const token of mistyped) expect(await codeOf(asker, token, { ipAddress })).toBe('NOT_FOUND');
  });
  expect(queries).toBe(0);
});

it('no more unknown tokens are remembered than UNKNOWN_CACHE_MAX, and no known one is forgotten for them', async () => {
  const spacious = await start({ UNKNOWN_CACHE_MAX: String(UNKNOWN_MAX), UNKNOWN_CACHE_TTL_MS: '60000' });
  try {
    const asker = platform(spacious);
    const { token } = await tenant.issue();
    expect(await codeOf(asker, token)).toBe('VALID');
    const flood = madeUp(UNKNOWN_MAX + 1);
    const askAgain = (one: string): Promise<number> => queriesDuring(() => codeOf(asker, one));
    await codeOf(asker, flood[0]!);
    expect(await askAgain(flood[0]!)).toBe(0);
    for (let first = 1; first < flood.length; first += BATCH) {
      await verifyBatch(
        asker,
        flood.slice(first, first + BATCH).map((one) => ({ token: one })),
      );
    }
    expect(await askAgain(flood.at(-1)!)).toBe(0);
    expect(await askAgain(flood[0]!)).toBe(1);
    expect(await askAgain(token)).toBe(0);
  } finally {
    await spacious.close();
  }
});
