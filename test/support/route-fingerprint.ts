import type { Keyward } from './keyward.js';

/** Written behind the back of a request: they say that a credential was used, not that anything was changed. */
const NOTES_OF_USE = ['last_used_at', 'last_used_ip', 'last_used_user_agent'];

/** A digest of each table's rows, or of those that belong to one organization. */
export async function fingerprintOf(keyward: Keyward, organizationId?: string): Promise<Record<string, string>> {
  const tables = await keyward.sql<{ name: string; column: string | null }>(
    `select t.table_name as name, max(c.column_name) filter (where c.column_name = 'organization_id') as column
     from information_schema.tables t join information_schema.columns c using (table_schema, table_name)
     where t.table_schema = 'public' and t.table_type = 'BASE TABLE' group by t.table_name order by t.table_name`,
  );
  const parts = tables
    .map(({ name, column }) => ({ name, column: name === 'organizations' ? 'id' : column }))
    .filter(({ column }) => organizationId === undefined || column !== null)
    .map(({ name, column }) => {
      const condition = organizationId === undefined ? '' : `where t."${column}" = $2`;
      return `select '${name}' as name, md5(coalesce(string_agg(row, '' order by row), '')) as digest
              from (select (to_jsonb(t) - $1::text[])::text as row from "${name}" t ${condition}) as rows`;
    });
  const parameters = [NOTES_OF_USE, ...(organizationId === undefined ? [] : [organizationId])];
  const rows = await keyward.sql<{ name: string; digest: string }>(parts.join(' union all '), parameters);
  return Object.fromEntries(rows.map(({ name, digest }) => [name, digest]));
}
