import { setTimeout as delay } from 'node:timers/promises';
import { expectStatus } from '../support/callers.js';
import { createDatabase, dropDatabase } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { readMetrics, valueOf } from '../support/metrics.js';
import { codeOf, platform, Tenant, type Verdict, verify, VERIFYING, writeToken } from '../support/verification.js';

const CREDENTIAL_QUERY = 'from token_secrets s';
const LISTEN = 'listen keyward_changes';
const PROPAGATED_WITHIN_MS = 2_000;

/** Two processes over one database; the answers to the first one can be kept back. */
let databaseUrl: string;
let proxy: FaultyProxy;
let slow: Keyward;
let other: Keyward;
let asker: Client;
let tenant: Tenant;

beforeAll(async () => {
  databaseUrl = await createDatabase();
  proxy = await FaultyProxy.start(databaseUrl);
  slow = await startKeyward({ databaseUrl: proxy.url, env: { ...VERIFYING, DATABASE_CONNECT_TIMEOUT_MS: '500' } });
  other = await startKeyward({ databaseUrl, env: VERIFYING });
  asker = platform(slow);
  tenant = await Tenant.create(other);
  await codeOf(asker, 'x'); // the asker's own token is in memory from here on
});
afterAll(async () => {
  await slow?.close();
  await other?.close();
  await proxy?.close();
  await dropDatabase(databaseUrl);
});

/** Makes a change after a token's row has been read and before the answer arrives, and waits until it was heard of. */
async function changeDuringRead(token: string, change: () => Promise<unknown>): Promise<Verdict> {
  const { executed, release } = proxy.withhold(CREDENTIAL_QUERY);
  const asked = verify(asker, token);
  await executed;
  const heard = await changesHeard();
  await change();
  await eventually(PROPAGATED_WITHIN_MS, async () => (await changesHeard()) > heard);
  release();
  return asked;
}

async function isConnected(): Promise<boolean> {
  return valueOf(await readMetrics(slow.url), 'keyward_change_feed_connected') === 1;
}

async function changesHeard(): Promise<number> {
  return valueOf(await readMetrics(slow.url), 'keyward_revocation_propagation_seconds_count');
}

describe('a row that is read while it is being changed is not kept, so that the next answer is right, when', () => {
  it('the token is revoked by another process', async () => {
    const issued = await tenant.issue();
    await changeDuringRead(issued.token, () => tenant.revoke(issued));
    expect(await codeOf(asker, issued.token)).toBe('REVOKED');
  });

  it('the token is revoked by the same process', async () => {
    const issued = await tenant.issue();
    const here = new Client(slow.url, tenant.owner.token);
    await changeDuringRead(issued.token, () => here.delete(tenant.tokenPath(issued)));
    expect(await codeOf(asker, issued.token)).toBe('REVOKED');
  });

  it('its account is disabled', async () => {
    const own = await Tenant.create(other);
    const { token } = await own.issue();
    await changeDuringRead(token, () => own.owner.post(`/service-accounts/${own.account.slug}/disable`));
    expect(await codeOf(asker, token)).toBe('DISABLED');
  });

  it("its account's role is edited", async () => {
    const own = await Tenant.create(other);
    const role = { name: 'Role', slug: 'role', scopes: ['orders'] };
    expectStatus(await own.owner.post('/organization/roles', { body: role }), 201);
    const account = { name: 'Account', role: 'role' };
    expectStatus(await own.owner.put(`/service-accounts/${own.account.slug}`, { body: account }), 204);
    const { token } = await own.issue({ scopes: ['orders'] });
    const body = { ...role, scopes: ['orders:read'] };
    await changeDuringRead(token, () => own.owner.put('/organization/roles/role', { body }));
    expect((await verify(asker, token)).scopes).toEqual(['orders:read']);
  });

  it('the member it belongs to is removed', async () => {
    const { id } = await tenant.addMember('editor');
    const token = await writeToken(other, { organizationId: tenant.id, userId: id });
    await changeDuringRead(token, () => tenant.owner.delete(`/organization/members/${id}`));
    expect(await codeOf(asker, token)).toBe('REVOKED');
  });

  it('its organization is suspended', async () => {
    const own = await Tenant.create(other);
    const { token } = await own.issue();
    await changeDuringRead(token, () => platform(other).post(`/organizations/${own.slug}/suspend`));
    expect(await codeOf(asker, token)).toBe('SUSPENDED');
  });

  it('the connection breaks that would have told of it', async () => {
    const issued = await tenant.issue();
    const { executed, release } = proxy.withhold(CREDENTIAL_QUERY);
    const asked = codeOf(asker, issued.token);
    await executed;
    const connections = proxy.countStatements(LISTEN);
    // Nobody listens again before the revocation is over, so that nothing tells of it.
    proxy.drop('changes');
    proxy.cut('changes');
    await tenant.revoke(issued);
    proxy.restore();
    await eventually(5_000, async () => proxy.countStatements(LISTEN) > connections && (await isConnected()));
    release();
    await asked;
    expect(await codeOf(asker, issued.token)).toBe('REVOKED');
  });
});

it('a row that is read while something else is changed is kept', async () => {
  const issued = await tenant.issue();
  const another = await tenant.issue();
  expect((await changeDuringRead(issued.token, () => tenant.revoke(another))).code).toBe('VALID');
  const queries = proxy.countStatements(CREDENTIAL_QUERY);
  expect(await codeOf(asker, issued.token)).toBe('VALID');
  expect(proxy.countStatements(CREDENTIAL_QUERY)).toBe(queries);
});

it('who asks after the revocation is not answered from a read that began before it', async () => {
  const issued = await tenant.issue();
  const { executed, release } = proxy.withhold(CREDENTIAL_QUERY);
  const early = codeOf(asker, issued.token);
  await executed;
  const heard = await changesHeard();
  await tenant.revoke(issued);
  await eventually(PROPAGATED_WITHIN_MS, async () => (await changesHeard()) > heard);
  const late = codeOf(asker, issued.token);
  // The late question is under way when the early one is answered.
  await delay(200);
  release();
  await early;
  expect(await late).toBe('REVOKED');
});

it('a secret that is issued while it is asked for is known from then on', async () => {
  const secret = `issued-while-it-is-asked-for-${Date.now()}`;
  const { executed, release } = proxy.withhold(CREDENTIAL_QUERY);
  const asked = codeOf(asker, secret);
  await executed;
  await writeToken(other, { organizationId: tenant.id, secret });
  release();
  expect(await asked).toBe('NOT_FOUND');
  await eventually(
    slow.config.settings.UNKNOWN_CACHE_TTL_MS + 1_000,
    async () => (await codeOf(asker, secret)) === 'VALID',
  );
});
