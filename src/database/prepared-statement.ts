import { createHash } from 'node:crypto';
import type { ClientBase, Pool, QueryResult } from 'pg';
import type { EntityManager } from 'typeorm';

/** A statement that PostgreSQL parses and plans once per connection instead of each time: for what requests wait for. */
export interface PreparedStatement {
  /** Of its text, so that a connection never takes one statement for another. */
  readonly name: string;
  readonly text: string;
}

export function prepared(text: string): PreparedStatement {
  return { name: `keyward_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`, text };
}

/** Runs the statement in the transaction of the manager where it has one, or else on a connection of the pool. */
export async function runPrepared<Row>(
  { queryRunner, dataSource }: EntityManager,
  { name, text }: PreparedStatement,
  values: unknown[],
): Promise<Row[]> {
  const source = queryRunner
    ? ((await queryRunner.connect()) as ClientBase)
    : (dataSource.driver as unknown as { readonly master: Pool }).master;
  const result: QueryResult = await source.query({ name, text, values });
  return result.rows as Row[];
}
