import { expectStatus } from '../support/callers.js';
import { createDatabase, dropDatabase } from '../support/databases.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import type { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid } from '../support/problems.js';
import {
  ask,
  codeOf,
  madeUp,
  platform,
  Tenant,
  type Verdict,
  verify,
  verifyBatch,
  VERIFYING,
  writeTokens,
} from '../support/verification.js';

const CREDENTIAL_QUERY = 'from token_secrets s';
const FAILURES_PER_MINUTE = 30;

let databaseUrl: string;
let proxy: FaultyProxy;
let keyward: Keyward;
let operator: Client;
let tenant: Tenant;

beforeAll(async () => {
  databaseUrl = await createDatabase();
  proxy = await FaultyProxy.start(databaseUrl);
  keyward = await startKeyward({ databaseUrl: proxy.url, env: VERIFYING });
  operator = platform(keyward);
  tenant = await Tenant.create(keyward);
});
afterAll(async () => {
  await keyward?.close();
  await proxy?.close();
  await dropDatabase(databaseUrl);
});

/** How many times the database was asked for credentials meanwhile. */
async function queriesDuring(work: () => Promise<unknown>): Promise<number> {
  const before = proxy.countStatements(CREDENTIAL_QUERY);
  await work();
  return proxy.countStatements(CREDENTIAL_QUERY) - before;
}

describe('a batch', () => {
  it('is answered in the order of its questions, each as if it had been asked alone', async () => {
    const revoked = await tenant.issue();
    await tenant.revoke(revoked);
    const restricted = await tenant.issue({ authorizedIpAddresses: ['192.0.2.1'] });
    const good = await tenant.issue({ scopes: ['orders'], annotations: { a: 'b' } });
    const other = await (await Tenant.create(keyward)).issue();
    const questions = [
      { token: good.token, scopes: ['orders:read'] },
      { token: madeUp(1)[0]! },
      { token: revoked.token },
      { token: restricted.token, ipAddress: '192.0.2.2' },
      { token: '' },
      { token: restricted.token, ipAddress: '192.0.2.1' },
      { token: good.token, scopes: ['orders:read', 'invoices'] },
      { token: 'x'.repeat(300) },
      { token: other.token },
      { token: good.token },
    ];
    const codes = ['VALID', 'NOT_FOUND', 'REVOKED', 'FORBIDDEN_ADDRESS', 'NOT_FOUND', 'VALID', 'INSUFFICIENT_SCOPE'];
    const cold = await verifyBatch(operator, questions);
    expect(cold.map(({ code }) => code)).toEqual([...codes, 'NOT_FOUND', 'VALID', 'VALID']);
    expect(await verifyBatch(operator, questions)).toEqual(cold);
    const alone: Verdict[] = [];
    for (const { token, ...question } of questions) alone.push(await verify(operator, token, question));
    expect(cold).toEqual(alone);

    const own = await verifyBatch(tenant.owner, questions);
    expect(own.map(({ code }) => code)).toEqual([...codes, 'NOT_FOUND', 'NOT_FOUND', 'VALID']);
  });

  it('of nothing has no answers', async () => {
    const answer = await operator.post('/tokens/verify-batch', { body: { tokens: [] } });
    expect([answer.status, answer.text]).toEqual([200, '{"results":[]}']);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  });

  it('may hold a thousand questions, which ask the database once, and not at all when they come again', async () => {
    const { id: organizationId, account } = tenant;
    const drafts = Array.from({ length: 700 }, () => ({ organizationId, serviceAccountId: account.id }));
    const known = await writeTokens(keyward, drafts);
    const tokens = [...known, ...madeUp(300)].map((token) => ({ token })).sort((a, b) => (a.token < b.token ? -1 : 1));
    let verdicts: readonly Verdict[] = [];
    expect(await queriesDuring(async () => (verdicts = await verifyBatch(operator, tokens)))).toBe(1);
    const isKnown = new Set(known);
    expect(verdicts.map(({ code }) => code)).toEqual(
      tokens.map(({ token }) => (isKnown.has(token) ? 'VALID' : 'NOT_FOUND')),
    );
    expect(await queriesDuring(async () => (verdicts = await verifyBatch(operator, tokens)))).toBe(0);
    expect(verdicts.filter(({ valid }) => valid)).toHaveLength(700);
  });

  it('may hold no more than that', async () => {
    const tokens = new Array(1_001).fill({ token: 'x' });
    for (const asker of [operator, tenant.owner]) {
      expectInvalid(await asker.post('/tokens/verify-batch', { body: { tokens } }), 'body.tokens');
    }
  });

  it.each<[string, unknown, string]>([
    ['no list', {}, 'body.tokens'],
    ['an object for a list', { tokens: { token: 'x' } }, 'body.tokens'],
    ['text for a question', { tokens: [{ token: 'x' }, 'x'] }, 'body.tokens[1]'],
    ['null for a question', { tokens: [null] }, 'body.tokens[0]'],
    ['a bad member in one question', { tokens: [{ token: 'x' }, { token: 'x', cost: -1 }] }, 'body.tokens[1].cost'],
  ])('with %s is refused as a whole', async (_, body, location) => {
    for (const asker of [operator, tenant.owner]) {
      expectInvalid(await asker.post('/tokens/verify-batch', { body }), location);
    }
  });

  it('counts each question of a limited token, at its cost and in order', async () => {
    const { token } = await tenant.issue({ rateLimit: 5 });
    const costs = [1, 3, 0, 2, 0];
    const verdicts = await verifyBatch(
      operator,
      costs.map((cost) => ({ token, cost })),
    );
    expect(verdicts.map(({ code, rateLimit }) => [code, rateLimit?.remaining])).toEqual([
      ['VALID', 4],
      ['VALID', 1],
      ['VALID', 1],
      ['RATE_LIMITED', 0],
      ['RATE_LIMITED', 0],
    ]);
  });

  it('asks about one token a hundred times with one query', async () => {
    const { token } = await tenant.issue();
    const questions = Array.from({ length: 100 }, () => ({ token }));
    let verdicts: readonly Verdict[] = [];
    expect(await queriesDuring(async () => (verdicts = await verifyBatch(operator, questions)))).toBe(1);
    expect(new Set(verdicts.map(({ code }) => code))).toEqual(new Set(['VALID']));
  });

  it('keeps nothing that was revoked while it was read', async () => {
    const issued = await tenant.issue();
    const { executed, release } = proxy.withhold(CREDENTIAL_QUERY);
    const batch = verifyBatch(operator, [{ token: issued.token }, { token: madeUp(1)[0]! }]);
    await executed;
    const path = tenant.tokenPath(issued);
    expectStatus(await tenant.owner.delete(path), 204);
    release();
    await batch;
    expect(await codeOf(operator, issued.token)).toBe('REVOKED');
  });
});

describe('a batch that waits for the database', () => {
  it('says of a token in memory what is true when it answers', async () => {
    const remembered = await tenant.issue();
    expect(await codeOf(operator, remembered.token)).toBe('VALID');
    const unread = await tenant.issue();
    const { executed, release } = proxy.withhold(CREDENTIAL_QUERY);
    const batch = verifyBatch(operator, [{ token: remembered.token }, { token: unread.token }]);
    await executed;
    expectStatus(await tenant.owner.delete(tenant.tokenPath(remembered)), 204);
    release();
    expect((await batch).map(({ code }) => code)).toEqual(['REVOKED', 'VALID']);
  });
});

describe('unknown tokens in a batch', () => {
  let limited: Keyward;
  beforeAll(async () => {
    const env = { ...VERIFYING, FAILED_VERIFICATIONS_PER_MINUTE: String(FAILURES_PER_MINUTE) };
    limited = await startKeyward({ databaseUrl: proxy.url, env });
  });
  afterAll(() => limited?.close());

  it("count with their bearers' addresses, so that the asker may go on asking", async () => {
    const asker = platform(limited);
    const flood = madeUp(FAILURES_PER_MINUTE * 2).map((token, index) => ({ token, ipAddress: `192.0.2.${index}` }));
    const verdicts = await verifyBatch(asker, flood);
    expect(new Set(verdicts.map(({ code }) => code))).toEqual(new Set(['NOT_FOUND']));
    const { token } = await tenant.issue();
    expect(await codeOf(asker, token)).toBe('VALID');
  });

  it('from one address block that address, and no other', async () => {
    const asker = platform(limited);
    const ipAddress = '198.51.100.1';
    await verifyBatch(
      asker,
      madeUp(FAILURES_PER_MINUTE).map((token) => ({ token, ipAddress })),
    );
    const { token } = await tenant.issue();
    expect((await ask(asker, token, { ipAddress })).text).toBe('{"valid":false,"code":"RATE_LIMITED"}');
    expect(await codeOf(asker, token, { ipAddress: '198.51.100.2' })).toBe('VALID');
    expect(await codeOf(asker, token, { ipAddress })).toBe('VALID'); // in memory by now
  });
});
