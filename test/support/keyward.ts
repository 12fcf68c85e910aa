import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { QueryResultRow } from 'pg';
import { Config } from '../../src/config/config.js';
import { createApp } from '../../src/create-app.js';
import { createDatabase, dropDatabase, openPool, TEST_ENVIRONMENT } from './databases.js';

export interface KeywardOptions {
  /** Settings beside those of TEST_ENVIRONMENT. */
  readonly env?: Readonly<Record<string, string>>;
  /** A database that the caller made and will drop; without it a fresh one is made and dropped. */
  readonly databaseUrl?: string;
}

/** A running instance with a database of its own. */
export interface Keyward {
  readonly url: string;
  readonly config: Config;
  readonly databaseUrl: string;
  /** The lines logged so far; none unless LOG_LEVEL is set. */
  readonly logs: readonly string[];
  /** Looks into the database beside the service, for what HTTP cannot show or bring about. */
  sql<Row extends QueryResultRow>(text: string, parameters?: unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

/** Boots the service in this process on a free port. */
export async function startKeyward(options: KeywardOptions = {}): Promise<Keyward> {
  const databaseUrl = options.databaseUrl ?? (await createDatabase());
  const discardDatabase = async (): Promise<void> => {
    if (options.databaseUrl === undefined) await dropDatabase(databaseUrl);
  };
  const logs: string[] = [];
  try {
    const config = Config.load({ ...TEST_ENVIRONMENT, DATABASE_URL: databaseUrl, ...options.env });
    const app = await listen(config, logs);
    const pool = openPool(databaseUrl);
    return {
      url: `http://127.0.0.1:${(app.getHttpServer().address() as { port: number }).port}`,
      config,
      databaseUrl,
      logs,
      sql: async <Row extends QueryResultRow>(text: string, parameters?: unknown[]) =>
        (await pool.query<Row>(text, parameters)).rows,
      close: async () => {
        await app.close().finally(() => pool.end());
        await discardDatabase();
      },
    };
  } catch (error) {
    await discardDatabase();
    throw error;
  }
}

async function listen(config: Config, logs: string[]): Promise<NestFastifyApplication> {
  const app = await createApp(config, { logStream: { write: (line) => void logs.push(line) } });
  await app.listen(0, '127.0.0.1');
  return app;
}
