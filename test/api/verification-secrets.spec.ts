import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expectStatus, unique } from '../support/callers.js';
import { createDatabase, dropDatabase } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { codeOf, platform, Tenant, verify, VERIFYING, writeToken } from '../support/verification.js';
import type { IssuedToken } from '../support/wire.js';

const [OLD_PEPPER, NEW_PEPPER] = ['old', 'new'].map((id) => `${id}:${Buffer.alloc(32, id).toString('base64')}`);
const FLUSH = { USAGE_FLUSH_INTERVAL_MS: '50' };
const CREDENTIAL_QUERY = 'from token_secrets s';

describe('an end that comes by the clock', () => {
  let databaseUrl: string;
  let proxy: FaultyProxy;
  let keyward: Keyward;
  let tenant: Tenant;
  beforeAll(async () => {
    databaseUrl = await createDatabase();
    proxy = await FaultyProxy.start(databaseUrl);
    keyward = await startKeyward({ databaseUrl: proxy.url, env: VERIFYING });
    tenant = await Tenant.create(keyward);
  });
  afterAll(async () => {
    await keyward?.close();
    await proxy?.close();
    await dropDatabase(databaseUrl);
  });

  /** Asks without a pause while a token is in memory, and asserts that it ends at the moment, not earlier and not later. */
  async function expectEnd(token: string, endsAt: number, code: string): Promise<void> {
    const operator = platform(keyward);
    expect(await codeOf(operator, token)).toBe('VALID');
    const asked = proxy.countStatements(CREDENTIAL_QUERY);
    const codes = new Set<string>();
    for (let sentAt = 0; sentAt <= endsAt + 100; await delay(1)) {
      sentAt = Date.now();
      const told = await codeOf(operator, token);
      codes.add(told);
      if (Date.now() < endsAt) expect(told).toBe('VALID');
      if (sentAt >= endsAt) expect(told).toBe(code);
    }
    expect([...codes]).toEqual(['VALID', code]);
    expect(proxy.countStatements(CREDENTIAL_QUERY)).toBe(asked);
  }

  it('holds for an expiry to the millisecond, without asking the database again', async () => {
    const endsAt = Date.now() + 1_500;
    const { token } = await tenant.issue({ expiresAt: new Date(endsAt).toISOString() });
    await expectEnd(token, endsAt, 'EXPIRED');
  });

  it('holds for a secret whose period of grace is over, while the new one goes on', async () => {
    const issued = await tenant.issue();
    const successor = await rotate(tenant, issued, 1);
    const [row] = await keyward.sql<{ retiresAt: Date }>(
      'select retires_at as "retiresAt" from token_secrets where token_id = $1 and retires_at is not null',
      [issued.id],
    );
    await expectEnd(issued.token, row!.retiresAt.getTime(), 'REVOKED');
    expect(await verify(platform(keyward), successor)).toMatchObject({ code: 'VALID', token: { id: issued.id } });
  });
});

async function rotate(tenant: Tenant, issued: IssuedToken, gracePeriodSeconds: number): Promise<string> {
  const answer = await tenant.owner.post<{ token: string }>(`${tenant.tokenPath(issued)}/rotate`, {
    body: { gracePeriodSeconds },
  });
  return expectStatus(answer, 200).token;
}

describe('the secrets of a token', () => {
  let keyward: Keyward;
  let tenant: Tenant;
  beforeAll(async () => {
    keyward = await startKeyward({ env: VERIFYING });
    tenant = await Tenant.create(keyward);
  });
  afterAll(() => keyward?.close());

  it('are all good during the grace of a rotation, and all revoked with the token', async () => {
    const operator = platform(keyward);
    const issued = await tenant.issue();
    const secrets = [issued.token, await rotate(tenant, issued, 3_600)];
    secrets.push(await rotate(tenant, issued, 3_600));
    for (const secret of secrets) {
      expect(await verify(operator, secret)).toMatchObject({ code: 'VALID', token: { id: issued.id } });
    }
    await tenant.revoke(issued);
    for (const secret of secrets) expect(await codeOf(operator, secret)).toBe('REVOKED');
  });

  it('share the rate limit of the token', async () => {
    const operator = platform(keyward);
    const issued = await tenant.issue({ rateLimit: 2 });
    const secrets = [issued.token, await rotate(tenant, issued, 3_600)];
    for (const secret of secrets) expect(await codeOf(operator, secret)).toBe('VALID');
    for (const secret of secrets) expect(await codeOf(operator, secret)).toBe('RATE_LIMITED');
  });

  it('are none of what the database holds of them', async () => {
    const { id } = await tenant.issue();
    const [row] = await keyward.sql<{ digest: Buffer }>('select digest from token_secrets where token_id = $1', [id]);
    const operator = platform(keyward);
    for (const encoding of ['hex', 'base64', 'base64url', 'latin1'] as const) {
      expect(await codeOf(operator, row!.digest.toString(encoding))).toBe('NOT_FOUND');
    }
  });
});

/** What is stored of a secret of a token. */
async function stored(keyward: Keyward, tokenName: string): Promise<{ digest: string; pepperId: string }> {
  const rows = await keyward.sql<{ digest: string; pepperId: string }>(
    `select encode(s.digest, 'hex') as digest, s.pepper_id as "pepperId"
     from token_secrets s join tokens t on t.id = s.token_id where t.name = $1 or t.id::text = $1`,
    [tokenName],
  );
  expect(rows).toHaveLength(1);
  return rows[0]!;
}

describe('when the pepper is changed', () => {
  it('tokens go over to the new one as they are used, and the old one can be dropped then', async () => {
    const databaseUrl = await createDatabase();
    const during = async <T>(peppers: string, work: (keyward: Keyward) => Promise<T>): Promise<T> => {
      const env = { ...VERIFYING, ...FLUSH, TOKEN_PEPPERS: peppers };
      const keyward = await startKeyward({ databaseUrl, env });
      return work(keyward).finally(() => keyward.close());
    };
    try {
      const [used, unused, asker] = await during(OLD_PEPPER!, async (keyward) => {
        const tenant = await Tenant.create(keyward);
        const tokens = [
          await tenant.issue(),
          await tenant.issue(),
          await tenant.issue({ scopes: ['api_tokens:verify'] }),
        ];
        expect(await codeOf(platform(keyward), tokens[0]!.token)).toBe('VALID');
        return tokens;
      });
      await during(`${NEW_PEPPER},${OLD_PEPPER}`, async (keyward) => {
        const before = await stored(keyward, used!.id);
        expect(before.pepperId).toBe('old');
        expect(await codeOf(platform(keyward).holding(asker!.token), used!.token)).toBe('VALID');
        for (const { id } of [used!, asker!]) {
          await eventually(5_000, async () => (await stored(keyward, id)).pepperId === 'new');
        }
        expect((await stored(keyward, used!.id)).digest).not.toBe(before.digest);
        expect((await stored(keyward, unused!.id)).pepperId).toBe('old');
        expect(await codeOf(platform(keyward), used!.token)).toBe('VALID');
      });
      await during(NEW_PEPPER!, async (keyward) => {
        expect(await codeOf(platform(keyward), used!.token)).toBe('VALID');
        expect(await codeOf(platform(keyward), unused!.token)).toBe('NOT_FOUND');
      });
      await during(`${OLD_PEPPER},${NEW_PEPPER}`, async (keyward) => {
        for (const { token } of [used!, unused!]) expect(await codeOf(platform(keyward), token)).toBe('VALID');
      });
    } finally {
      await dropDatabase(databaseUrl);
    }
  });
});

describe('a token that was imported by its SHA-256', () => {
  let keyward: Keyward;
  let tenant: Tenant;
  beforeAll(async () => {
    keyward = await startKeyward({ env: { ...VERIFYING, ...FLUSH } });
    tenant = await Tenant.create(keyward);
  });
  afterAll(() => keyward?.close());

  it('is good, and stored under the pepper when it was used for the first time', async () => {
    const secret = unique('made-elsewhere');
    await writeToken(keyward, { organizationId: tenant.id, secret, isImported: true });
    const [row] = await keyward.sql<{ id: string }>(
      `select token_id as id from token_secrets where pepper_id = 'sha256' and digest = $1`,
      [createHash('sha256').update(secret).digest()],
    );
    const operator = platform(keyward);
    expect(await codeOf(operator, secret)).toBe('VALID');
    await eventually(5_000, async () => (await stored(keyward, row!.id)).pepperId === 'test');
    expect((await stored(keyward, row!.id)).digest).not.toBe(createHash('sha256').update(secret).digest('hex'));
    expect(await codeOf(operator, secret)).toBe('VALID');
  });

  it('is not good by the digest itself, which a dump of the database shows', async () => {
    const secret = unique('made-elsewhere');
    await writeToken(keyward, { organizationId: tenant.id, secret, isImported: true });
    const digest = createHash('sha256').update(secret);
    const told = digest.digest('hex');
    expect(await codeOf(platform(keyward), told)).toBe('NOT_FOUND');
    expect(await codeOf(platform(keyward), secret)).toBe('VALID');
  });

  it('is not good when it has the form of our own, which is never stored that way', async () => {
    const issued = await tenant.issue();
    await keyward.sql(`update token_secrets set digest = $2, pepper_id = 'sha256' where token_id = $1`, [
      issued.id,
      createHash('sha256').update(issued.token).digest(),
    ]);
    expect(await codeOf(platform(keyward), issued.token)).toBe('NOT_FOUND');
  });
});
