import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A token is issued by one statement: the lock of the organization's chain is then held for no round trip, and a creation
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

-- Writes a token with the first slug that is free, its secret, its annotations and its event. Answers null, and has written
-- nothing, when all slugs are taken. What else stands in the way is a violation: of a constraint, of
-- ck_tokens_owner_is_there when the owner has been deleted or removed, or of ck_tokens_per_owner when it has more than live_max tokens.
create function issue_token(
  draft tokens, slugs text[], secret token_secrets, marks jsonb, event audit_events, live_max integer) returns tokens
language plpgsql
as $$
declare
  wanted text;
  token tokens;
  owner_is_there boolean;
  live_count bigint;
begin
  foreach wanted in array slugs loop
    insert into tokens (id, organization_id, service_account_id, user_id, slug, name, scopes, authorized_ip_addresses, rate_limit,
      expires_at, created_at, created_by_id, created_by_name)
    values (draft.id, draft.organization_id, draft.service_account_id, draft.user_id, wanted, draft.name, draft.scopes,
      draft.authorized_ip_addresses, draft.rate_limit, draft.expires_at, draft.created_at, draft.created_by_id, draft.created_by_name)
    on conflict on constraint uq_tokens_slug do nothing
    returning * into token;
    exit when token.id is not null;
  end loop;
  if token.id is null then
    return null;
  end if;
  insert into token_secrets values (secret.*);
  if marks <> '{}' then
    insert into annotations (organization_id, token_id, key, value)
      select token.organization_id, token.id, mark.key, mark.value from jsonb_each_text(marks) as mark;
  end if;
  event.after := event.after || jsonb_build_object('slug', token.slug);
  insert into audit_events values (event.*);
  -- Behind the event, whose lock has put the changes of this organization into one order: what is asked here holds under
  -- concurrency, because each statement sees what has been committed before it.
  select case
      when token.service_account_id is not null then
        exists (select from service_accounts as account where account.id = token.service_account_id and account.deleted_at is null)
      when token.user_id is not null then
        exists (select from memberships as member where member.organization_id = token.organization_id
          and member.user_id = token.user_id and member.removed_at is null)
      else true
    end,
    (select count(*) from (
      select from tokens as live
      where live.organization_id = token.organization_id and live.owner_id = token.owner_id and live.revoked_at is null
      limit live_max + 1) as counted)
    into owner_is_there, live_count;
  if not owner_is_there then
    raise exception 'The owner is not there any more.' using errcode = 'check_violation', constraint = 'ck_tokens_owner_is_there';
  end if;
  if live_count > live_max then
    raise exception 'The owner has too many tokens.' using errcode = 'check_violation', constraint = 'ck_tokens_per_owner';
  end if;
  return token;
end
$$;
`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
drop trigger link_audit_event on audit_events;
drop function issue_token, link_audit_event, audit_event_hash;
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
