import { expectStatus, unique } from '../support/callers.js';
import { createDatabase, dropDatabase } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import type { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { codeOf, platform, type Question, Tenant, verify, VERIFYING, writeToken } from '../support/verification.js';

/** How long a change may take to the other process; its notification takes milliseconds on a machine that is not busy. */
const PROPAGATED_WITHIN_MS = 2_000;

/** Two processes over one database. Changes are made through the first one. */
let databaseUrl: string;
let instances: Keyward[];
let here: Client;
let there: Client;
let tenant: Tenant;

beforeAll(async () => {
  databaseUrl = await createDatabase();
  instances = [];
  for (let count = 0; count < 2; count++) instances.push(await startKeyward({ databaseUrl, env: VERIFYING }));
  [here, there] = instances.map((instance) => platform(instance)) as [Client, Client];
  tenant = await Tenant.create(instances[0]!);
});
afterAll(async () => {
  for (const instance of instances ?? []) await instance.close();
  await dropDatabase(databaseUrl);
});

/** Asserts what both processes say of a token, and thereby that both have it in memory. */
async function expectEverywhere(token: string, expected: object, question?: Question): Promise<void> {
  for (const asker of [here, there]) expect(await verify(asker, token, question)).toMatchObject(expected);
}

/** Makes a change: the process that made it says so at once, the other one within moments. */
async function expectChange(
  token: string,
  change: () => Promise<unknown>,
  expected: { readonly code?: string; readonly scopes?: readonly string[] },
  question: Question = {},
): Promise<void> {
  await change();
  expect(await verify(here, token, question)).toMatchObject(expected);
  await eventually(PROPAGATED_WITHIN_MS, async () => {
    const { code, scopes } = await verify(there, token, question);
    return code === (expected.code ?? code) && scopes?.join() === (expected.scopes ?? scopes)?.join();
  });
}

describe('the next verification, in this process and in another one, knows that', () => {
  it('a token was revoked', async () => {
    const issued = await tenant.issue();
    await expectEverywhere(issued.token, { code: 'VALID' });
    await expectChange(issued.token, () => tenant.revoke(issued), { code: 'REVOKED' });
  });

  it('a token was given other scopes, addresses, a limit, an expiry, a name and annotations', async () => {
    const issued = await tenant.issue({ scopes: ['orders:read'] });
    const change = async (body: object): Promise<void> =>
      void expectStatus(await tenant.owner.patch(tenant.tokenPath(issued), { body }), 200);
    await expectEverywhere(issued.token, { code: 'VALID', scopes: ['orders:read'] });
    await expectChange(issued.token, () => change({ scopes: ['orders'] }), { scopes: ['orders'] });
    const body = { name: unique('Renamed'), annotations: { a: 'b' }, expiresAt: '2099-01-01T00:00:00.000Z' };
    await change({ ...body, authorizedIpAddresses: ['192.0.2.1'] });
    await expectChange(issued.token, () => change({ rateLimit: 50 }), { code: 'FORBIDDEN_ADDRESS' });
    const { name, ...shown } = body;
    const ipAddress = '192.0.2.1';
    await expectEverywhere(issued.token, { ...shown, token: { name }, rateLimit: { limit: 50 } }, { ipAddress });
    await expectChange(issued.token, () => change({ authorizedIpAddresses: null }), { code: 'VALID' });
  });

  it('a token was rotated, and its old secret is worth nothing', async () => {
    const issued = await tenant.issue();
    await expectEverywhere(issued.token, { code: 'VALID' });
    let secret = '';
    await expectChange(
      issued.token,
      async () => {
        const answer = await tenant.owner.post<{ token: string }>(`${tenant.tokenPath(issued)}/rotate`, { body: {} });
        secret = expectStatus(answer, 200).token;
      },
      { code: 'REVOKED' },
    );
    await expectEverywhere(secret, { code: 'VALID', token: { id: issued.id } });
  });

  it('an account was disabled, enabled and deleted', async () => {
    const own = await Tenant.create(instances[0]!);
    const path = `/service-accounts/${own.account.slug}`;
    const { token } = await own.issue();
    await expectEverywhere(token, { code: 'VALID' });
    await expectChange(token, () => own.owner.post(`${path}/disable`), { code: 'DISABLED' });
    await expectChange(token, () => own.owner.post(`${path}/enable`), { code: 'VALID' });
    await expectChange(token, () => own.owner.delete(path), { code: 'REVOKED' });
  });

  it('an account was renamed and given another role', async () => {
    const own = await Tenant.create(instances[0]!);
    const put = (body: object): Promise<unknown> => own.owner.put(`/service-accounts/${own.account.slug}`, { body });
    const { token } = await own.issue({ scopes: ['orders'] });
    await expectEverywhere(token, { scopes: ['orders'] });
    await expectChange(token, () => put({ name: 'Reader', role: 'viewer' }), { scopes: ['orders:read'] });
    await expectEverywhere(token, { serviceAccount: { name: 'Reader' } });
    await expectChange(token, () => put({ name: 'Reader', role: 'editor' }), { scopes: ['orders'] });
  });

  it('a custom role was edited', async () => {
    const own = await Tenant.create(instances[0]!);
    const slug = unique('role');
    const body = { name: slug, slug, scopes: ['orders', 'invoices'] };
    expectStatus(await own.owner.post('/organization/roles', { body }), 201);
    const account = { name: 'Bound', role: slug };
    expectStatus(await own.owner.put(`/service-accounts/${own.account.slug}`, { body: account }), 204);
    const { token } = await own.issue({ scopes: ['orders', 'invoices'] });
    await expectEverywhere(token, { scopes: ['orders', 'invoices'] });
    const edit = (): Promise<unknown> =>
      own.owner.put(`/organization/roles/${slug}`, { body: { ...body, scopes: ['orders:read'] } });
    await expectChange(token, edit, { scopes: ['orders:read'] });
    await expectChange(token, edit, { code: 'INSUFFICIENT_SCOPE' }, { scopes: ['invoices:read'] });
  });

  it('an organization was suspended and resumed', async () => {
    const own = await Tenant.create(instances[0]!);
    const { token } = await own.issue();
    await expectEverywhere(token, { code: 'VALID' });
    await expectChange(token, () => here.post(`/organizations/${own.slug}/suspend`), { code: 'SUSPENDED' });
    await expectChange(token, () => here.post(`/organizations/${own.slug}/resume`), { code: 'VALID' });
  });
});

describe('a personal token', () => {
  let memberId: string;
  let subject: string;
  let token: string;
  beforeEach(async () => {
    ({ id: memberId, subject } = await tenant.addMember('editor'));
    const scopes = ['orders', 'api_tokens'];
    token = await writeToken(instances[0]!, { organizationId: tenant.id, userId: memberId, scopes });
    await expectEverywhere(token, { code: 'VALID', scopes });
  });

  it('does what the role of its member allows today', async () => {
    const change = (role: string): Promise<unknown> =>
      tenant.owner.put(`/organization/members/${memberId}`, { body: { role } });
    await expectChange(token, () => change('viewer'), { scopes: ['orders:read', 'api_tokens:read'] });
    await expectChange(token, () => change('admin'), { scopes: ['orders', 'api_tokens'] });
  });

  it("follows a demotion that the member's next JWT brings", async () => {
    const demoted = await tenant.owner.colleague({ sub: subject, role: 'viewer' });
    await expectChange(token, () => demoted.get('/organization'), { scopes: ['orders:read', 'api_tokens:read'] });
  });

  it('ends with the membership, and works again when the person is added again', async () => {
    await expectChange(token, () => tenant.owner.delete(`/organization/members/${memberId}`), { code: 'REVOKED' });
    const body = { subject, role: 'editor' };
    await expectChange(token, () => tenant.owner.post('/organization/members', { body }), { code: 'VALID' });
  });
});

describe('of a change that concerns somebody else', () => {
  it('nothing is told: tokens of other accounts, members and organizations stay good', async () => {
    const other = await Tenant.create(instances[0]!);
    const { token } = await tenant.issue();
    await expectEverywhere(token, { code: 'VALID' });
    expectStatus(await here.post(`/organizations/${other.slug}/suspend`), 200);
    await tenant.revoke(await tenant.issue());
    await expectEverywhere(token, { code: 'VALID' });
  });
});

it('a change that is refused or rolled back changes no verdict', async () => {
  const issued = await tenant.issue({ scopes: ['orders:read'] });
  await expectEverywhere(issued.token, { code: 'VALID' });
  const viewer = await tenant.owner.colleague({ role: 'viewer' });
  expectStatus(await viewer.delete(tenant.tokenPath(issued)), 403);
  const headers = { 'if-match': '"0"' };
  const body = { scopes: ['orders'] };
  expectStatus(await tenant.owner.patch(tenant.tokenPath(issued), { body, headers }), 412);
  await expectEverywhere(issued.token, { code: 'VALID', scopes: ['orders:read'] });
});

it('an asker who was revoked is told nothing more, in neither process', async () => {
  const issued = await tenant.issue({ scopes: ['api_tokens:verify'] });
  const askers = [here, there].map((asker) => asker.holding(issued.token));
  for (const asker of askers) expect(await codeOf(asker, issued.token)).toBe('VALID');
  await tenant.revoke(issued);
  const status = async (asker: Client): Promise<number> =>
    (await asker.post('/tokens/verify', { body: { token: issued.token } })).status;
  expect(await status(askers[0]!)).toBe(401);
  await eventually(PROPAGATED_WITHIN_MS, async () => (await status(askers[1]!)) === 401);
});
