import { parse } from 'pg-connection-string';

/** How this process reaches PostgreSQL. Every member is given: `pg` would otherwise take the missing ones from PGHOST and its like. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly ssl: boolean | object;
}

/** The address that DATABASE_URL names. A socket directory is written percent-encoded as the host: postgres://user@%2Fvar%2Frun/db */
export function databaseAddress(url: string): DatabaseAddress {
  const { host, port, user, password, database, ssl } = parse(url);
  return {
    host: host || '127.0.0.1',
    port: port ? Number(port) : 5432,
    user: user || 'postgres',
    password,
    database: database || 'keyward',
    ssl: typeof ssl === 'object' ? ssl : ssl === true || ssl === 'true',
  };
}
