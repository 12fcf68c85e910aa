import { createHash, createHmac, randomBytes } from 'node:crypto';
import { generateSecret } from '../../src/tokens/token-secret.js';
import { expectStatus, Person, signInOwner, unique } from '../support/callers.js';
import {
  createDatabase,
  dropDatabase,
  openPool,
  PREFIX_VARIABLE,
  runOn,
  SERVER_URL_VARIABLE,
  TEST_ENVIRONMENT,
  urlOfDatabase,
} from '../support/databases.js';
import { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import { CompiledKeyward } from '../support/process.js';
import type { Token } from '../support/wire.js';

const ADMIN = ['an-admin-token-that-was-made-elsewhere', generateSecret('kw', 'o')] as const;
const PLATFORM = ['a-platform-token-that-was-made-elsewhere', generateSecret('kw', 's')] as const;
const ENV = { INIT_ADMIN_API_TOKENS: ADMIN.join(), INIT_PLATFORM_TOKENS: PLATFORM.join() };
const PLATFORM_ACCOUNT = '/service-accounts/initial-platform-tokens';

interface Current extends Token {
  readonly id: string;
}

let databaseUrl: string;
beforeEach(async () => void (databaseUrl = await createDatabase()));
afterEach(() => dropDatabase(databaseUrl));

/** Lets one process live on the database of the test. */
async function during<T>(env: Record<string, string>, work: (keyward: Keyward) => Promise<T>): Promise<T> {
  const keyward = await startKeyward({ databaseUrl, env });
  try {
    return await work(keyward);
  } finally {
    await keyward.close();
  }
}

async function countsOf(keyward: Keyward): Promise<object> {
  const [counts] = await keyward.sql<Record<string, number>>(
    `select (select count(*) from tokens)::int as tokens, (select count(*) from token_secrets)::int as secrets,
       (select count(*) from organizations)::int as organizations, (select count(*) from service_accounts)::int as accounts,
       (select count(*) from audit_events)::int as events`,
  );
  return counts!;
}

describe('the tokens of INIT_ADMIN_API_TOKENS', () => {
  it('are of the organization `default` itself, with the admin role: everything but giving it away', async () => {
    await during(ENV, async ({ url }) => {
      for (const token of ADMIN) {
        const admin = new Client(url, token);
        expect(expectStatus(await admin.get('/organization'), 200)).toMatchObject({
          slug: 'default',
          externalId: 'default',
        });
        const current = expectStatus(await admin.get<Current>('/tokens/current'), 200);
        expect(current).not.toHaveProperty('serviceAccountId');
        expect([...current.scopes].sort()).toEqual(
          [
            ...['api_tokens', 'application:*', 'audit_events', 'members', 'organizations', 'roles', 'service_accounts'],
            'webhooks',
          ].sort(),
        );
        const body = { subject: unique('subject'), role: 'owner' };
        expectProblem(await admin.post('/organization/members', { body }), 403, 'member.role_exceeds_grantor');
        expectProblem(await admin.get('/organizations'), 403, 'access.denied');
      }
      // People whose JWT names the organization come into the same one.
      const person = await Person.signIn(url, { org: 'default', sub: unique('person') });
      expect(expectStatus(await person.get('/organization'), 200)).toMatchObject({ slug: 'default' });
    });
  });
});

describe('the tokens of INIT_PLATFORM_TOKENS', () => {
  it('are of a service account of the platform organization, with every scope of the platform', async () => {
    await during(ENV, async ({ url }) => {
      for (const token of PLATFORM) {
        const operator = new Client(url, token);
        const current = expectStatus(await operator.get<Current>('/tokens/current'), 200);
        expect(current.scopes).toEqual(expect.arrayContaining(['platform:verify', 'platform:organizations']));
        expect(current.serviceAccountId).toBeDefined();
        expectStatus(await operator.get('/organizations'), 200);
        expectStatus(await operator.post('/tokens/verify', { body: { token: ADMIN[0] } }), 200);
        const verdict = await operator.post('/tokens/verify', { body: { token: ADMIN[0] } });
        expect(verdict.body).toMatchObject({ valid: true, organization: { slug: 'default' } });
      }
    });
  });
});

describe('initial tokens', () => {
  it('are the same after a restart, whatever their order, and a new one is added to them', async () => {
    const first = await during(ENV, countsOf);
    const env = { INIT_ADMIN_API_TOKENS: [...ADMIN].reverse().join(), INIT_PLATFORM_TOKENS: PLATFORM.join() };
    expect(await during(env, countsOf)).toEqual(first);
    const another = 'another-admin-token-that-was-made-elsewhere';
    await during({ ...ENV, INIT_ADMIN_API_TOKENS: [another, ...ADMIN].join() }, async (keyward) => {
      expect(await countsOf(keyward)).toEqual({ ...first, tokens: 5, secrets: 5, events: expect.any(Number) });
      for (const token of [another, ...ADMIN]) {
        expectStatus(await new Client(keyward.url, token).get('/organization'), 200);
      }
    });
  });

  it('go on working when they are no longer in the variable, until somebody revokes them', async () => {
    await during(ENV, async () => undefined);
    await during({}, async ({ url }) => {
      for (const token of [...ADMIN, ...PLATFORM]) expectStatus(await new Client(url, token).get('/scopes'), 200);
    });
  });

  it('are stored as their digest under the pepper only', async () => {
    const values = [...ADMIN, ...PLATFORM];
    await during(ENV, async (keyward) => {
      const rows = await keyward.sql<{ digest: Buffer; pepper_id: string }>('select * from token_secrets');
      const [pepperId, key] = TEST_ENVIRONMENT.TOKEN_PEPPERS.split(':') as [string, string];
      const digestOf = (value: string): string =>
        createHmac('sha256', Buffer.from(key, 'base64')).update(value).digest('hex');
      expect(rows.map(({ digest }) => digest.toString('hex')).sort()).toEqual(values.map(digestOf).sort());
      expect(new Set(rows.map((row) => row.pepper_id))).toEqual(new Set([pepperId]));
      const tables = await keyward.sql<{ name: string }>(
        "select table_name as name from information_schema.tables where table_schema = 'public'",
      );
      for (const { name } of tables) {
        const text = (await keyward.sql<{ row: string }>(`select t::text as row from "${name}" t`)).map(
          ({ row }) => row,
        );
        for (const value of values) {
          expect(text.join('\n')).not.toContain(value);
          expect(text.join('\n')).not.toContain(createHash('sha256').update(value).digest('hex'));
        }
      }
    });
  });

  it('that were revoked, or whose account was deleted, do not come back with a restart', async () => {
    await during(ENV, async (keyward) => {
      const operator = new Client(keyward.url, PLATFORM[0]);
      const other = expectStatus(await new Client(keyward.url, PLATFORM[1]).get<Current>('/tokens/current'), 200);
      expectStatus(await operator.delete(`${PLATFORM_ACCOUNT}/tokens/${other.slug}`), 204);
      const { id } = expectStatus(await new Client(keyward.url, ADMIN[0]).get<Current>('/tokens/current'), 200);
      await keyward.sql("update tokens set revoked_at = now(), revoked_by_id = 'operator' where id = $1", [id]);
    });
    const after = await during(ENV, async (keyward) => {
      for (const token of [PLATFORM[1], ADMIN[0]]) {
        expectProblem(await new Client(keyward.url, token).get('/scopes'), 401, 'authentication.invalid');
      }
      expectStatus(await new Client(keyward.url, PLATFORM[0]).delete(PLATFORM_ACCOUNT), 204);
      return countsOf(keyward);
    });
    await during(ENV, async (keyward) => {
      expect(await countsOf(keyward)).toEqual(after);
      expectProblem(await new Client(keyward.url, PLATFORM[0]).get('/scopes'), 401, 'authentication.invalid');
    });
    // A new value is a new decision of the operator's.
    const env = { INIT_PLATFORM_TOKENS: 'a-new-platform-token-of-the-operator' };
    await during(env, async ({ url }) => {
      expectStatus(await new Client(url, env.INIT_PLATFORM_TOKENS).get('/organizations'), 200);
    });
  });
});

describe('a real process', () => {
  let compiled: CompiledKeyward;
  beforeAll(async () => void (compiled = await CompiledKeyward.make()));
  afterAll(() => compiled?.remove());

  it('does not start with an initial token that is a mistyped one of ours, and tells which but not what', async () => {
    const mistyped = `${ADMIN[1].slice(0, -1)}${ADMIN[1].endsWith('0') ? '1' : '0'}`;
    const env = { DATABASE_URL: databaseUrl, INIT_ADMIN_API_TOKENS: `${ADMIN[0]},${mistyped}` };
    const { code, output } = await compiled.run('src/main.js', [], env);
    expect({ code, output }).toEqual({ code: 1, output: expect.stringMatching(/Initial admin token 2/) });
    expect(output).not.toContain(mistyped.slice(4, 40));
  });

  it('starts beside others on an empty database, which they set up once', async () => {
    const name = `${process.env[PREFIX_VARIABLE]}_${randomBytes(6).toString('hex')}`;
    const serverUrl = process.env[SERVER_URL_VARIABLE]!;
    await runOn(serverUrl, `create database ${name}`);
    const url = urlOfDatabase(serverUrl, name);
    try {
      const processes = await Promise.all(
        Array.from({ length: 3 }, () => compiled.start({ DATABASE_URL: url, ...ENV })),
      );
      for (const keyward of processes) {
        for (const token of [...ADMIN, ...PLATFORM]) {
          expectStatus(await new Client(keyward.url, token).get('/scopes'), 200);
        }
      }
      const pool = openPool(url);
      const { rows } = await pool.query(
        'select (select count(*) from tokens)::int as tokens, (select count(*) from organizations)::int as organizations',
      );
      await pool.end();
      expect(rows).toEqual([{ tokens: 4, organizations: 2 }]);
      await Promise.all(processes.map((keyward) => keyward.kill()));
    } finally {
      await dropDatabase(url);
    }
  }, 60_000);
});

describe('the platform organization', () => {
  it('is never entered with a JWT, whatever its organization claim names', async () => {
    await during(ENV, async (keyward) => {
      const [platform] = await keyward.sql<{ id: string; slug: string; name: string }>(
        'select id, slug, name from organizations where is_platform',
      );
      for (const org of [platform!.id, platform!.slug, platform!.name]) {
        for (const role of [undefined, 'owner']) {
          const intruder = await Person.signIn(keyward.url, {
            org,
            sub: unique('intruder'),
            ...(role ? { role } : {}),
          });
          const standing = await intruder.get<{ id: string }>('/organization');
          // The name may become that of a tenant, but not the platform.
          if (standing.status === 200) expect(standing.body.id).not.toBe(platform!.id);
          expectProblem(await intruder.get('/organizations'), 403, 'access.denied');
        }
      }
      const members = await keyward.sql('select 1 from memberships where organization_id = $1', [platform!.id]);
      expect(members).toEqual([]);
      const enter = keyward.sql("update organizations set external_id = 'x' where is_platform");
      await expect(enter).rejects.toThrow('ck_organizations_platform_is_closed');
    });
  });

  it('is the only one that may hold its scopes', async () => {
    await during(ENV, async (keyward) => {
      const tenants = [await signInOwner(keyward), new Client(keyward.url, ADMIN[0])];
      for (const tenant of tenants) {
        const slug = unique('account');
        expectStatus(await tenant.post('/service-accounts', { body: { name: 'A', slug } }), 201);
        const tokens = `/service-accounts/${slug}/tokens`;
        expectStatus(await tenant.post(tokens, { body: { name: 'T', slug: 'tt', scopes: [] } }), 201);
        for (const scope of ['platform', 'platform:verify', 'platform:organizations', 'platform:anything']) {
          const refused = [
            await tenant.post(tokens, { body: { name: 'x', scopes: ['orders', scope] } }),
            await tenant.patch(`${tokens}/tt`, { body: { scopes: ['orders', scope] } }),
            await tenant.post('/organization/roles', { body: { name: 'x', scopes: ['orders', scope] } }),
          ];
          for (const answer of refused) expectInvalid(answer, 'body.scopes[1]');
        }
        expect((await tenant.get('/scopes')).text).not.toContain('platform:');
      }
      expect((await new Client(keyward.url, PLATFORM[0]).get('/scopes')).text).toContain('"platform:verify"');
    });
  });
});
