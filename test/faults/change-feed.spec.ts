import { setTimeout as delay } from 'node:timers/promises';
import { expectStatus } from '../support/callers.js';
import { createDatabase, dropDatabase } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import type { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { askOnce, expectOnly, Load, type Told } from '../support/load.js';
import { readMetrics, valueOf } from '../support/metrics.js';
import {
  codeOf,
  madeUp,
  platform,
  Tenant,
  type Verdict,
  verify,
  verifyBatch,
  VERIFYING,
} from '../support/verification.js';
import { whileAsking } from '../support/while-asking.js';

const BOUND_MS = 2_000;
/** An attempt that began in the silence may last for half the bound, and the pause after it a second. */
const BACK_WITHIN_MS = 3_000;
/** How long a change may take where nothing is broken; it takes milliseconds on a machine that is not busy. */
const PROPAGATED_WITHIN_MS = BOUND_MS;
const PAUSE_MS = 10;
const CREDENTIAL_QUERY = 'from token_secrets s';
const SETTINGS = { ...VERIFYING, REVOCATION_MAX_STALENESS_SECONDS: String(BOUND_MS / 1_000) };

let databaseUrl: string;
let proxy: FaultyProxy;
/** The process whose connections break; its database answers it all the time. */
let keyward: Keyward;
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

async function feed(of = keyward): Promise<{ isConnected: boolean; ageMs: number }> {
  const samples = await readMetrics(of.url);
  return {
    isConnected: valueOf(samples, 'keyward_change_feed_connected') === 1,
    ageMs: valueOf(samples, 'keyward_change_feed_age_seconds') * 1_000,
  };
}

async function isFresh(): Promise<boolean> {
  const { isConnected, ageMs } = await feed();
  return isConnected && ageMs < BOUND_MS;
}

async function queriesDuring(work: () => Promise<unknown>): Promise<number> {
  const before = proxy.countStatements(CREDENTIAL_QUERY);
  await work();
  return proxy.countStatements(CREDENTIAL_QUERY) - before;
}

/** Asserts that a token is answered from memory, once it has been read. */
async function expectRemembered(token: string): Promise<void> {
  await eventually(BACK_WITHIN_MS, async () => (await queriesDuring(() => codeOf(asker, token))) === 0);
}

describe('a change feed that is cut', () => {
  it('is back within moments, and every revocation meanwhile is obeyed within the bound', async () => {
    const good = await tenant.issue();
    const revoked = await Promise.all(Array.from({ length: 5 }, () => tenant.issue()));
    for (const { token } of [good, ...revoked]) await expectRemembered(token);
    const [told] = await whileAsking([new Load(asker, [good.token], 2, PAUSE_MS)], async () => {
      for (const issued of revoked) {
        proxy.cut('changes');
        await tenant.revoke(issued); // while nobody listens, or just when somebody does again
        await eventually(BOUND_MS, async () => (await codeOf(asker, issued.token)) === 'REVOKED');
        await eventually(BACK_WITHIN_MS, isFresh);
        expect(await codeOf(asker, issued.token)).toBe('REVOKED');
      }
    });
    expectOnly(told!, ['VALID']); // the database answered all the time
    await expectRemembered(good.token);
  });

  it('has forgotten what it knew when it is back, for it cannot know what it missed', async () => {
    const issued = await tenant.issue({ scopes: ['orders'] });
    await expectRemembered(issued.token);
    proxy.drop('changes'); // nobody listens again before the change is over
    proxy.cut('changes');
    const narrowed = { body: { scopes: ['orders:read'] } };
    expectStatus(await tenant.owner.patch(tenant.tokenPath(issued), narrowed), 200);
    proxy.restore();
    await eventually(BACK_WITHIN_MS, isFresh);
    expect((await verify(asker, issued.token)).scopes).toEqual(['orders:read']);
  });
});

describe('while a change feed is silent', () => {
  /** What was told about a good token, and about one that was revoked. */
  let [good, revoked]: (readonly Told[])[] = [];
  let [silentAt, revokedAt, restoredAt] = [0, 0, 0];
  /** Queries after the bound: for one question about a token, and for a batch of questions. */
  let [queriesOfOne, queriesOfBatch] = [0, 0];
  let verdicts: readonly Verdict[];
  let stale: { isConnected: boolean; ageMs: number };
  let freshAfterMs: number;
  let queriesWhenHealed: number;

  /** All that happens. The tests look at what was told. */
  beforeAll(async () => {
    const [toKeep, toRevoke] = [await tenant.issue(), await tenant.issue()];
    for (const { token } of [toKeep, toRevoke]) await expectRemembered(token);
    const loads = [toKeep, toRevoke].map(({ token }) => new Load(asker, [token], 1, PAUSE_MS));
    const toldWhileSilent = await whileAsking(loads, async () => {
      silentAt = performance.now();
      proxy.drop('changes');
      await tenant.revoke(toRevoke);
      revokedAt = performance.now();
      await delay(silentAt + 1.5 * BOUND_MS - performance.now());
    });
    queriesOfOne = await queriesDuring(() => askOnce(asker, toKeep.token));
    const batch = [toKeep, toRevoke, ...madeUp(20).map((token) => ({ token }))].map(({ token }) => ({ token }));
    queriesOfBatch = await queriesDuring(async () => (verdicts = await verifyBatch(asker, batch)));
    stale = await feed();
    proxy.restore();
    restoredAt = performance.now();
    const healing = [toKeep, toRevoke].map(({ token }) => new Load(asker, [token], 1, PAUSE_MS));
    const toldAfterwards = await whileAsking(
      healing,
      async () => (freshAfterMs = await eventually(BACK_WITHIN_MS, isFresh)),
    );
    [good, revoked] = toldWhileSilent.map((told, index) => [...told, ...toldAfterwards[index]!]);
    await askOnce(asker, toKeep.token);
    queriesWhenHealed = await queriesDuring(() => askOnce(asker, toKeep.token));
  });

  it('no revoked token is accepted after the bound, nor when it is back', () => {
    // The fault has taken hold: without news, what is in memory is believed.
    expect(revoked!.some(({ sentAt, code }) => sentAt >= revokedAt && code === 'VALID')).toBe(true);
    expectOnly(revoked!, ['REVOKED'], { from: revokedAt + BOUND_MS });
    expectOnly(revoked!, ['REVOKED'], { from: restoredAt });
  });

  it('no good token is refused: after the bound the database is asked each time', () => {
    expectOnly(good!, ['VALID']);
    expect(queriesOfOne).toBe(2); // about the asker's token, and about the other
  });

  it('a batch is read with one query, however many it asks about', () => {
    expect(verdicts.map(({ code }) => code)).toEqual(['VALID', 'REVOKED', ...Array<string>(20).fill('NOT_FOUND')]);
    expect(queriesOfBatch).toBe(2);
  });

  it('the metrics say so', () => {
    expect(stale.isConnected).toBe(false);
    expect(stale.ageMs).toBeGreaterThan(BOUND_MS);
  });

  it('it heals by itself, and answers come from memory again', () => {
    expect(freshAfterMs).toBeLessThan(BACK_WITHIN_MS);
    expect(queriesWhenHealed).toBe(0);
  });
});

it('an instance that cannot listen when it starts asks the database each time, until it can', async () => {
  const issued = await tenant.issue();
  proxy.drop('changes');
  const late = await startKeyward({ databaseUrl: proxy.url, env: SETTINGS });
  try {
    const asker = platform(late);
    expect((await feed(late)).isConnected).toBe(false);
    expect(await codeOf(asker, issued.token)).toBe('VALID');
    await tenant.revoke(issued);
    expect(await codeOf(asker, issued.token)).toBe('REVOKED');
    proxy.restore();
    await eventually(BACK_WITHIN_MS, async () => (await feed(late)).isConnected);
  } finally {
    proxy.restore();
    await late.close();
  }
});

it('a process that stops while it connects leaves no connection behind', async () => {
  const way = await FaultyProxy.start(databaseUrl);
  const stopping = await startKeyward({ databaseUrl: way.url, env: SETTINGS });
  const listening = async (): Promise<unknown[]> =>
    other.sql(
      "select pid from pg_stat_activity where datname = current_database() and application_name = 'keyward changes'",
    );
  const before = (await listening()).length;
  const withheld = way.withhold('listen ');
  try {
    way.cut('changes');
    await withheld.executed;
    await stopping.close();
  } finally {
    withheld.release();
  }
  await eventually(BACK_WITHIN_MS, async () => (await listening()).length === before - 1);
  await way.close();
});

it('changes are heard of again after it was cut and silent and cut', async () => {
  proxy.drop('changes');
  await delay(BOUND_MS);
  proxy.restore();
  proxy.cut('changes');
  await eventually(BACK_WITHIN_MS, isFresh);
  const issued = await tenant.issue();
  await expectRemembered(issued.token);
  await tenant.revoke(issued);
  await eventually(PROPAGATED_WITHIN_MS, async () => (await codeOf(asker, issued.token)) === 'REVOKED');
});
