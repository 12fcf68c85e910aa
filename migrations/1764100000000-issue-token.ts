import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Tokens are issued by one statement: the lock of the organization's chain is then held for no round trip, and a creation
 * asks the database twice in all. The chain itself costs less per event, and its hashes stay what they were.
 */
export class IssueToken1764100000000 implements MigrationInterface {
  name = 'IssueToken1764100000000';

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

-- Writes tokens of one organization: each with the first of its slugs that is free, its secret, its annotations and its
-- event. An item is {token, slugs, secret, annotations, event}, rows by the names of their columns. The answer tells the
-- token of each item by its place; one whose slugs are all taken is left out, and nothing is written of it. What else stands in the way
-- is a violation, and nothing is written at all: of a constraint, of ck_tokens_owner_is_there when an owner has been deleted or
-- removed, or of ck_tokens_per_owner when one has more than live_max tokens.
create function issue_tokens(items jsonb, live_max integer) returns table (place integer, token tokens)
language plpgsql
as $$
declare
  item jsonb;
  draft tokens;
  wanted text;
  issued tokens;
  event audit_events;
  places integer[] := '{}';
  tokens_issued tokens[] := '{}';
  owner_is_there boolean;
  live_count bigint;
begin
  -- All rows first, in the same order everywhere, and the lock of the chain after them: whoever waits for a row of somebody
  -- else holds nothing that others wait for.
  for item, place in
    select element, position from jsonb_array_elements(items) with ordinality as elements (element, position)
    order by element #>> '{slugs,0}'
  loop
    draft := jsonb_populate_record(null::tokens, item->'token');
    issued := null;
    for wanted in select jsonb_array_elements_text(item->'slugs') loop
      insert into tokens (id, organization_id, service_account_id, user_id, slug, name, scopes, authorized_ip_addresses, rate_limit,
        expires_at, created_at, created_by_id, created_by_name)
      values (draft.id, draft.organization_id, draft.service_account_id, draft.user_id, wanted, draft.name, draft.scopes,
        draft.authorized_ip_addresses, draft.rate_limit, draft.expires_at, draft.created_at, draft.created_by_id, draft.created_by_name)
      on conflict on constraint uq_tokens_slug do nothing
      returning * into issued;
      exit when issued.id is not null;
    end loop;
    continue when issued.id is null;
    insert into token_secrets select secret.* from jsonb_populate_record(null::token_secrets, item->'secret') as secret;
    if item->'annotations' <> '{}' then
      insert into annotations (organization_id, token_id, key, value)
        select issued.organization_id, issued.id, mark.key, mark.value from jsonb_each_text(item->'annotations') as mark;
    end if;
    places := places || place;
    tokens_issued := tokens_issued || issued;
  end loop;
  for index in 1 .. cardinality(places) loop
    event := jsonb_populate_record(null::audit_events, items->(places[index] - 1)->'event');
    event.after := event.after || jsonb_build_object('slug', tokens_issued[index].slug);
    insert into audit_events values (event.*);
  end loop;
  -- Behind the events, whose lock has put the changes of this organization into one order: what is asked here holds under
  -- concurrency, because each statement sees what has been committed before it.
  for index in 1 .. cardinality(places) loop
    issued := tokens_issued[index];
    select case
        when issued.service_account_id is not null then
          exists (select from service_accounts as account where account.id = issued.service_account_id and account.deleted_at is null)
        when issued.user_id is not null then
          exists (select from memberships as member where member.organization_id = issued.organization_id
            and member.user_id = issued.user_id and member.removed_at is null)
        else true
      end,
      (select count(*) from (
        select from tokens as live
        where live.organization_id = issued.organization_id and live.owner_id = issued.owner_id and live.revoked_at is null
        limit live_max + 1) as counted)
      into owner_is_there, live_count;
    if not owner_is_there then
      raise exception 'The owner is not there any more.' using errcode = 'check_violation', constraint = 'ck_tokens_owner_is_there';
    end if;
    if live_count > live_max then
      raise exception 'The owner has too many tokens.' using errcode = 'check_violation', constraint = 'ck_tokens_per_owner';
    end if;
  end loop;
  return query select places[index], tokens_issued[index] from generate_subscripts(places, 1) as index;
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
