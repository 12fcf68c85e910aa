import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Tokens that are issued together are written by one statement for each table, and their owners are locked before anything is
 * written. The function of the version before has the same name and other parameters; it stays, for processes of that version
 * that still run.
 */
export class IssueTokensByTable1764200000000 implements MigrationInterface {
  name = 'IssueTokensByTable1764200000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
-- Writes tokens of one organization: each with its slug or, where that is taken, with its spare one; and their secrets,
-- annotations and events. All are rows by the names of their columns; spare slugs are by the ids of tokens. The answer tells each
-- token and its place among those that were asked for; one that has found no free slug is left out, and nothing is written of
-- it. What else stands in the way is a violation, and nothing is written at all: of a constraint, of ck_tokens_owner_is_there when
-- an owner has been deleted or removed, or of ck_tokens_per_owner when one has more than live_max tokens.
--
-- The order of locks is that of every other change: owners, rows, and the chain last. So whoever waits for a row holds no chain.
-- Two transactions that want each other's names crosswise meet in a deadlock, and one of them is told so. What it takes to begin
-- a statement costs more than a row, so each table has one.
create function issue_tokens(tokens_asked jsonb, spare_slugs jsonb, secrets jsonb, annotations_asked jsonb, events jsonb, live_max integer)
  returns table (place integer, token tokens)
language plpgsql
as $$
declare
  drafts tokens[] := array(select draft from jsonb_populate_recordset(null::tokens, tokens_asked) as draft);
  organization uuid := drafts[1].organization_id;
  ids uuid[] := array(select draft.id from unnest(drafts) as draft);
  accounts uuid[];
  people uuid[];
  accounts_there integer := 0;
  people_there integer := 0;
  issued tokens[] := '{}';
  ids_issued uuid[] := '{}';
begin
  select array_remove(array_agg(distinct draft.service_account_id), null), array_remove(array_agg(distinct draft.user_id), null)
    into accounts, people from unnest(drafts) as draft;
  -- Held until the commit: an owner that is being deleted is waited for, and one that is to be deleted waits for its new tokens.
  if cardinality(accounts) > 0 then
    perform from service_accounts as account
      where account.organization_id = organization and account.id = any (accounts) and account.deleted_at is null
      order by account.id for share;
    get diagnostics accounts_there = row_count;
  end if;
  if cardinality(people) > 0 then
    perform from memberships as member
      where member.organization_id = organization and member.user_id = any (people) and member.removed_at is null
      order by member.user_id for share;
    get diagnostics people_there = row_count;
  end if;
  if accounts_there < cardinality(accounts) or people_there < cardinality(people) then
    raise exception 'An owner is not there any more.' using errcode = 'check_violation', constraint = 'ck_tokens_owner_is_there';
  end if;

  for attempt in 1 .. 2 loop
    with written as (
      insert into tokens (id, organization_id, service_account_id, user_id, slug, name, scopes, authorized_ip_addresses, rate_limit,
        expires_at, created_at, created_by_id, created_by_name)
      select draft.id, draft.organization_id, draft.service_account_id, draft.user_id, wanted.slug, draft.name, draft.scopes,
        draft.authorized_ip_addresses, draft.rate_limit, draft.expires_at, draft.created_at, draft.created_by_id, draft.created_by_name
      from unnest(drafts) as draft,
        lateral (select case attempt when 1 then draft.slug else spare_slugs->>draft.id::text end as slug) as wanted
      where wanted.slug is not null and draft.id <> all (ids_issued)
      order by wanted.slug, draft.service_account_id, draft.user_id
      on conflict on constraint uq_tokens_slug do nothing
      returning tokens as token)
    select issued || array_agg(written.token), ids_issued || array_agg((written.token).id) into issued, ids_issued from written;
    exit when cardinality(ids_issued) = cardinality(ids);
  end loop;

  insert into token_secrets (id, organization_id, token_id, digest, pepper_id, created_at)
    select secret.id, secret.organization_id, secret.token_id, secret.digest, secret.pepper_id, secret.created_at
    from jsonb_populate_recordset(null::token_secrets, secrets) as secret
    where secret.token_id = any (ids_issued);
  if jsonb_array_length(annotations_asked) > 0 then
    insert into annotations (organization_id, token_id, key, value)
      select mark.organization_id, mark.token_id, mark.key, mark.value
      from jsonb_populate_recordset(null::annotations, annotations_asked) as mark
      where mark.token_id = any (ids_issued);
  end if;
  insert into audit_events (id, organization_id, created_at, type, actor_kind, actor_id, actor_name, credential_id, ip_address,
      request_id, resource_type, resource_id, after)
    select event.id, event.organization_id, event.created_at, event.type, event.actor_kind, event.actor_id, event.actor_name,
      event.credential_id, event.ip_address, event.request_id, event.resource_type, event.resource_id,
      event.after || jsonb_build_object('slug', issued[array_position(ids_issued, event.resource_id)].slug)
    from jsonb_populate_recordset(null::audit_events, events) as event
    where event.resource_id = any (ids_issued);

  -- Behind the events, whose lock has put the changes of this organization into one order: each statement sees what has been
  -- committed before it, so the quota holds under concurrency.
  if exists (
    select from (select distinct one.owner_id from unnest(issued) as one) as owner
    where (select count(*) from (
        select from tokens as live
        where live.organization_id = organization and live.owner_id = owner.owner_id and live.revoked_at is null
        limit live_max + 1) as counted) > live_max) then
    raise exception 'The owner has too many tokens.' using errcode = 'check_violation', constraint = 'ck_tokens_per_owner';
  end if;
  return query select array_position(ids, one.id), one from unnest(issued) as one;
end
$$;
`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('drop function issue_tokens(jsonb, jsonb, jsonb, jsonb, jsonb, integer)');
  }
}
