import { setTimeout as delay } from 'node:timers/promises';
import { createDatabase, dropDatabase } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectOnly, Load, type Told } from '../support/load.js';
import { readMetrics, valueOf } from '../support/metrics.js';
import { codeOf, platform, Tenant, VERIFYING, writeTokens } from '../support/verification.js';
import { whileAsking } from '../support/while-asking.js';

const BOUND_MS = 2_000;
/** No good token may be refused for longer than the outage and this. */
const HEALED_WITHIN_MS = 2_000;
/** The waits for a connection and for an answer, a second each, and both once more when the connection seems to be dead. */
const ANSWERED_WITHIN_MS = 4_000;
const OUTAGE_MS = BOUND_MS + 2_500;
/** That verifications have for themselves. */
const CONNECTIONS = 5;
const FIRST_QUERY_OF_A_PERSON = 'where o.external_id = $1';
/** The last write, which gets no answer, and a busy machine. */
const STOPPED_WITHIN_MS = 5_000;
const SETTINGS = {
  ...VERIFYING,
  DATABASE_POOL_MAX: String(2 * CONNECTIONS),
  REVOCATION_MAX_STALENESS_SECONDS: String(BOUND_MS / 1_000),
  // Of what is no verification: so that its last answer comes while the test still listens.
  DATABASE_CONNECT_TIMEOUT_MS: '1000',
  DATABASE_STATEMENT_TIMEOUT_MS: '1000',
};

/** Between an answer and the next question of one caller. */
const PAUSE_MS = 10;
/** Code of the problem that says 503. */
const UNAVAILABLE = 'service.unavailable';

const OUTAGES = [
  {
    what: 'that refuses connections',
    begin: (proxy: FaultyProxy) => proxy.refuse(),
    end: (proxy: FaultyProxy) => proxy.accept(),
  },
  {
    what: 'whose packets are dropped',
    begin: async (proxy: FaultyProxy) => proxy.drop('changes', 'queries'),
    end: async (proxy: FaultyProxy) => proxy.restore(),
  },
];

let databaseUrl: string;
let proxy: FaultyProxy;
let keyward: Keyward;
/** Reaches the database at all times. */
let other: Keyward;
let asker: Client;
let tenant: Tenant;

beforeAll(async () => {
  databaseUrl = await createDatabase();
  proxy = await FaultyProxy.start(databaseUrl);
  keyward = await startKeyward({ databaseUrl: proxy.url, env: SETTINGS });
  other = await startKeyward({ databaseUrl, env: SETTINGS });
  asker = platform(keyward);
  tenant = await Tenant.create(other);
});
afterAll(async () => {
  await keyward?.close();
  await other?.close();
  await proxy?.close();
  await dropDatabase(databaseUrl);
});

async function feedAgeMs(): Promise<number> {
  return valueOf(await readMetrics(keyward.url), 'keyward_change_feed_age_seconds') * 1_000;
}

/** Somebody who has no token of ours. */
function person(): Client {
  return new Client(keyward.url, tenant.owner.token);
}

describe.each(OUTAGES)('while the database is one $what', ({ begin, end }) => {
  /** What was told about good tokens, in memory when it began and not, about one that was revoked, and one that came to its end. */
  let [remembered, others, revoked, ended]: (readonly Told[])[] = [];
  /** Status of what asks the database for something else than a verification. */
  let [management, readiness] = [0, 0];
  let [goneAt, revokedAt, endedAt, backAt] = [0, 0, 0, 0];

  /** All that happens, until a second after everything has to be well again. The tests look at what was told. */
  beforeAll(async () => {
    const drafts = Array.from({ length: 40 }, () => ({ organizationId: tenant.id }));
    const secrets = await writeTokens(other, drafts);
    const toRevoke = await tenant.issue();
    const inMemory = secrets.slice(0, 10);
    for (const token of [...inMemory, toRevoke.token]) expect(await codeOf(asker, token)).toBe('VALID');
    const endsAt = Date.now() + 1_500;
    const toEnd = await tenant.issue({ expiresAt: new Date(endsAt).toISOString() });
    expect(await codeOf(asker, toEnd.token)).toBe('VALID');
    endedAt = performance.now() + endsAt - Date.now();
    // Not all of the bound is over when it begins.
    await eventually(BOUND_MS, async () => (await feedAgeMs()) < BOUND_MS / 4);

    goneAt = performance.now();
    await begin(proxy);
    const loads = [
      new Load(asker, inMemory, 2, PAUSE_MS),
      new Load(asker, secrets.slice(10), 2 * CONNECTIONS, PAUSE_MS),
      new Load(asker, [toRevoke.token], 1, PAUSE_MS),
      new Load(asker, [toEnd.token], 1, PAUSE_MS),
    ];
    const statuses = Promise.all(['/service-accounts', '/health/ready'].map((path) => person().get(path)));
    [remembered, others, revoked, ended] = await whileAsking(loads, async () => {
      await tenant.revoke(toRevoke);
      revokedAt = performance.now();
      await delay(goneAt + OUTAGE_MS - performance.now());
      await end(proxy);
      backAt = performance.now();
      await delay(HEALED_WITHIN_MS + 1_000);
    });
    [management, readiness] = (await statuses).map(({ status }) => status) as [number, number];
  });

  it('what is in memory is answered from there, for some time', () => {
    expectOnly(remembered!, ['VALID'], { from: goneAt, to: goneAt + BOUND_MS / 2 });
  });

  it('nobody is told yes after the bound: every answer is 503', () => {
    expectOnly([...remembered!, ...others!], [UNAVAILABLE], { from: goneAt + BOUND_MS, to: backAt });
  });

  it('a token that is not in memory is answered 503 from the beginning, and soon', () => {
    expectOnly(others!, [UNAVAILABLE], { from: goneAt, to: backAt });
    const waits = [...remembered!, ...others!].map(({ sentAt, toldAt }) => toldAt - sentAt);
    expect(Math.max(...waits)).toBeLessThan(ANSWERED_WITHIN_MS);
  });

  it('a revocation that another process makes holds within the bound, and afterwards', () => {
    expectOnly(revoked!, ['REVOKED', UNAVAILABLE], { from: revokedAt + BOUND_MS });
    expectOnly(revoked!, ['REVOKED'], { from: backAt + HEALED_WITHIN_MS });
  });

  it('an expiry comes by the clock', () => {
    expect(endedAt).toBeGreaterThan(goneAt);
    expectOnly(ended!, ['EXPIRED', UNAVAILABLE], { from: endedAt });
    expectOnly(ended!, ['EXPIRED'], { from: backAt + HEALED_WITHIN_MS });
  });

  it('what asks the database for anything else is answered 503 too, and readiness says so', () => {
    expect([management, readiness]).toEqual([503, 503]);
  });

  it(`everybody is served again within ${HEALED_WITHIN_MS} ms, without anybody's help`, async () => {
    const answers = [...remembered!, ...others!];
    expectOnly(answers, ['VALID'], { from: backAt + HEALED_WITHIN_MS });
  });
});

it('connections that died while nobody used them refuse nobody', async () => {
  const drafts = Array.from({ length: 2 * CONNECTIONS }, () => ({ organizationId: tenant.id }));
  const secrets = await writeTokens(other, drafts);
  const askAll = (tokens: readonly string[]): Promise<string[]> =>
    Promise.all(tokens.map((token) => codeOf(asker, token)));
  await askAll(secrets.slice(CONNECTIONS)); // as many as there may be are open, and idle, from here on
  proxy.drop('queries');
  proxy.restore();
  expect(new Set(await askAll(secrets.slice(0, CONNECTIONS)))).toEqual(new Set(['VALID']));
});

it('a connection on which a request fell silent is not used again', async () => {
  expect((await person().get('/service-accounts')).status).toBe(200); // on a connection that is idle from here on
  const before = proxy.countStatements(FIRST_QUERY_OF_A_PERSON);
  proxy.drop('queries');
  const silent = person().get('/service-accounts');
  await eventually(HEALED_WITHIN_MS, () => proxy.countStatements(FIRST_QUERY_OF_A_PERSON) > before);
  proxy.restore();
  expect((await silent).status).toBe(503);
  expect((await person().get('/service-accounts')).status).toBe(200);
});

it('an instance stops in time while nothing answers it', async () => {
  const leaving = await startKeyward({ databaseUrl: proxy.url, env: SETTINGS });
  try {
    expect(await codeOf(platform(leaving), 'x')).toBe('NOT_FOUND'); // so that there is a last use to be written
    proxy.drop('changes', 'queries');
    const startedAt = performance.now();
    await leaving.close();
    expect(performance.now() - startedAt).toBeLessThan(STOPPED_WITHIN_MS);
  } finally {
    proxy.restore();
  }
});
