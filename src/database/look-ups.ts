import pg from 'pg';
import type { DatabaseAddress } from './database-address.js';
import { isConnectionLost } from './database-failure.js';
import { destroyIdle } from './dead-connections.js';
import type { PreparedStatement } from './prepared-statement.js';
import { TYPE_PARSERS } from './type-parsers.js';

export interface LookUpOptions {
  readonly address: DatabaseAddress;
  readonly connectionsMax: number;
  /** Longest wait for a connection, and for an answer. */
  readonly timeoutMs: number;
  readonly onPoolError: (error: Error) => void;
}

/**
 * The reads that verifications wait for, on connections of their own: neither changes that wait for a lock nor
 * connections that died without a word hold them up. What it answers was read no longer ago than the time-out.
 */
export class LookUps {
  readonly pool: pg.Pool;

  constructor({ address, connectionsMax, timeoutMs, onPoolError }: LookUpOptions) {
    this.pool = new pg.Pool({
      host: address.host,
      port: address.port,
      user: address.user,
      password: address.password,
      database: address.database,
      ssl: address.ssl,
      application_name: 'keyward look-ups',
      // Planned once, and by indexes even while the tables are small: given a list of unknown length, PostgreSQL would plan
      // each time anew, which takes ten times as long as the look-up.
      // PGOPTIONS is what `pg` would send otherwise.
      options: [process.env.PGOPTIONS ?? '', '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off']
        .join(' ')
        .trim(),
      max: connectionsMax,
      connectionTimeoutMillis: timeoutMs,
      // The server gives up first where it is merely slow: only one that says nothing at all is taken for dead, and asked again.
      statement_timeout: Math.ceil(timeoutMs * 0.8),
      query_timeout: timeoutMs,
      keepAlive: true,
      types: TYPE_PARSERS,
    });
    this.pool.on('error', onPoolError);
  }

  /**
   * A read on a connection that turns out to be dead is made again on a new one: a database that is back refuses nobody
   * for what happened to connections while it was away. One that is away, or slow, is not asked again.
   */
  async query<Row extends pg.QueryResultRow>({ name, text }: PreparedStatement, values: unknown[]): Promise<Row[]> {
    const ask = (): Promise<pg.QueryResult<Row>> => this.pool.query<Row>({ name, text, values });
    const { rows } = await ask().catch((error: unknown) => {
      if (!isConnectionLost(error)) throw error;
      destroyIdle(this.pool); // they are as old, and most likely as dead
      return ask();
    });
    return rows;
  }
}
