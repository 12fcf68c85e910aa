import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The whole domain. Invariants that matter are constraints: the tenant column is part of every foreign key between tenants' rows. */
export class Schema1764000000000 implements MigrationInterface {
  name = 'Schema1764000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
create table organizations (
  id uuid not null,
  slug varchar(100) not null,
  external_id varchar(255),
  name varchar(100) not null,
  is_platform boolean not null default false,
  suspended_at timestamptz(3),
  token_lifetime_max_seconds integer,
  token_lifetime_default_seconds integer,
  version integer not null default 1,
  created_at timestamptz(3) not null,
  constraint pk_organizations primary key (id),
  constraint uq_organizations_slug unique (slug),
  constraint uq_organizations_external_id unique (external_id),
  constraint ck_organizations_slug check (slug ~ '^[a-z0-9][a-z0-9-]*[a-z0-9]$' and slug <> 'organization'),
  constraint ck_organizations_platform_is_closed check (not is_platform or (external_id is null and suspended_at is null)),
  constraint ck_organizations_token_lifetime check (
    token_lifetime_max_seconds > 0 and token_lifetime_default_seconds > 0
    and token_lifetime_default_seconds <= coalesce(token_lifetime_max_seconds, token_lifetime_default_seconds))
);
-- There is one platform organization, or none yet.
create unique index uq_organizations_platform on organizations (is_platform) where is_platform;
create index ix_organizations_created on organizations (created_at desc, id desc);

create table users (
  id uuid not null,
  issuer varchar(2048) not null,
  subject varchar(255) not null,
  created_at timestamptz(3) not null,
  constraint pk_users primary key (id),
  constraint uq_users_identity unique (issuer, subject)
);

-- Roles 1 to 4 are built in and live in code; a row here is a custom role of one organization.
create table roles (
  number integer not null generated always as identity (start with 100),
  organization_id uuid not null,
  id uuid not null,
  slug varchar(100) not null,
  name varchar(100) not null,
  description varchar(500),
  scopes text[] not null,
  version integer not null default 1,
  created_at timestamptz(3) not null,
  constraint pk_roles primary key (organization_id, number),
  constraint uq_roles_number unique (number),
  constraint uq_roles_slug unique (organization_id, slug),
  constraint fk_roles_organization foreign key (organization_id) references organizations (id),
  constraint ck_roles_number_is_custom check (number >= 100)
);

create table memberships (
  organization_id uuid not null,
  user_id uuid not null,
  -- What this organization calls the person; another one may call them otherwise, and shall not be told.
  name varchar(200),
  role_number integer not null,
  custom_role_number integer generated always as (case when role_number >= 100 then role_number end) stored,
  created_at timestamptz(3) not null,
  -- A removed member stays removed until added again: their JWT would otherwise bring them back at once.
  removed_at timestamptz(3),
  version integer not null default 1,
  constraint pk_memberships primary key (organization_id, user_id),
  constraint fk_memberships_organization foreign key (organization_id) references organizations (id),
  constraint fk_memberships_user foreign key (user_id) references users (id),
  constraint fk_memberships_role foreign key (organization_id, custom_role_number) references roles (organization_id, number),
  constraint ck_memberships_role_is_known check (role_number between 1 and 4 or role_number >= 100)
);
create index ix_memberships_created on memberships (organization_id, created_at desc, user_id desc) where removed_at is null;
create index ix_memberships_role on memberships (organization_id, custom_role_number) where custom_role_number is not null;

create table service_accounts (
  id uuid not null,
  number bigint not null generated always as identity,
  organization_id uuid not null,
  slug varchar(100) not null,
  external_id varchar(36) not null,
  name varchar(100) not null,
  description varchar(500),
  role_number integer,
  custom_role_number integer generated always as (case when role_number >= 100 then role_number end) stored,
  disabled_at timestamptz(3),
  deleted_at timestamptz(3),
  version integer not null default 1,
  created_at timestamptz(3) not null,
  created_by_id varchar(64) not null,
  created_by_name varchar(200),
  constraint pk_service_accounts primary key (id),
  constraint uq_service_accounts_tenant unique (organization_id, id),
  constraint uq_service_accounts_number unique (number),
  constraint uq_service_accounts_external_id unique (external_id),
  constraint fk_service_accounts_organization foreign key (organization_id) references organizations (id),
  constraint fk_service_accounts_role foreign key (organization_id, custom_role_number) references roles (organization_id, number),
  constraint ck_service_accounts_role_is_known check (role_number between 1 and 4 or role_number >= 100),
  constraint ck_service_accounts_slug check (slug ~ '^[a-z0-9][a-z0-9-]*[a-z0-9]$')
);
-- A deleted account frees its slug: clients of the Unleash dialect delete and create again under the same one.
create unique index uq_service_accounts_slug on service_accounts (organization_id, slug) where deleted_at is null;
create index ix_service_accounts_created on service_accounts (organization_id, created_at desc, id desc) where deleted_at is null;
create index ix_service_accounts_role on service_accounts (organization_id, custom_role_number) where custom_role_number is not null;

create table tokens (
  id uuid not null,
  number bigint not null generated always as identity,
  organization_id uuid not null,
  -- A token belongs to a service account, to a member (personal), or to the organization itself.
  service_account_id uuid,
  user_id uuid,
  owner_id uuid not null generated always as (coalesce(service_account_id, user_id, organization_id)) stored,
  slug varchar(100) not null,
  name varchar(100) not null,
  -- null: none of its own, it carries the role of its owner.
  scopes text[],
  authorized_ip_addresses cidr[] not null default '{}',
  rate_limit integer,
  expires_at timestamptz(3),
  revoked_at timestamptz(3),
  revoked_by_id varchar(64),
  revoked_by_name varchar(200),
  version integer not null default 1,
  created_at timestamptz(3) not null,
  created_by_id varchar(64) not null,
  created_by_name varchar(200),
  last_used_at timestamptz(3),
  last_used_ip inet,
  last_used_user_agent varchar(200),
  constraint pk_tokens primary key (id),
  constraint uq_tokens_tenant unique (organization_id, id),
  constraint uq_tokens_number unique (number),
  constraint uq_tokens_slug unique (organization_id, owner_id, slug),
  constraint fk_tokens_organization foreign key (organization_id) references organizations (id),
  constraint fk_tokens_service_account foreign key (organization_id, service_account_id) references service_accounts (organization_id, id),
  constraint fk_tokens_member foreign key (organization_id, user_id) references memberships (organization_id, user_id),
  constraint ck_tokens_has_one_owner check (num_nonnulls(service_account_id, user_id) <= 1),
  constraint ck_tokens_slug check (slug ~ '^[a-z0-9][a-z0-9-]*[a-z0-9]$'),
  constraint ck_tokens_rate_limit check (rate_limit > 0),
  constraint ck_tokens_revoked_by check ((revoked_at is null) = (revoked_by_id is null))
) with (fillfactor = 85); -- room for the updates of last use to stay on their page (HOT)
create unique index uq_tokens_name on tokens (organization_id, owner_id, name) where revoked_at is null;
create index ix_tokens_owner_created on tokens (organization_id, owner_id, created_at desc, id desc);
create index ix_tokens_live_created on tokens (organization_id, created_at desc, id desc) where revoked_at is null and user_id is null;

create table token_secrets (
  id uuid not null,
  organization_id uuid not null,
  token_id uuid not null,
  digest bytea not null,
  pepper_id varchar(32) not null,
  created_at timestamptz(3) not null,
  retires_at timestamptz(3),
  last_used_at timestamptz(3),
  constraint pk_token_secrets primary key (id),
  constraint uq_token_secrets_digest unique (digest),
  constraint fk_token_secrets_token foreign key (organization_id, token_id) references tokens (organization_id, id),
  constraint ck_token_secrets_digest check (octet_length(digest) = 32)
) with (fillfactor = 85);
create index ix_token_secrets_token on token_secrets (token_id);

create table annotations (
  organization_id uuid not null,
  token_id uuid not null,
  key varchar(64) not null,
  value varchar(255) not null,
  constraint pk_annotations primary key (token_id, key),
  constraint fk_annotations_token foreign key (organization_id, token_id) references tokens (organization_id, id)
);
create index ix_annotations_value on annotations (organization_id, key, value, token_id);

create table idempotency_keys (
  organization_id uuid not null,
  principal_id uuid not null,
  key varchar(255) not null,
  request_digest bytea not null,
  resource_id uuid not null,
  created_at timestamptz(3) not null,
  constraint pk_idempotency_keys primary key (organization_id, principal_id, key),
  constraint fk_idempotency_keys_organization foreign key (organization_id) references organizations (id)
);
create index ix_idempotency_keys_created on idempotency_keys (created_at);
`);

    await queryRunner.query(`
create table audit_events (
  organization_id uuid not null,
  sequence bigint not null,
  id uuid not null,
  created_at timestamptz(3) not null,
  type varchar(64) not null,
  actor_kind varchar(20) not null,
  actor_id varchar(64) not null,
  actor_name varchar(200),
  credential_id uuid,
  ip_address inet,
  request_id varchar(128) not null,
  resource_type varchar(32) not null,
  resource_id uuid not null,
  before jsonb,
  after jsonb,
  previous_hash bytea not null,
  hash bytea not null,
  constraint pk_audit_events primary key (organization_id, sequence),
  constraint uq_audit_events_id unique (id),
  constraint fk_audit_events_organization foreign key (organization_id) references organizations (id)
);
create index ix_audit_events_created on audit_events (organization_id, created_at desc, id desc);
create index ix_audit_events_resource on audit_events (organization_id, resource_id, created_at desc, id desc);

-- The last link of each organization's chain. Its row lock puts the changes of one organization into one order.
create table audit_chains (
  organization_id uuid not null,
  sequence bigint not null,
  hash bytea not null,
  constraint pk_audit_chains primary key (organization_id),
  constraint fk_audit_chains_organization foreign key (organization_id) references organizations (id)
);

-- The hash of an event: of the previous hash and of everything the event says. Text forms that depend on session settings are avoided.
create function audit_event_hash(previous_hash bytea, event audit_events) returns bytea
language sql immutable parallel safe
as $$
  select sha256(previous_hash || convert_to(jsonb_build_array(
    event.organization_id, event.sequence, event.id, (extract(epoch from event.created_at) * 1000)::bigint, event.type,
    event.actor_kind, event.actor_id, event.actor_name, event.credential_id, host(event.ip_address), event.request_id,
    event.resource_type, event.resource_id, event.before, event.after)::text, 'UTF8'))
$$;

-- Links a new event to the chain and tells every process of the change, in the transaction of the change itself:
-- a change cannot be written down without being announced, nor announced without being written down.
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

create function refuse_audit_event_change() returns trigger
language plpgsql
as $$
begin
  raise exception 'audit_events is append-only' using errcode = 'insufficient_privilege';
end
$$;
create trigger refuse_audit_event_change before update or delete or truncate on audit_events
  for each statement execute function refuse_audit_event_change();
`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
drop table audit_chains, audit_events, idempotency_keys, annotations, token_secrets, tokens, service_accounts, memberships, roles, users, organizations cascade;
drop function link_audit_event, refuse_audit_event_change;
`);
  }
}
