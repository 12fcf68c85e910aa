import { setTimeout as delay } from 'node:timers/promises';
import { expectStatus, unique } from '../support/callers.js';
import { createDatabase, dropDatabase } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import type { Client } from '../support/http.js';
import { askOnce, expectOnly, Load, percentile, type Told } from '../support/load.js';
import { CompiledKeyward, type KeywardProcess } from '../support/process.js';
import { platform, Tenant, verify, verifyBatch, VERIFYING } from '../support/verification.js';
import { whileAsking } from '../support/while-asking.js';
import type { IssuedToken } from '../support/wire.js';

const REVOCATIONS = 200;
/** How many of them are under way at a time. */
const REVOKERS = 3;
const BOUND_MS = 1_000;
/** How long all revoked tokens are asked about once more. */
const ASKED_ON_MS = 500;
/** It takes milliseconds; the rest is for a machine that does much else. */
const P99_MS = 250;
const SETTINGS = { ...VERIFYING, REVOCATION_MAX_STALENESS_SECONDS: String(BOUND_MS / 1_000) };

/** Two processes over one database: through one things are changed, the other one is asked. */
let databaseUrl: string;
let compiled: CompiledKeyward;
let changing: KeywardProcess;
let asker: Client;

beforeAll(async () => {
  databaseUrl = await createDatabase();
  compiled = await CompiledKeyward.make();
  const env = { ...SETTINGS, DATABASE_URL: databaseUrl };
  changing = await compiled.start(env);
  asker = platform(await compiled.start(env));
}, 60_000);
afterAll(async () => {
  await compiled?.remove(); // and with it the processes
  await dropDatabase(databaseUrl);
});

/** Does work for each item, so many at a time. */
async function forEach<T>(items: readonly T[], atATime: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const take = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: atATime }, take));
}

describe(`while ${REVOCATIONS} tokens are revoked through one process, under load`, () => {
  const revokedAt = new Map<string, number>();
  /** From the answer to the revocation to the first question that the other process answers rightly. */
  const lagsMs: number[] = [];
  let [told, kept]: (readonly Told[])[] = [];

  beforeAll(async () => {
    const tenant = await Tenant.create(changing);
    const toKeep = await tenant.issue();
    const toRevoke: IssuedToken[] = [];
    const turns = Array.from({ length: REVOCATIONS }, (_, turn) => turn);
    await forEach(turns, 8, async () => void toRevoke.push(await tenant.issue()));
    const tokens = toRevoke.map(({ token }) => token);
    const questions = tokens.map((token) => ({ token }));
    expect(new Set((await verifyBatch(asker, questions)).map(({ code }) => code))).toEqual(new Set(['VALID']));

    const revoke = async (one: IssuedToken): Promise<void> => {
      await tenant.revoke(one);
      const at = performance.now();
      revokedAt.set(one.token, at);
      let answer: Told;
      do answer = await askOnce(asker, one.token);
      while (answer.code === 'VALID' && answer.sentAt < at + 2 * BOUND_MS);
      lagsMs.push(answer.sentAt - at);
    };
    const loads = [new Load(asker, tokens, 3), new Load(asker, [toKeep.token], 1)];
    [told, kept] = await whileAsking(loads, async () => {
      await forEach(toRevoke, REVOKERS, revoke);
      await delay(BOUND_MS + ASKED_ON_MS); // so that all of them are asked about after their bound
    });
  }, 120_000);

  it('the other process says VALID of none of them after the bound', () => {
    const late = told!.filter(({ token, sentAt }) => sentAt >= (revokedAt.get(token) ?? Infinity) + BOUND_MS);
    expectOnly(late, ['REVOKED']);
    expect(Math.max(...lagsMs)).toBeLessThan(BOUND_MS);
  });

  it('it never says VALID again after it has said REVOKED', () => {
    const refusedAt = new Map<string, number>();
    for (const { token, code, toldAt } of told!)
      if (code === 'REVOKED') refusedAt.set(token, Math.min(toldAt, refusedAt.get(token) ?? Infinity));
    expect(refusedAt.size).toBeGreaterThan(REVOCATIONS / 2);
    const relapses = told!.filter(({ token, code, sentAt }) => code === 'VALID' && sentAt > refusedAt.get(token)!);
    expect(relapses).toEqual([]);
  });

  it('nearly all hold there within milliseconds', () => {
    expect(lagsMs).toHaveLength(REVOCATIONS);
    expect(percentile(lagsMs, 0.99)).toBeLessThan(P99_MS);
  });

  it('no other token is refused', () => {
    expectOnly(kept!, ['VALID']);
  });
});

describe('the other process obeys within the bound', () => {
  let tenant: Tenant;
  beforeEach(async () => void (tenant = await Tenant.create(changing)));

  /** Makes a change while the other process has the token in memory. */
  async function expectObeyed(
    token: string,
    change: () => Promise<{ status: number }>,
    expected: { code: string; scopes?: string[] },
  ): Promise<void> {
    expect(await verify(asker, token)).toMatchObject({ code: 'VALID', scopes: ['orders'] });
    expect([200, 204]).toContain((await change()).status);
    await eventually(BOUND_MS, async () => {
      const { code, scopes } = await verify(asker, token);
      return code === expected.code && (expected.scopes === undefined || expected.scopes.join() === scopes?.join());
    });
  }

  it('that an account is disabled', async () => {
    const { token } = await tenant.issue({ scopes: ['orders'] });
    const disable = () => tenant.owner.post(`/service-accounts/${tenant.account.slug}/disable`);
    await expectObeyed(token, disable, { code: 'DISABLED' });
  });

  it('that an account is deleted', async () => {
    const { token } = await tenant.issue({ scopes: ['orders'] });
    const remove = () => tenant.owner.delete(`/service-accounts/${tenant.account.slug}`);
    await expectObeyed(token, remove, { code: 'REVOKED' });
  });

  it('that the role of an account is demoted', async () => {
    const { token } = await tenant.issue({ scopes: ['orders'] });
    const body = { name: 'Reader', role: 'viewer' };
    const demote = () => tenant.owner.put(`/service-accounts/${tenant.account.slug}`, { body });
    await expectObeyed(token, demote, { code: 'VALID', scopes: ['orders:read'] });
  });

  it('that a custom role loses scopes', async () => {
    const role = { name: 'Role', slug: 'role', scopes: ['orders'] };
    expectStatus(await tenant.owner.post('/organization/roles', { body: role }), 201);
    const account = { name: 'Bound', role: 'role' };
    expectStatus(await tenant.owner.put(`/service-accounts/${tenant.account.slug}`, { body: account }), 204);
    const { token } = await tenant.issue({ scopes: ['orders'] });
    const edit = () => tenant.owner.put('/organization/roles/role', { body: { ...role, scopes: ['orders:read'] } });
    await expectObeyed(token, edit, { code: 'VALID', scopes: ['orders:read'] });
  });

  describe('of a person', () => {
    let memberPath: string;
    let token: string;
    beforeEach(async () => {
      const { id, subject } = await tenant.addMember('editor');
      memberPath = `/organization/members/${id}`;
      const person = await tenant.owner.colleague({ sub: subject });
      const body = { name: unique('personal'), scopes: ['orders'] };
      ({ token } = expectStatus(await person.post<IssuedToken>('/user/tokens', { body }), 201));
    });

    it('that they are demoted', async () => {
      const demote = () => tenant.owner.put(memberPath, { body: { role: 'viewer' } });
      await expectObeyed(token, demote, { code: 'VALID', scopes: ['orders:read'] });
    });

    it('that they are removed', async () => {
      await expectObeyed(token, () => tenant.owner.delete(memberPath), { code: 'REVOKED' });
    });
  });

  it('that an organization is suspended', async () => {
    const { token } = await tenant.issue({ scopes: ['orders'] });
    const suspend = () => platform(changing).post(`/organizations/${tenant.slug}/suspend`);
    await expectObeyed(token, suspend, { code: 'SUSPENDED' });
  });
});
