import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Tokens are issued by one statement: the lock of the organization's chain is then held for no round trip, and a creation
 * asks the database twice in all. The chain itself costs less per event, and its hashes stay what they were.
 */
export class IssueTokens1764100000000 implements MigrationInterface {
  name = 'IssueTokens1764100000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
-- The hash of an event: of the previous hash and of everything the event says, as before. PL/pgSQL keeps its plan for as long
-- as the session lasts, where an SQL function may be planned anew in each transaction.
drop trigger link_audit_event on audit_events;
drop function link_audit_event, audit_event_hash;
create function audit_event_hash(previous_hash bytea, sequence bigint, event audit_events) returns bytea
language plpgsql immutable parallel safe
as $$
begin
  return sha256(previous_hash || convert_to(jsonb_build_array(
    event.organization_id, sequence, event.id, (extract(epoch from event.created_at) * 1000)::bigint, event.type,
    event.actor_kind, event.actor_id, event.actor_name, event.credential_id, host(event.ip_address), event.request_id,
    event.resource_type, event.resource_id, event.before, event.after)::text, 'UTF8'));
end
$$;

-- As before, but the end of the chain is written once per event: what the last link was linked to stands beside it. The first
-- event of an organization is written with the organization itself, which nobody else sees by then.
alter table audit_chains add column previous_hash bytea not null default '';
create function link_audit_event() returns trigger
language plpgsql
as $$
begin
  update audit_chains as chain
    set sequence = chain.sequence + 1, previous_hash = chain.hash, hash = audit_event_hash(chain.hash, chain.sequence + 1, new)
    where chain.organization_id = new.organization_id
    returning chain.sequence, chain.previous_hash, chain.hash into new.sequence, new.previous_hash, new.hash;
  if not found then
    new.sequence := 1;
    new.previous_hash := '';
    new.hash := audit_event_hash(new.previous_hash, new.sequence, new);
    insert into audit_chains (organization_id, sequence, hash) values (new.organization_id, new.sequence, new.hash);
  end if;
  perform pg_notify('keyward_changes', json_build_object(
    'organizationId', new.organization_id, 'resourceType', new.resource_type, 'resourceId', new.resource_id, 'type', new.type,
    'at', (extract(epoch from clock_timestamp()) * 1000)::bigint)::text);
  return new;
end
$$;
create trigger link_audit_event before insert on audit_events for each row execute function link_audit_event();

-- Writes tokens of one organization: each with its slug or, where that is taken, with its spare one; and their secrets,
-- annotations and events. The items are {tokens, spareSlugs, secrets, annotations, events}: rows by the names of their columns,
-- and slugs by the ids of tokens. The answer tells each token and its place among those that were asked for; one that has found no
-- free slug is left out, and nothing is written of it. What else stands in the way is a violation, and nothing is written at
-- all: of a constraint, of ck_tokens_owner_is_there when an owner has been deleted or removed, or of ck_tokens_per_owner when one
-- has more than live_max tokens.
--
-- The order of locks is that of every other change: owners, rows, and the chain last. So whoever waits for a row holds no chain;
-- two transactions that want each other's names crosswise meet in a deadlock, and one of them is told so. Each table is written by one statement: what it takes to begin one costs more than a row.
create function issue_tokens(items jsonb, live_max integer) returns table (place integer, token tokens)
language plpgsql
as $$
declare
  drafts tokens[] := array(select draft from jsonb_populate_recordset(null::tokens, items->'tokens') as draft);
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
        lateral (select case attempt when 1 then draft.slug else items->'spareSlugs'->>draft.id::text end as slug) as wanted
      where wanted.slug is not null and draft.id <> all (ids_issued)
      order by wanted.slug, draft.service_account_id, draft.user_id
      on conflict on constraint uq_tokens_slug do nothing
      returning tokens as token)
    select issued || array_agg(written.token), ids_issued || array_agg((written.token).id) into issued, ids_issued from written;
    exit when cardinality(ids_issued) = cardinality(ids);
  end loop;

  insert into token_secrets (id, organization_id, token_id, digest, pepper_id, created_at)
    select secret.id, secret.organization_id, secret.token_id, secret.digest, secret.pepper_id, secret.created_at
    from jsonb_populate_recordset(null::token_secrets, items->'secrets') as secret
    where secret.token_id = any (ids_issued);
  if jsonb_array_length(items->'annotations') > 0 then
    insert into annotations (organization_id, token_id, key, value)
      select mark.organization_id, mark.token_id, mark.key, mark.value
      from jsonb_populate_recordset(null::annotations, items->'annotations') as mark
      where mark.token_id = any (ids_issued);
  end if;
  insert into audit_events (id, organization_id, created_at, type, actor_kind, actor_id, actor_name, credential_id, ip_address,
      request_id, resource_type, resource_id, after)
    select event.id, event.organization_id, event.created_at, event.type, event.actor_kind, event.actor_id, event.actor_name,
      event.credential_id, event.ip_address, event.request_id, event.resource_type, event.resource_id,
      event.after || jsonb_build_object('slug', issued[array_position(ids_issued, event.resource_id)].slug)
    from jsonb_populate_recordset(null::audit_events, items->'events') as event
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
    await queryRunner.query(`
drop trigger link_audit_event on audit_events;
drop function issue_tokens, link_audit_event, audit_event_hash;
alter table audit_chains drop column previous_hash;

create function audit_event_hash(previous_hash bytea, event audit_events) returns bytea
language sql immutable parallel safe
as $$
  select sha256(previous_hash || convert_to(jsonb_build_array(
    event.organization_id, event.sequence, event.id, (extract(epoch from event.created_at) * 1000)::bigint, event.type,
    event.actor_kind, event.actor_id, event.actor_name, event.credential_id, host(event.ip_address), event.request_id,
    event.resource_type, event.resource_id, event.before, event.after)::text, 'UTF8'))
$$;

create function link_audit_event() returns trigger
language plpgsql
as $$
begin
  insert into audit_chains as chain (organization_id, sequence, hash) values (new.organization_id, 1, '')
    on conflict on constraint pk_audit_chains do update set sequence = chain.sequence + 1
    returning chain.sequence, chain.hash into new.sequence, new.previous_hash;
  new.hash := audit_event_hash(new.previous_hash, new);
  update audit_chains set hash = new.hash where organization_id = new.organization_id;
  perform pg_notify('keyward_changes', json_build_object(
    'organizationId', new.organization_id, 'resourceType', new.resource_type, 'resourceId', new.resource_id, 'type', new.type,
    'at', (extract(epoch from clock_timestamp()) * 1000)::bigint)::text);
  return new;
end
$$;
create trigger link_audit_event before insert on audit_events for each row execute function link_audit_event();
`);
  }
}
