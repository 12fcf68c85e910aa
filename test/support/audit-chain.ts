import type { Pool } from 'pg';
import type { DataSource } from 'typeorm';
import { AuditEventsReader, type ChainVerdict } from '../../src/audit/audit-events.reader.js';

/** Things that are there without what was to come into being with them, and the other way round. */
const HALF_MADE = `
select 'token without a secret' as problem, t.id from tokens t
  where not exists (select from token_secrets s where s.token_id = t.id)
union all select 'token without one event', t.id from tokens t
  where (select count(*) from audit_events e where e.type = 'token.issued' and e.resource_id = t.id) <> 1
union all select 'event without its token', e.resource_id from audit_events e
  where e.type = 'token.issued' and not exists (select from tokens t where t.id = e.resource_id)
union all select 'account without one event', a.id from service_accounts a
  where (select count(*) from audit_events e where e.type = 'service_account.created' and e.resource_id = a.id) <> 1
union all select 'organization without one event', o.id from organizations o
  where (select count(*) from audit_events e where e.type = 'organization.created' and e.resource_id = o.id) <> 1
union all select 'membership without one event', m.user_id from memberships m
  where (select count(*) from audit_events e where e.type = 'member.added' and e.resource_id = m.user_id
         and e.organization_id = m.organization_id) <> 1
union all select 'remembered key without its token', k.resource_id from idempotency_keys k
  where not exists (select from tokens t where t.id = k.resource_id)`;

/** Asserts that nothing is there by halves, and that the audit chain of each organization verifies. */
export async function expectNothingHalfMade(pool: Pool): Promise<void> {
  expect((await pool.query(HALF_MADE)).rows).toEqual([]);
  const { rows } = await pool.query<{ id: string; length: number }>(
    'select organization_id as id, count(*)::int as length from audit_events group by organization_id',
  );
  expect(rows.length).toBeGreaterThan(0);
  for (const { id, length } of rows) expect(await verifyChain(pool, id)).toEqual({ isIntact: true, length });
}

/** The verdict of the service's own reader, over a connection of the test's. */
export function verifyChain(pool: Pick<Pool, 'query'>, organizationId: string): Promise<ChainVerdict> {
  const query = async (text: string, parameters: unknown[]): Promise<unknown> =>
    (await pool.query(text, parameters)).rows;
  return new AuditEventsReader({ query } as unknown as DataSource).verifyChain(organizationId);
}
