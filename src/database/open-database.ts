import type pg from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { Schema1764000000000 } from '../../migrations/1764000000000-schema.js';
import { IssueToken1764100000000 } from '../../migrations/1764100000000-issue-token.js';
import { IssueTokensByTable1764200000000 } from '../../migrations/1764200000000-issue-tokens-by-table.js';
import type { Config } from '../config/config.js';
import { type DatabaseAddress, databaseAddress } from './database-address.js';
import { destroyIdle, destroyWhenSilent } from './dead-connections.js';
import { type EmbeddedPostgresServer, startEmbeddedPostgres } from './embedded-postgres.js';
import { LookUps } from './look-ups.js';
import { SnakeNaming } from './snake-naming.js';
import { TYPE_PARSERS } from './type-parsers.js';

/** Any number that all processes of one database agree on; it names the lock under which one of them migrates. */
const MIGRATION_LOCK = 0x6b657977;
/** How much later than the longest statement its answer, or the end of its transaction, may come. */
const SILENCE_ALLOWANCE_MS = 1_000;
const IDLE_TIMEOUT_MS = 10_000;

type EntityClass = new () => object;

/**
 * A data source that knows what has to be done before it closes, and that stops the embedded server, if it started one.
 * Nest closes it before the providers that use it; closing is the last thing a stopping process does.
 */
export class OwningDataSource extends DataSource {
  private readonly lastWork: (() => Promise<void>)[] = [];

  constructor(
    options: DataSourceOptions,
    readonly address: DatabaseAddress,
    /** What verifications read. Everything else goes through the data source itself. */
    readonly lookUps: LookUps,
    private readonly embedded: EmbeddedPostgresServer | undefined,
  ) {
    super(options);
  }

  /** Registers work that needs the database and has to be done when no request is under way any more. */
  beforeClosing(work: () => Promise<void>): void {
    this.lastWork.push(work);
  }

  /** Closes what is idle, when there is reason to think that connections have died without a word. */
  dropIdleConnections(): void {
    destroyIdle((this.driver as unknown as { readonly master: pg.Pool }).master);
    destroyIdle(this.lookUps.pool);
  }

  override async destroy(): Promise<void> {
    for (const work of this.lastWork) await work();
    await this.lookUps.pool.end();
    await super.destroy();
    await this.embedded?.stop();
  }
}

/**
 * Opens the configured database, or starts the embedded one, and brings its schema up to date.
 * Several processes may do so at once: one migrates, the others wait for it.
 */
export async function openDatabase(
  config: Config,
  entities: readonly EntityClass[],
  onPoolError: (error: Error) => void,
): Promise<OwningDataSource> {
  const { settings } = config;
  const embedded =
    settings.DATABASE_URL === '' ? await startEmbeddedPostgres({ dataDirectory: config.dataDirectory }) : undefined;
  const address = embedded ? embeddedAddress(embedded) : databaseAddress(settings.DATABASE_URL);
  const lookUpConnectionsMax = Math.floor(settings.DATABASE_POOL_MAX / 2);
  const lookUps = new LookUps({
    address,
    connectionsMax: lookUpConnectionsMax,
    // What was read longer ago than the bound of a revocation must not be answered.
    timeoutMs: Math.min(settings.DATABASE_LOOK_UP_TIMEOUT_MS, settings.REVOCATION_MAX_STALENESS_SECONDS * 1_000),
    onPoolError,
  });
  const dataSource = new OwningDataSource(
    {
      type: 'postgres',
      host: address.host,
      port: address.port,
      username: address.user,
      password: address.password,
      database: address.database,
      ssl: address.ssl,
      entities: [...entities],
      migrations: [Schema1764000000000, IssueToken1764100000000, IssueTokensByTable1764200000000],
      migrationsTableName: 'schema_migrations',
      namingStrategy: new SnakeNaming(),
      uuidExtension: 'pgcrypto',
      installExtensions: false,
      logging: false, // TypeORM logs parameters, and a parameter may be a digest or a person's name
      poolSize: settings.DATABASE_POOL_MAX - lookUpConnectionsMax,
      connectTimeoutMS: settings.DATABASE_CONNECT_TIMEOUT_MS,
      applicationName: 'keyward',
      poolErrorHandler: onPoolError,
      extra: {
        types: TYPE_PARSERS,
        statement_timeout: settings.DATABASE_STATEMENT_TIMEOUT_MS,
        idle_in_transaction_session_timeout: settings.DATABASE_STATEMENT_TIMEOUT_MS,
        keepAlive: true,
        // A connection that died without a word is noticed by the client, too. The pool closes idle ones before.
        onConnect: (client: pg.PoolClient) =>
          destroyWhenSilent(client, settings.DATABASE_STATEMENT_TIMEOUT_MS + SILENCE_ALLOWANCE_MS),
        idleTimeoutMillis: Math.min(settings.DATABASE_STATEMENT_TIMEOUT_MS, IDLE_TIMEOUT_MS),
      },
    },
    address,
    lookUps,
    embedded,
  );
  try {
    await dataSource.initialize();
    await migrate(dataSource);
    return dataSource;
  } catch (error) {
    if (dataSource.isInitialized) await dataSource.destroy();
    else await embedded?.stop();
    throw error;
  }
}

function embeddedAddress({ host, port, user, password, database }: EmbeddedPostgresServer): DatabaseAddress {
  return { host, port, user, password, database, ssl: false };
}

/** TypeORM takes no lock of its own while it migrates, so a session lock is held beside it. */
async function migrate(dataSource: DataSource): Promise<void> {
  const lockHolder = dataSource.createQueryRunner();
  try {
    await lockHolder.query('set statement_timeout = 0'); // the wait for another process's migration is not a slow statement
    await lockHolder.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await dataSource.runMigrations({ transaction: 'each' });
  } finally {
    await lockHolder.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await lockHolder.query('reset statement_timeout').catch(() => undefined);
    await lockHolder.release();
  }
}
