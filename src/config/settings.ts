import { flag, integer, list, oneOf, text } from './setting-kinds.js';

const URL_OR_EMPTY = /^$|^https?:\/\/[^\s]{1,2000}$/;

/**
 * Every setting and every limit of the service, by the name of its environment variable. `.env.example` is generated
 * from this table and a test compares them. An empty variable counts as one that is not set.
 */
export const SETTINGS = {
  NODE_ENV: oneOf(
    ['development', 'test', 'production'],
    'development',
    'production: nothing is invented, a missing secret is a start-up error.',
  ),
  PORT: integer(3000, 0, 65_535, 'Port of the HTTP server; 0 takes a free one.'),
  HOST: text(
    '127.0.0.1',
    'Address the HTTP server listens on.',
    /^[0-9A-Za-z.:_-]{1,255}$/,
    'must be an address or a host name',
  ),
  PUBLIC_URL: text(
    '',
    'URL under which clients reach the service; empty: http://HOST:PORT.',
    URL_OR_EMPTY,
    'must be an http(s) URL',
  ),
  TRUST_PROXY: list(
    'Proxies (addresses or CIDR ranges) whose X-Forwarded-For is believed; empty: none, the peer of the connection is the caller.',
    /^[0-9A-Fa-f.:]+(\/\d{1,3})?$/,
    'must be a comma-separated list of addresses or CIDR ranges',
  ),
  CORS_ORIGINS: list(
    'Origins that browsers may call from; empty: none.',
    /^https?:\/\/[^\s,/]+$/,
    'must be a list of origins such as https://app.example.com',
  ),
  WORKERS: integer(1, 1, 256, 'Processes on this machine that share the port; one per core is a good number.'),
  LOG_LEVEL: oneOf(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    'info',
    'Least severe level that is logged.',
  ),

  DATABASE_URL: text(
    '',
    'PostgreSQL 14 or newer; empty: an embedded server in DATA_DIR (not in production).',
    /^$|^postgres(ql)?:\/\/\S{1,2000}$/,
    'must be a URL such as postgres://user:password@host:5432/database',
  ),
  DATA_DIR: text('./data', 'Directory of the embedded PostgreSQL and of the development secrets.'),
  DATABASE_POOL_MAX: integer(
    10,
    4,
    500,
    'Most connections of one process to the database, beside the one that listens for changes; half of them serve verifications alone.',
  ),
  DATABASE_CONNECT_TIMEOUT_MS: integer(
    5_000,
    100,
    60_000,
    'Longest wait for a connection, a free one of the pool or a new one.',
  ),
  DATABASE_STATEMENT_TIMEOUT_MS: integer(10_000, 100, 600_000, 'Longest run of one statement.'),
  DATABASE_LOOK_UP_TIMEOUT_MS: integer(
    1_000,
    50,
    60_000,
    'Longest wait of a verification for a connection, and for the answer, of which a database that is merely slow has four fifths; then it is 503. Never more than REVOCATION_MAX_STALENESS_SECONDS.',
  ),
  REDIS_URL: text(
    '',
    'Redis for counters shared by several instances; empty: counted in memory.',
    /^$|^rediss?:\/\/\S{1,2000}$/,
    'must be a URL such as redis://host:6379',
  ),

  TOKEN_PREFIX: text(
    'kw',
    'What every token begins with.',
    /^[a-z][a-z0-9]{1,9}$/,
    'must be 2 to 10 lower-case letters or digits, a letter first',
  ),
  TOKEN_PEPPERS: list(
    'Keys of the token digests as id:base64 (32 bytes or more), comma-separated; the first one is used for new tokens. Required in production.',
    /^[A-Za-z0-9_-]{1,32}:[A-Za-z0-9+/_-]{43,}={0,2}$/,
    'must be a list of id:base64, each key of at least 32 bytes; make one with: echo "k1:$(openssl rand -base64 32)"',
  ),

  AUTH_ISSUER: text('', 'OpenID Connect issuer whose JWTs are accepted.', URL_OR_EMPTY, 'must be an http(s) URL'),
  AUTH_AUDIENCE: list('Audiences, one of which a JWT must name. Required with AUTH_ISSUER.'),
  AUTH_ALGORITHMS: list(
    'Signature algorithms accepted from AUTH_ISSUER; empty: RS256, PS256, ES256, EdDSA.',
    /^(RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512|EdDSA)$/,
    'must be a list of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA',
  ),
  AUTH_CLOCK_TOLERANCE_SECONDS: integer(30, 0, 300, 'How far the clock of the issuer may be off.'),
  AUTH_ISSUER_TIMEOUT_MS: integer(
    5_000,
    100,
    60_000,
    'Longest wait for the discovery document or the keys of the issuer.',
  ),
  AUTH_JWT_SECRET: text(
    '',
    'Secret of HS256 JWTs (32 characters or more), for development, tests and products that sign their own.',
    /^$|^.{32,1024}$/s,
    'must have at least 32 characters',
  ),
  AUTH_ORG_CLAIM: text(
    'org',
    'JWT claim that names the organization.',
    /^[^\s]{1,200}$/,
    'must be the name of a claim',
  ),
  AUTH_ROLE_CLAIM: text('role', 'JWT claim that names a role.', /^[^\s]{1,200}$/, 'must be the name of a claim'),
  AUTH_SCOPE_CLAIM: text(
    'scope',
    'JWT claim that narrows the scopes (space-separated, or a list); the same name in the plural is read too.',
    /^[^\s]{1,200}$/,
    'must be the name of a claim',
  ),
  AUTH_SCOPE_PREFIX: text(
    'api.katapult.io/core/v1/',
    'What may stand in front of a scope in a JWT; it is taken off.',
    /^[^\s]{1,200}$/,
    'must be text without spaces',
  ),
  AUTH_AUTO_PROVISION: flag(true, 'Whether the first JWT of an organization or a person creates it.'),
  AUTH_DEFAULT_ROLE: oneOf(
    ['viewer', 'editor', 'admin'],
    'viewer',
    'Role of a person provisioned into an organization that has members already.',
  ),

  APPLICATION_SCOPES_FILE: text(
    '',
    'JSON file {"scope": "sentence"} with the scopes of the product; empty: any scope of the grammar is accepted.',
  ),
  INIT_ADMIN_API_TOKENS: list(
    'Token values, comma-separated: each becomes a token with the admin role of the organization `default`.',
    /^[\x21-\x7e]{20,255}$/,
    'must be values of 20 to 255 printable characters',
  ),
  INIT_PLATFORM_TOKENS: list(
    'Token values, comma-separated: each becomes a token of a service account of the platform organization.',
    /^[\x21-\x7e]{20,255}$/,
    'must be values of 20 to 255 printable characters',
  ),

  REVOCATION_MAX_STALENESS_SECONDS: integer(
    5,
    1,
    60,
    'How long a cached answer may be given without proof that no change was missed; the bound of a revocation.',
  ),
  CREDENTIAL_CACHE_MAX: integer(
    100_000,
    1_000,
    10_000_000,
    'Most secrets whose credentials one process keeps in memory.',
  ),
  CREDENTIAL_CACHE_TTL_SECONDS: integer(
    300,
    1,
    86_400,
    'How long a credential is kept in memory without being read again.',
  ),
  CREDENTIAL_SHARED_CHARACTERS_MAX: integer(
    4_000_000,
    10_000,
    1_000_000_000,
    'Most characters, kept three times each, of what the credentials in memory share: their owners and scopes; beyond it some is kept more than once.',
  ),
  UNKNOWN_CACHE_MAX: integer(50_000, 1_000, 10_000_000, 'Most unknown secrets that one process remembers.'),
  UNKNOWN_CACHE_TTL_MS: integer(2_000, 0, 60_000, 'How long an unknown secret is remembered as such.'),
  VERIFY_BATCH_MAX: integer(1_000, 1, 10_000, 'Most tokens of one batch verification.'),
  USAGE_FLUSH_INTERVAL_MS: integer(2_000, 50, 60_000, 'How often last uses are written to the database.'),
  USAGE_BUFFER_MAX: integer(
    100_000,
    100,
    10_000_000,
    'Most tokens whose last use waits to be written; beyond it uses go unrecorded until the next write.',
  ),

  RATE_LIMIT_PER_MINUTE: integer(
    1_000,
    1,
    1_000_000,
    'Requests per minute of one credential to the management API, where its token has no limit of its own.',
  ),
  UNAUTHENTICATED_PER_MINUTE: integer(
    600,
    1,
    1_000_000,
    'Requests per minute of one address to what needs no credential.',
  ),
  FAILED_VERIFICATIONS_PER_MINUTE: integer(
    120,
    1,
    1_000_000,
    'Failed credentials per minute of one address; beyond it only one a second is looked up in the database.',
  ),
  FAILURE_ADDRESSES_MAX: integer(10_000, 100, 1_000_000, 'Most addresses whose failures one process counts.'),
  RATE_LIMIT_KEYS_MAX: integer(100_000, 1_000, 10_000_000, 'Most counters that one process keeps in memory.'),
  REDIS_TIMEOUT_MS: integer(
    200,
    10,
    10_000,
    'Longest wait for the shared counters (Redis, or the primary process of WORKERS) before those in memory take over.',
  ),

  BODY_BYTES_MAX: integer(1_048_576, 1_024, 16_777_216, 'Largest request body.'),
  KEEP_ALIVE_TIMEOUT_MS: integer(
    75_000,
    1_000,
    3_600_000,
    'How long a connection that nobody uses is kept; let it be longer than that of a proxy in front, which would send requests to one that is closing.',
  ),
  SHUTDOWN_GRACE_MS: integer(10_000, 100, 120_000, 'How long a stop waits for requests under way.'),
  PAGE_SIZE_MAX: integer(200, 1, 1_000, 'Largest page of a list.'),
  LIST_ROWS_MAX: integer(
    10_000,
    100,
    100_000,
    'Most rows of a list asked for without a page; beyond it the answer tells to page.',
  ),
  LIST_CACHE_BYTES_MAX: integer(
    16_777_216,
    0,
    1_073_741_824,
    'Most bytes of answered lists of tokens that one process keeps, to give them again where the database says that nothing in them has changed; 0: none.',
  ),
  SERVICE_ACCOUNTS_PER_ORGANIZATION_MAX: integer(1_000, 1, 10_000, 'Most live service accounts of an organization.'),
  EMBEDDED_TOKENS_MAX: integer(
    100,
    1,
    1_000,
    'Most tokens shown inside their service account; its tokens list shows all.',
  ),
  TOKENS_PER_OWNER_MAX: integer(
    1_000,
    1,
    1_000_000,
    'Most live tokens of one service account, of one person, or of the organization itself.',
  ),
  ISSUE_BATCH_MAX: integer(
    32,
    1,
    500,
    'Most tokens of one organization that are written together, when several are asked for at once; its other changes wait meanwhile.',
  ),
  ISSUE_QUEUE_MAX: integer(
    1_000,
    1,
    100_000,
    'Most tokens of one organization that wait in one process to be written; beyond it the answer is 503.',
  ),
  SECRETS_PER_TOKEN_MAX: integer(3, 2, 10, 'Most secrets of a token that work at the same time during rotations.'),
  ROTATION_GRACE_SECONDS_MAX: integer(604_800, 0, 31_536_000, 'Longest time that a rotated secret may go on working.'),
  ROLES_PER_ORGANIZATION_MAX: integer(100, 1, 10_000, 'Most custom roles of an organization.'),
  MEMBERS_PER_ORGANIZATION_MAX: integer(10_000, 1, 1_000_000, 'Most members of an organization.'),
  IDEMPOTENCY_TTL_SECONDS: integer(86_400, 60, 604_800, 'How long an Idempotency-Key is remembered.'),
} as const;

export type SettingName = keyof typeof SETTINGS;
export type SettingValue<N extends SettingName> = ReturnType<(typeof SETTINGS)[N]['parse']>;

/** The text of `.env.example`: every setting, its sentence and its default. */
export function exampleEnvironment(): string {
  const blocks = Object.entries(SETTINGS).map(([name, setting]) => `# ${setting.about}\n#${name}=${setting.example}\n`);
  return `# Every setting of Keyward with its default. Copy to .env and uncomment what you change.\n\n${blocks.join('\n')}`;
}
