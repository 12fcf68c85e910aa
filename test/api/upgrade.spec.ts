import { randomBytes, randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { Schema1764000000000 } from '../../migrations/1764000000000-schema.js';
import { IssueToken1764100000000 } from '../../migrations/1764100000000-issue-token.js';
import { databaseAddress } from '../../src/database/database-address.js';
import { expectNothingHalfMade } from '../support/audit-chain.js';
import { createAccount, expectStatus, issueToken, signInOwner } from '../support/callers.js';
import {
  dropDatabase,
  openPool,
  PREFIX_VARIABLE,
  runOn,
  SERVER_URL_VARIABLE,
  urlOfDatabase,
} from '../support/databases.js';
import { startKeyward } from '../support/keyward.js';
import type { Token } from '../support/wire.js';

/** The migrations that databases have run which are in use, by name: what they say may not change any more. */
const DELIVERED = [Schema1764000000000, IssueToken1764100000000];

let databaseUrl: string;
beforeEach(async () => {
  const serverUrl = process.env[SERVER_URL_VARIABLE]!;
  const name = `${process.env[PREFIX_VARIABLE]!}_${randomBytes(6).toString('hex')}`;
  await runOn(serverUrl, `create database ${name} template template0`);
  databaseUrl = urlOfDatabase(serverUrl, name);
  const { host, port, user: username, password = '', database } = databaseAddress(databaseUrl);
  const earlier = new DataSource({
    type: 'postgres',
    host,
    port,
    username,
    password,
    database,
    migrations: DELIVERED,
    migrationsTableName: 'schema_migrations',
    installExtensions: false,
  });
  await earlier.initialize();
  await earlier.runMigrations({ transaction: 'each' });
  await earlier.destroy();
});
afterEach(() => dropDatabase(databaseUrl));

describe('a database of the version before', () => {
  it('is brought up to date at the start, while processes of that version go on issuing tokens', async () => {
    const keyward = await startKeyward({ databaseUrl });
    const pool = openPool(databaseUrl);
    try {
      const owner = await signInOwner(keyward);
      const account = await createAccount(owner);
      await issueToken(owner, account.slug, { name: 'New' });
      const organizationId = expectStatus(await owner.get<{ id: string }>('/organization'), 200).id;
      const [id, createdAt] = [randomUUID(), new Date().toISOString()];
      const ofOrganization = { organization_id: organizationId, created_at: createdAt };
      const item = {
        token: {
          ...ofOrganization,
          id,
          service_account_id: account.id,
          name: 'Old',
          scopes: ['orders:read'],
          authorized_ip_addresses: [],
          created_by_id: 'spec',
        },
        slugs: ['old'],
        secret: {
          ...ofOrganization,
          id: randomUUID(),
          token_id: id,
          digest: `\\x${randomBytes(32).toString('hex')}`,
          pepper_id: 'test',
        },
        annotations: {},
        event: {
          ...ofOrganization,
          id: randomUUID(),
          type: 'token.issued',
          actor_kind: 'user',
          actor_id: 'spec',
          request_id: 'spec',
          resource_type: 'token',
          resource_id: id,
          after: {},
        },
      };
      const issued = await pool.query('select place from issue_tokens($1, 1000)', [JSON.stringify([item])]);
      expect(issued.rows).toEqual([{ place: 1 }]);
      const list = await owner.get<Token[]>(`/service-accounts/${account.slug}/tokens`);
      expect(expectStatus(list, 200).map(({ name }) => name)).toEqual(['Old', 'New']);
      await expectNothingHalfMade(pool);
    } finally {
      await pool.end();
      await keyward.close();
    }
  });
});
