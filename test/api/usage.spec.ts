import { setTimeout as delay } from 'node:timers/promises';
import { expectStatus } from '../support/callers.js';
import { createDatabase, dropDatabase } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { codeOf, madeUp, platform, Tenant, verifyBatch, VERIFYING, writeTokens } from '../support/verification.js';
import type { IssuedToken } from '../support/wire.js';

const FLUSH_INTERVAL_MS = 300;
const WRITE_USES = 'update token_secrets s set last_used_at';
const LATE = { USAGE_FLUSH_INTERVAL_MS: '60000' };

interface Use {
  readonly at: Date | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  /** Of each secret, the older one first. */
  readonly secretsAt: (Date | null)[];
}

type Query = (text: string, parameters: unknown[]) => Promise<unknown[]>;

async function useOf(query: Query, { id }: { readonly id: string }): Promise<Use> {
  const [use] = await query(
    `select last_used_at as at, host(last_used_ip) as ip, last_used_user_agent as "userAgent",
       (select array_agg(last_used_at order by created_at) from token_secrets where token_id = t.id) as "secretsAt"
     from tokens t where id = $1`,
    [id],
  );
  return use as Use;
}

let databaseUrl: string;
let proxy: FaultyProxy;
let keyward: Keyward;
let operator: Client;
let tenant: Tenant;

beforeAll(async () => {
  databaseUrl = await createDatabase();
  proxy = await FaultyProxy.start(databaseUrl);
  const env = { ...VERIFYING, TRUST_PROXY: '127.0.0.1', USAGE_FLUSH_INTERVAL_MS: String(FLUSH_INTERVAL_MS) };
  keyward = await startKeyward({ databaseUrl: proxy.url, env });
  operator = platform(keyward);
  tenant = await Tenant.create(keyward);
});
afterAll(async () => {
  await keyward?.close();
  await proxy?.close();
  await dropDatabase(databaseUrl);
});

const read = (token: { readonly id: string }): Promise<Use> =>
  useOf((text, parameters) => keyward.sql(text, parameters), token);

/** The use of a token when it has been written, and none before `after` counts. */
async function writtenUse(token: { readonly id: string }, after: number): Promise<Use> {
  await eventually(10_000, async () => ((await read(token)).at?.getTime() ?? 0) >= after);
  return read(token);
}

const holding = ({ token }: IssuedToken): Client => operator.holding(token);
const from = (address: string, userAgent: string): { headers: Record<string, string> } => ({
  headers: { 'x-forwarded-for': address, 'user-agent': userAgent },
});

describe('the last use of a token', () => {
  it.each<[string, (issued: IssuedToken) => Promise<unknown>, string | null]>([
    [
      'that a service verified',
      (issued) => operator.post('/tokens/verify', { body: { token: issued.token, ipAddress: '192.0.2.7' } }),
      null,
    ],
    [
      'that a gateway introspected',
      (issued) =>
        operator.post('/oauth2/introspect', {
          body: `token=${issued.token}&ip_address=192.0.2.7`,
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
        }),
      null,
    ],
    [
      'that a proxy asked about',
      (issued) => holding(issued).get('/forward-auth', from('192.0.2.7', 'a client/1.0')),
      'a client/1.0',
    ],
    [
      'that called the management API',
      (issued) => holding(issued).get('/service-accounts', from('::ffff:192.0.2.7', 'a client/1.0')),
      'a client/1.0',
    ],
    [
      'that asked about another one',
      (issued) =>
        holding(issued).post('/tokens/verify', { body: { token: 'x' }, ...from('192.0.2.7', 'a client/1.0') }),
      'a client/1.0',
    ],
  ])(
    '%s is its moment, the address and the user agent of its bearer, on the token and its secret',
    async (_, use, userAgent) => {
      const issued = await tenant.issue({ scopes: ['service_accounts:read', 'api_tokens:verify'] });
      expect(await read(issued)).toEqual({ at: null, ip: null, userAgent: null, secretsAt: [null] });
      const before = Date.now();
      await use(issued);
      const { at, ...use_ } = await writtenUse(issued, before);
      expect(at!.getTime()).toBeLessThanOrEqual(Date.now());
      expect(use_).toEqual({ ip: '192.0.2.7', userAgent, secretsAt: [at] });
    },
  );

  it('is the latest of many', async () => {
    const issued = await tenant.issue();
    for (const address of ['192.0.2.1', '192.0.2.2', '2001:db8::3']) {
      await holding(issued).get('/forward-auth', from(address, `agent of ${address}`));
    }
    const last = Date.now();
    await holding(issued).get('/forward-auth', from('2001:DB8:0::4', 'the last agent'));
    expect(await writtenUse(issued, last)).toMatchObject({ ip: '2001:db8::4', userAgent: 'the last agent' });
  });

  it('is shown with the token', async () => {
    const issued = await tenant.issue();
    const before = Date.now();
    await holding(issued).get('/forward-auth', from('192.0.2.9', 'a client/1.0'));
    const { at } = await writtenUse(issued, before);
    const shown = expectStatus(await tenant.owner.get(tenant.tokenPath(issued)), 200);
    const lastUse = {
      lastUsedAt: at!.toISOString(),
      lastUsedIpAddress: '192.0.2.9',
      lastUsedUserAgent: 'a client/1.0',
    };
    expect(shown).toMatchObject(lastUse);
  });

  it.each([
    ['the first 200 characters of a long user agent', 'a'.repeat(5_000), 'a'.repeat(200)],
    ['no user agent where none was sent', '', ''],
    ['a user agent that is no UTF-8', '\xff\xfe', '\xff\xfe'],
  ])('holds %s', async (_, sent, kept) => {
    const issued = await tenant.issue();
    const before = Date.now();
    await holding(issued).get('/forward-auth', from('192.0.2.9', sent));
    expect((await writtenUse(issued, before)).userAgent).toBe(kept);
  });

  it('is told apart for each secret during a rotation', async () => {
    const issued = await tenant.issue();
    const body = { gracePeriodSeconds: 3_600 };
    const { token } = expectStatus(
      await tenant.owner.post<{ token: string }>(`${tenant.tokenPath(issued)}/rotate`, { body }),
      200,
    );
    await codeOf(operator, token);
    const { secretsAt, at } = await writtenUse(issued, 1);
    expect(secretsAt).toEqual([null, at]);
    const later = Date.now();
    await codeOf(operator, issued.token);
    const both = await writtenUse(issued, later);
    expect(both.secretsAt).toEqual([both.at, at]);
  });

  it('is no attempt that was refused', async () => {
    const limited = await tenant.issue({ rateLimit: 1 });
    const restricted = await tenant.issue({ authorizedIpAddresses: ['192.0.2.1'] });
    const narrow = await tenant.issue({ scopes: ['orders:read'] });
    const revoked = await tenant.issue();
    await tenant.revoke(revoked);
    expect(await codeOf(operator, limited.token, { cost: 2 })).toBe('RATE_LIMITED');
    expect(await codeOf(operator, restricted.token)).toBe('FORBIDDEN_ADDRESS');
    expect(await codeOf(operator, narrow.token, { scopes: ['orders'] })).toBe('INSUFFICIENT_SCOPE');
    expect(await codeOf(operator, revoked.token)).toBe('REVOKED');
    const witness = await tenant.issue();
    const before = Date.now();
    await codeOf(operator, witness.token);
    await writtenUse(witness, before);
    for (const token of [limited, restricted, narrow, revoked]) expect((await read(token)).at).toBeNull();
  });

  it('never moves backwards, whichever process writes last', async () => {
    const issued = await tenant.issue();
    const ahead = new Date(Date.now() + 3_600_000);
    await keyward.sql('update tokens set last_used_at = $2 where id = $1', [issued.id, ahead]);
    await keyward.sql('update token_secrets set last_used_at = $2 where token_id = $1', [issued.id, ahead]);
    const witness = await tenant.issue();
    const before = Date.now();
    await verifyBatch(
      operator,
      [issued, witness].map(({ token }) => ({ token })),
    );
    await writtenUse(witness, before);
    expect(await read(issued)).toEqual({ at: ahead, ip: null, userAgent: null, secretsAt: [ahead] });
  });

  it('changes neither the version of the token nor its ETag, nor the audit trail', async () => {
    const issued = await tenant.issue();
    const etag = async (): Promise<string | null> =>
      (await tenant.owner.get(tenant.tokenPath(issued))).headers.get('etag');
    const events = (): Promise<unknown[]> =>
      keyward.sql('select * from audit_events where resource_id = $1', [issued.id]);
    const before = [await etag(), await events()];
    const startedAt = Date.now();
    await codeOf(operator, issued.token);
    await writtenUse(issued, startedAt);
    expect([await etag(), await events()]).toEqual(before);
  });
});

it('a thousand tokens in use are written by one statement, and nothing is written while nobody calls', async () => {
  const { id: organizationId } = await Tenant.create(keyward);
  const secrets = await writeTokens(keyward, new Array(1_000).fill({ organizationId }));
  const countUsed = async (): Promise<number> => {
    const text = `select count(*)::int as count from tokens where organization_id = $1 and last_used_at is not null`;
    return (await keyward.sql<{ count: number }>(text, [organizationId]))[0]!.count;
  };
  const statements = proxy.countStatements(WRITE_USES);
  const startedAt = performance.now();
  await verifyBatch(
    operator,
    secrets.map((token) => ({ token })),
  );
  await eventually(10_000, async () => (await countUsed()) === secrets.length);
  const turns = Math.ceil((performance.now() - startedAt) / FLUSH_INTERVAL_MS);
  expect(proxy.countStatements(WRITE_USES) - statements).toBeLessThanOrEqual(turns);

  const quiet = proxy.countStatements(WRITE_USES);
  await delay(3 * FLUSH_INTERVAL_MS);
  expect(proxy.countStatements(WRITE_USES)).toBe(quiet);
});

it('what waits is written when the service stops', async () => {
  const stopping = await startKeyward({ databaseUrl: proxy.url, env: { ...VERIFYING, ...LATE } });
  const issued = await tenant.issue();
  try {
    expect(await codeOf(platform(stopping), issued.token)).toBe('VALID');
    expect((await read(issued)).at).toBeNull();
  } finally {
    await stopping.close();
  }
  const { at, secretsAt } = await read(issued);
  expect(at).not.toBeNull();
  expect(secretsAt).toEqual([at]);
});

it('what cannot be written is written later, however much it is and however often it fails', async () => {
  const { id: organizationId } = await Tenant.create(keyward);
  const [first, ...others] = await writeTokens(keyward, new Array(6_001).fill({ organizationId }));
  const { release } = proxy.withhold(WRITE_USES);
  /** Breaks the connection on which a write is under way, when there is one beyond those that were seen. */
  const breakWrite = async (seen: number): Promise<number> => {
    await eventually(10_000, () => proxy.countStatements(WRITE_USES) > seen);
    proxy.cut('queries');
    return proxy.countStatements(WRITE_USES);
  };
  const before = proxy.countStatements(WRITE_USES);
  expect(await codeOf(operator, first!)).toBe('VALID');
  await eventually(10_000, () => proxy.countStatements(WRITE_USES) > before);
  // While that write waits for its answer, more uses come than one statement takes.
  for (let from = 0; from < others.length; from += 1_000) {
    const batch = others.slice(from, from + 1_000).map((token) => ({ token }));
    expect(new Set((await verifyBatch(operator, batch)).map(({ code }) => code))).toEqual(new Set(['VALID']));
  }
  await breakWrite(await breakWrite(before));
  release();
  // Used again, as tokens are: what was lost sight of would not be noted now either.
  for (const token of others.slice(-10)) expect(await codeOf(operator, token)).toBe('VALID');
  const countUnused = async (): Promise<number> => {
    const text = 'select count(*)::int as count from tokens where organization_id = $1 and last_used_at is null';
    return (await keyward.sql<{ count: number }>(text, [organizationId]))[0]!.count;
  };
  await eventually(10_000, async () => (await countUnused()) === 0);
});

it('an unknown secret has no use, and writes nothing', async () => {
  await delay(2 * FLUSH_INTERVAL_MS); // what the tests before this one used is written by then
  const statements = proxy.countStatements(WRITE_USES);
  await Promise.all(madeUp(20).map((token) => new Client(keyward.url, token).get('/forward-auth')));
  await delay(2 * FLUSH_INTERVAL_MS);
  expect(proxy.countStatements(WRITE_USES)).toBe(statements);
});
