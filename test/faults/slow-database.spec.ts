import type pg from 'pg';
import { setTimeout as delay } from 'node:timers/promises';
import { unique } from '../support/callers.js';
import { createDatabase, dropDatabase, openPool } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { askOnce, expectOnly, Load, percentile, type Told } from '../support/load.js';
import { codeOf, platform, Tenant, VERIFYING, writeTokens } from '../support/verification.js';
import { whileAsking } from '../support/while-asking.js';

const CREDENTIAL_QUERY = 'from token_secrets s';
const HEARTBEAT = 'select 1';
const BOUND_MS = 2_000;
const LOOK_UP_TIMEOUT_MS = 1_000;
/** The waits for a connection and for an answer, and both once more when the connection seems to be dead. */
const ANSWERED_WITHIN_MS = 4 * LOOK_UP_TIMEOUT_MS;
/** Longer than anybody may wait. */
const SLOW_MS = ANSWERED_WITHIN_MS + LOOK_UP_TIMEOUT_MS;
const HEALED_WITHIN_MS = 2_000;
/** That verifications have for themselves. */
const CONNECTIONS = 5;
const PAUSE_MS = 10;
const UNAVAILABLE = 'service.unavailable';

let databaseUrl: string;
let proxy: FaultyProxy;
let keyward: Keyward;
let asker: Client;
let tenant: Tenant;
/** In memory, from the beginning. */
let remembered: string;
/** Goes by no proxy: it locks what others need. */
let pool: pg.Pool;

beforeAll(async () => {
  databaseUrl = await createDatabase();
  pool = openPool(databaseUrl);
  proxy = await FaultyProxy.start(databaseUrl);
  const env = {
    ...VERIFYING,
    REVOCATION_MAX_STALENESS_SECONDS: String(BOUND_MS / 1_000),
    DATABASE_LOOK_UP_TIMEOUT_MS: String(LOOK_UP_TIMEOUT_MS),
    DATABASE_POOL_MAX: String(2 * CONNECTIONS),
  };
  keyward = await startKeyward({ databaseUrl: proxy.url, env });
  asker = platform(keyward);
  tenant = await Tenant.create(keyward);
  [remembered] = await newTokens(1);
});
beforeEach(async () => expect(await codeOf(asker, remembered)).toBe('VALID'));
afterAll(async () => {
  await keyward?.close();
  await proxy?.close();
  await pool?.end();
  await dropDatabase(databaseUrl);
});

/** Tokens that nobody has asked about. */
function newTokens(count: number): Promise<[string, ...string[]]> {
  const drafts = Array.from({ length: count }, () => ({ organizationId: tenant.id }));
  return writeTokens(keyward, drafts) as Promise<[string, ...string[]]>;
}

/** Holds a lock on a table while work is done, as somebody does who changes a schema. */
async function whileLocked(lock: string, work: () => Promise<void>): Promise<void> {
  const session = await pool.connect();
  try {
    await session.query(`begin; lock table ${lock}`);
    await work();
  } finally {
    await session.query('rollback');
    session.release();
  }
}

function waits(told: readonly Told[]): number[] {
  return told.map(({ sentAt, toldAt }) => toldAt - sentAt);
}

it('a database that answers late is waited for, and what is in memory waits for nothing', async () => {
  const delayMs = 400;
  const tokens = await newTokens(CONNECTIONS);
  const { release } = proxy.delay(CREDENTIAL_QUERY, delayMs);
  try {
    const [told] = await whileAsking([new Load(asker, [remembered], 1, PAUSE_MS)], async () => {
      const late = await Promise.all(tokens.map((token) => askOnce(asker, token)));
      expectOnly(late, ['VALID']);
      expect(Math.min(...waits(late))).toBeGreaterThanOrEqual(delayMs - 1);
    });
    expectOnly(told!, ['VALID']);
    expect(percentile(waits(told!), 0.5)).toBeLessThan(delayMs / 4);
  } finally {
    release();
  }
});

describe('while a database answers later than anybody may wait', () => {
  let [others, known]: (readonly Told[])[] = [];
  let [slowAt, fastAt] = [0, 0];
  let statements: number;

  /** All that happens. The tests look at what was told. */
  beforeAll(async () => {
    const tokens = await newTokens(100);
    const before = proxy.countStatements(CREDENTIAL_QUERY);
    const { release } = proxy.delay(CREDENTIAL_QUERY, 60_000);
    slowAt = performance.now();
    const loads = [new Load(asker, tokens, 6 * CONNECTIONS, PAUSE_MS), new Load(asker, [remembered], 1, PAUSE_MS)];
    [others, known] = await whileAsking(loads, async () => {
      await delay(SLOW_MS);
      statements = proxy.countStatements(CREDENTIAL_QUERY) - before;
      release();
      fastAt = performance.now();
      await delay(HEALED_WITHIN_MS + 1_000);
    });
  });

  it('each question is answered 503 in time', () => {
    expectOnly(others!, [UNAVAILABLE], { from: slowAt, to: fastAt });
    expect(Math.max(...waits(others!))).toBeLessThan(ANSWERED_WITHIN_MS);
  });

  it('what is in memory is answered as ever', () => {
    expectOnly(known!, ['VALID']);
    expect(percentile(waits(known!), 0.5)).toBeLessThan(LOOK_UP_TIMEOUT_MS / 10);
  });

  it('it is not asked more than it can answer', () => {
    expect(statements).toBeGreaterThan(0);
    // Each of the connections waits for one answer at a time, and for each of them a second.
    expect(statements).toBeLessThanOrEqual((CONNECTIONS * (fastAt - slowAt)) / LOOK_UP_TIMEOUT_MS + CONNECTIONS);
  });

  it('it heals by itself', () => {
    expectOnly(others!, ['VALID'], { from: fastAt + HEALED_WITHIN_MS });
  });
});

it('what nobody waits for any more, the database does not go on with', async () => {
  const working = async (): Promise<number> => {
    const { rows } = await pool.query(
      `select from pg_stat_activity
       where datname = current_database() and application_name = 'keyward look-ups' and state = 'active'`,
    );
    return rows.length;
  };
  const tokens = await newTokens(CONNECTIONS + 1);
  await whileLocked('token_secrets in access exclusive mode', async () => {
    const asked = Promise.all(tokens.slice(1).map((token) => askOnce(asker, token)));
    await eventually(LOOK_UP_TIMEOUT_MS, async () => (await working()) === CONNECTIONS);
    expectOnly(await asked, [UNAVAILABLE]);
    await eventually(LOOK_UP_TIMEOUT_MS, async () => (await working()) === 0);
    expect(await codeOf(asker, remembered)).toBe('VALID');
  });
  await eventually(HEALED_WITHIN_MS, async () => (await askOnce(asker, tokens[0])).code === 'VALID');
});

it('changes that wait for a lock hold up no verification', async () => {
  const tokens = await newTokens(CONNECTIONS);
  let changes: Promise<number[]> = Promise.resolve([]);
  await whileLocked('audit_events in exclusive mode', async () => {
    const owner = new Client(keyward.url, tenant.owner.token);
    const create = async (): Promise<number> =>
      (await owner.post('/service-accounts', { body: { name: unique('Account') } })).status;
    changes = Promise.all(Array.from({ length: 4 * CONNECTIONS }, create));
    await eventually(HEALED_WITHIN_MS, async () => {
      const { rows } = await pool.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      );
      return rows.length >= CONNECTIONS;
    });
    const told = await Promise.all(tokens.map((token) => askOnce(asker, token)));
    expectOnly(told, ['VALID']);
    expect(Math.max(...waits(told))).toBeLessThan(LOOK_UP_TIMEOUT_MS);
  });
  expect(new Set(await changes)).toEqual(new Set([201]));
});

it('a change feed that is answered late is believed all the same', async () => {
  const { release } = proxy.delay(HEARTBEAT, BOUND_MS / 5);
  try {
    const before = proxy.countStatements(CREDENTIAL_QUERY);
    const [told] = await whileAsking([new Load(asker, [remembered], 1, PAUSE_MS)], () => delay(1.5 * BOUND_MS));
    expectOnly(told!, ['VALID']);
    expect(proxy.countStatements(CREDENTIAL_QUERY)).toBe(before);
  } finally {
    release();
  }
});
