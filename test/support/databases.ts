import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { databaseAddress } from '../../src/database/database-address.js';

/** Names of the variables by which the global set-up tells the specs what it prepared. */
export const SERVER_URL_VARIABLE = 'KEYWARD_TEST_SERVER_URL';
export const PREFIX_VARIABLE = 'KEYWARD_TEST_DATABASE_PREFIX';

/** The settings that every process of a test run shares; a spec adds its own to them. */
export const TEST_ENVIRONMENT = {
  NODE_ENV: 'test',
  LOG_LEVEL: 'silent',
  PORT: '0',
  // High enough not to be met by accident; the tests of the limits set their own.
  RATE_LIMIT_PER_MINUTE: '1000000',
  UNAUTHENTICATED_PER_MINUTE: '1000000',
  FAILED_VERIFICATIONS_PER_MINUTE: '1000000',
  AUTH_JWT_SECRET: 'the-secret-of-the-jwts-of-the-test-suite',
  TOKEN_PEPPERS: 'test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=',
} as const;

/** A URL of the same server with another database in its path. */
export function urlOfDatabase(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

export function templateOf(prefix: string): string {
  return `${prefix}_template`;
}

/** A pool whose every option is given: `pg` would take missing ones from PGHOST and its like. */
export function openPool(url: string): pg.Pool {
  const { host, port, user, password, database, ssl } = databaseAddress(url);
  const pool = new pg.Pool({ host, port, user, password: password ?? '', database, ssl, max: 2 });
  pool.on('error', () => undefined); // a session that ends while idle, as in a forced drop, is no failure of a test
  return pool;
}

export async function runOn(url: string, ...statements: string[]): Promise<void> {
  const pool = openPool(url);
  try {
    for (const statement of statements) await pool.query(statement);
  } finally {
    await pool.end();
  }
}

/** Makes a database of this run from its migrated template. Its name is random, so that parallel workers never meet. */
export async function createDatabase(): Promise<string> {
  const serverUrl = process.env[SERVER_URL_VARIABLE];
  const prefix = process.env[PREFIX_VARIABLE];
  if (!serverUrl || !prefix) throw new Error('The global set-up of jest did not run.');
  const name = `${prefix}_${randomBytes(6).toString('hex')}`;
  await runOn(serverUrl, `create database ${name} template ${templateOf(prefix)}`);
  return urlOfDatabase(serverUrl, name);
}

export async function dropDatabase(url: string): Promise<void> {
  const serverUrl = process.env[SERVER_URL_VARIABLE] ?? url;
  await runOn(serverUrl, `drop database if exists ${new URL(url).pathname.slice(1)} with (force)`);
}

/** Drops every database of a run, those of specs that died included. */
export async function dropDatabasesOf(prefix: string, serverUrl: string): Promise<void> {
  const pool = openPool(serverUrl);
  try {
    const { rows } = await pool.query<{ name: string; isTemplate: boolean }>(
      'select datname as name, datistemplate as "isTemplate" from pg_database where starts_with(datname, $1)',
      [`${prefix}_`],
    );
    for (const { name, isTemplate } of rows) {
      if (isTemplate) await pool.query(`alter database ${name} with is_template false`);
      await pool.query(`drop database if exists ${name} with (force)`);
    }
  } finally {
    await pool.end();
  }
}
