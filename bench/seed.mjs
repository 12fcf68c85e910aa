// Fills a database that the service has migrated: rows as the service would write them, with real digests, in sets and not one by one.
import { ACCOUNT_TOKENS } from './requests.mjs';
import { administratorSecret, digestOf, PEPPER_ID, tokenSecret } from './secrets.mjs';

const ACCOUNTS_PER_ORGANIZATION = 10;
/** Organizations with an administrator and with accounts that tokens are issued to. */
export const ISSUING_ORGANIZATIONS = 16;
/** Accounts for tokens that are issued while measuring, in each of them: none of them may reach its quota of 1,000. */
export const ISSUERS_PER_ORGANIZATION = 200;
const CHUNK_TOKENS = 50_000;

/** Ids by number; their order in time and in the indexes is that of version 7. */
const uuid = (kind, number) => `('00000000-000${kind}-7000-8000-' || lpad(to_hex(${number}), 12, '0'))::uuid`;
const ORGANIZATION = 1;
const ACCOUNT = 2;
const ISSUER = 3;
const TOKEN = 4;
const SECRET = 5;
const ADMINISTRATOR = 6;
const CREATED = "now() - interval '1 day'";
const BY = "'seed', 'Benchmark'";

/** @param sessions two or more, to use more than one core */
export async function seed(sessions, tokens) {
  const accounts = tokens / ACCOUNT_TOKENS;
  const organizations = Math.max(ISSUING_ORGANIZATIONS, accounts / ACCOUNTS_PER_ORGANIZATION);
  for (const session of sessions) {
    // Each row is right by construction: checking a million foreign keys would take longer than writing them.
    await session.query(
      'set session_replication_role = replica; set synchronous_commit = off; set statement_timeout = 0',
    );
  }
  const [first] = sessions;
  await first.query(
    `insert into organizations (id, slug, external_id, name, created_at)
     select ${uuid(ORGANIZATION, 'i')}, 'organization-' || i, 'external-' || i, 'Organization ' || i, ${CREATED}
     from generate_series(0, $1::int - 1) as i`,
    [organizations],
  );
  await insertAccounts(first, 'account', ACCOUNT, accounts, `i / ${ACCOUNTS_PER_ORGANIZATION}`);
  const issuers = ISSUING_ORGANIZATIONS * ISSUERS_PER_ORGANIZATION;
  await insertAccounts(first, 'issuer', ISSUER, issuers, `i / ${ISSUERS_PER_ORGANIZATION}`);
  await insertAdministrators(first);
  const chunks = [];
  for (let from = 0; from < tokens; from += CHUNK_TOKENS) chunks.push(from);
  const work = async (session) => {
    for (let from = chunks.shift(); from !== undefined; from = chunks.shift()) {
      await insertTokens(session, from, Math.min(CHUNK_TOKENS, tokens - from));
    }
  };
  await Promise.all(sessions.map(work));
  for (const session of sessions) await session.query('reset session_replication_role; reset synchronous_commit');
  await Promise.all(
    ['tokens', 'token_secrets'].map((table, index) =>
      sessions[index % sessions.length].query(`vacuum (analyze) ${table}`),
    ),
  );
  await first.query('analyze');
  await first.query('checkpoint');
}

/** The slugs of issuers are numbered in each organization, those of accounts throughout. */
async function insertAccounts(session, name, kind, count, organization) {
  const number = name === 'issuer' ? `i % ${ISSUERS_PER_ORGANIZATION}` : 'i';
  await session.query(
    `insert into service_accounts (id, organization_id, slug, external_id, name, created_at, created_by_id, created_by_name)
     select ${uuid(kind, 'i')}, ${uuid(ORGANIZATION, `(${organization})`)}, '${name}-' || (${number}), ${uuid(kind, 'i')}::text,
       'Service account ' || i, ${CREATED}, ${BY}
     from generate_series(0, $1::int - 1) as i`,
    [count],
  );
}

/** Tokens of the organizations themselves, without scopes of their own: they have the admin role. */
async function insertAdministrators(session) {
  const secrets = Array.from({ length: ISSUING_ORGANIZATIONS }, (_, organization) => administratorSecret(organization));
  await session.query(
    `insert into tokens (id, organization_id, slug, name, created_at, created_by_id, created_by_name)
     select ${uuid(ADMINISTRATOR, 'i')}, ${uuid(ORGANIZATION, 'i')}, 'administrator', 'Administrator', ${CREATED}, ${BY}
     from generate_series(0, $1::int - 1) as i`,
    [ISSUING_ORGANIZATIONS],
  );
  await session.query(
    `insert into token_secrets (id, organization_id, token_id, digest, pepper_id, created_at)
     select ${uuid(ADMINISTRATOR, 'n - 1')}, ${uuid(ORGANIZATION, 'n - 1')}, ${uuid(ADMINISTRATOR, 'n - 1')}, digest, $2, ${CREATED}
     from unnest($1::bytea[]) with ordinality as digests (digest, ordinal), lateral (select ordinal::int as n) as numbers`,
    [secrets.map(digestOf), PEPPER_ID],
  );
}

async function insertTokens(session, from, count) {
  const digests = Buffer.alloc(count * 32);
  for (let index = 0; index < count; index++) digestOf(tokenSecret(from + index)).copy(digests, index * 32);
  const organization = uuid(ORGANIZATION, `(i / ${ACCOUNT_TOKENS * ACCOUNTS_PER_ORGANIZATION})`);
  await session.query(
    `insert into tokens (id, organization_id, service_account_id, slug, name, scopes, expires_at, created_at, created_by_id, created_by_name)
     select ${uuid(TOKEN, 'i')}, ${organization}, ${uuid(ACCOUNT, `(i / ${ACCOUNT_TOKENS})`)}, 'token-' || i, 'Token ' || i,
       '{deployments:create,deployments:read}', now() + interval '1 year', ${CREATED}, ${BY}
     from generate_series($1::int, $2::int) as i`,
    [from, from + count - 1],
  );
  await session.query(
    `insert into token_secrets (id, organization_id, token_id, digest, pepper_id, created_at)
     select ${uuid(SECRET, 'i')}, ${organization}, ${uuid(TOKEN, 'i')}, substring($3::bytea from (i - $1) * 32 + 1 for 32), $4, ${CREATED}
     from generate_series($1::int, $2::int) as i`,
    [from, from + count - 1, digests, PEPPER_ID],
  );
}
