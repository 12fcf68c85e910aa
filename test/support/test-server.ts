import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Config } from '../../src/config/config.js';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { openDatabase } from '../../src/database/open-database.js';
import {
  dropDatabasesOf,
  PREFIX_VARIABLE,
  runOn,
  SERVER_URL_VARIABLE,
  templateOf,
  TEST_ENVIRONMENT,
  urlOfDatabase,
} from './databases.js';

/** A PostgreSQL server with a migrated template database, for one run of the suite. */
export interface TestServer {
  /** Removes everything that the run made: databases, and the server with its directory if it was ours. */
  stop(): Promise<void>;
}

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

/** The server that DATABASE_URL names, or an embedded one that is thrown away afterwards. The specs find it in process.env. */
export async function startTestServer(configuredUrl: string | undefined): Promise<TestServer> {
  const prefix = `keyward_test_${randomBytes(4).toString('hex')}`;
  const server = configuredUrl ? { url: configuredUrl, stop: async () => undefined } : await startThrowawayServer();
  const stop = async (): Promise<void> => {
    try {
      await dropDatabasesOf(prefix, server.url);
    } finally {
      await server.stop();
    }
  };
  try {
    await createTemplate(prefix, server.url);
  } catch (error) {
    await stop();
    throw error;
  }
  process.env[SERVER_URL_VARIABLE] = server.url;
  process.env[PREFIX_VARIABLE] = prefix;
  return { stop };
}

async function startThrowawayServer(): Promise<Server> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'keyward-test-'));
  const removeDirectory = (): Promise<void> => rm(dataDirectory, { recursive: true, force: true });
  try {
    // Nothing here outlives the run, so that nothing needs to survive a power failure.
    const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
    const postgres = await startEmbeddedPostgres({ dataDirectory, settings });
    const host = encodeURIComponent(postgres.host);
    return {
      url: `postgres://${postgres.user}@${host}:${postgres.port}/${postgres.database}`,
      stop: () => postgres.stop().finally(removeDirectory),
    };
  } catch (error) {
    await removeDirectory();
    throw error;
  }
}

async function createTemplate(prefix: string, serverUrl: string): Promise<void> {
  const template = templateOf(prefix);
  const url = urlOfDatabase(serverUrl, template);
  await runOn(serverUrl, `create database ${template}`);
  const config = Config.load({ ...TEST_ENVIRONMENT, DATABASE_URL: url });
  const dataSource = await openDatabase(config, [], () => undefined);
  await dataSource.destroy();
  // A database can be copied only while nobody is connected to it; now nobody can be.
  await runOn(serverUrl, `alter database ${template} with is_template true allow_connections false`);
}
