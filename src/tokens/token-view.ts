import type { EntityManager } from 'typeorm';
import type { Position } from '../common/pagination.js';
import { shortRange } from '../database/column-types.js';
import { prepared, type PreparedStatement, runPrepared } from '../database/prepared-statement.js';

/** A token as it is shown: its row with its annotations. */
export interface TokenView extends Position {
  readonly number: number;
  readonly organizationId: string;
  readonly serviceAccountId: string | null;
  readonly userId: string | null;
  readonly ownerId: string;
  readonly slug: string;
  readonly name: string;
  /** null: none of its own, it carries the role of its owner. */
  readonly scopes: readonly string[] | null;
  readonly authorizedIpAddresses: readonly string[];
  readonly rateLimit: number | null;
  readonly annotations: Readonly<Record<string, string>>;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly revokedById: string | null;
  readonly revokedByName: string | null;
  readonly createdById: string;
  readonly createdByName: string | null;
  readonly lastUsedAt: Date | null;
  readonly lastUsedIp: string | null;
  readonly lastUsedUserAgent: string | null;
  readonly version: number;
}

/**
 * Lists are read without entities: hydrating a hundred of them would cost more than the rest of the request. `t` is the
 * token in every statement that uses these columns.
 */
const OWN_COLUMNS = `
t.id, t.number::float8 as number, t.organization_id as "organizationId", t.service_account_id as "serviceAccountId", t.user_id as "userId",
t.owner_id as "ownerId", t.slug, t.name, t.scopes,
t.authorized_ip_addresses::text[] as "authorizedIpAddresses",
t.rate_limit as "rateLimit",
t.expires_at as "expiresAt", t.revoked_at as "revokedAt", t.revoked_by_id as "revokedById", t.revoked_by_name as "revokedByName",
t.created_at as "createdAt", t.created_by_id as "createdById", t.created_by_name as "createdByName",
t.last_used_at as "lastUsedAt", host(t.last_used_ip) as "lastUsedIp", t.last_used_user_agent as "lastUsedUserAgent", t.version`;

/** The same with the annotations, for a single token. */
const TOKEN_COLUMNS = `${OWN_COLUMNS},
(select coalesce(jsonb_object_agg(a.key, a.value), '{}') from annotations a where a.token_id = t.id) as annotations`;

const LISTED_COLUMNS = [
  ...['id', 'number', 'organizationId', 'serviceAccountId', 'userId', 'ownerId', 'slug', 'name', 'scopes'],
  ...['authorizedIpAddresses', 'rateLimit', 'expiresAt', 'revokedAt', 'revokedById', 'revokedByName', 'createdAt'],
  ...['createdById', 'createdByName', 'lastUsedAt', 'lastUsedIp', 'lastUsedUserAgent', 'version'],
];

/**
 * Newest first, with the annotations, which are read for all tokens at once; `page` selects the tokens. The answer is one
 * JSON text with an array for each token: to read a hundred rows of so many columns one by one costs three times as much.
 */
function listed(page: string): string {
  return `with page as materialized (${page})
select coalesce(json_agg(json_build_array(${LISTED_COLUMNS.map((name) => `page."${name}"`).join(', ')}, marks.annotations)
  order by page."createdAt" desc, page.id desc), '[]') as tokens
from page left join (
  select token_id, json_object_agg(key, value) as annotations from annotations
  where token_id = any (array(select id from page)) group by token_id) as marks on marks.token_id = page.id`;
}

type ListedToken = [
  ...[id: string, number: number, organizationId: string, serviceAccountId: string | null, userId: string | null],
  ...[ownerId: string, slug: string, name: string, scopes: string[] | null, authorizedIpAddresses: string[]],
  ...[rateLimit: number | null, expiresAt: string | null, revokedAt: string | null, revokedById: string | null],
  ...[revokedByName: string | null, createdAt: string, createdById: string, createdByName: string | null],
  ...[lastUsedAt: string | null, lastUsedIp: string | null, lastUsedUserAgent: string | null, version: number],
  annotations: Record<string, string> | null,
];

function viewOf(token: ListedToken): TokenView {
  return {
    id: token[0],
    number: token[1],
    organizationId: token[2],
    serviceAccountId: token[3],
    userId: token[4],
    ownerId: token[5],
    slug: token[6],
    name: token[7],
    scopes: token[8],
    authorizedIpAddresses: token[9].length > 0 ? token[9].map(shortRange) : token[9],
    rateLimit: token[10],
    expiresAt: moment(token[11]),
    revokedAt: moment(token[12]),
    revokedById: token[13],
    revokedByName: token[14],
    createdAt: new Date(token[15]),
    createdById: token[16],
    createdByName: token[17],
    lastUsedAt: moment(token[18]),
    lastUsedIp: token[19],
    lastUsedUserAgent: token[20],
    version: token[21],
    annotations: token[22] ?? {},
  };
}

function moment(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}

interface TokenList {
  readonly tokens: readonly ListedToken[];
}

async function readList(db: EntityManager, statement: PreparedStatement, values: unknown[]): Promise<TokenView[]> {
  const [list] = await runPrepared<TokenList>(db, statement, values);
  return list?.tokens.map(viewOf) ?? [];
}

interface OwnerColumns {
  readonly organizationId: string;
  readonly ownerId: string;
}

async function read<View extends TokenView>(
  db: EntityManager,
  statement: PreparedStatement,
  values: unknown[],
): Promise<View | undefined> {
  const [token] = await runPrepared<View>(db, statement, values);
  return token && { ...token, authorizedIpAddresses: token.authorizedIpAddresses.map(shortRange) };
}

/** Which tokens a list holds: the native dialect shows those that are revoked, the others do not. */
export type TokenSelection = 'all' | 'live';

const SELECTED: Readonly<Record<TokenSelection, string>> = { all: '', live: 'and t.revoked_at is null' };

/** Tokens of one owner, newest first, at most `limit` of them from a position on. */
export async function readTokens(
  db: EntityManager,
  owner: OwnerColumns,
  selection: TokenSelection,
  limit: number,
  after?: Position,
): Promise<TokenView[]> {
  return readList(db, (after ? NEXT_PAGE : FIRST_PAGE)[selection], [
    owner.organizationId,
    owner.ownerId,
    limit,
    ...(after ? [after.createdAt, after.id] : []),
  ]);
}

function ofOwner(selection: TokenSelection, after: string): PreparedStatement {
  return prepared(
    listed(`select ${OWN_COLUMNS} from tokens t where t.organization_id = $1 and t.owner_id = $2 ${SELECTED[selection]}
      ${after} order by t.created_at desc, t.id desc limit $3`),
  );
}

const FIRST_PAGE = { all: ofOwner('all', ''), live: ofOwner('live', '') };
const AFTER = 'and (t.created_at, t.id) < ($4, $5::uuid)';
const NEXT_PAGE = { all: ofOwner('all', AFTER), live: ofOwner('live', AFTER) };

/** The newest tokens of each of several owners, at most `limit` each. */
export async function readNewestTokens(
  db: EntityManager,
  organizationId: string,
  ownerIds: readonly string[],
  selection: TokenSelection,
  limit: number,
): Promise<TokenView[]> {
  return readList(db, NEWEST[selection], [organizationId, ownerIds, limit]);
}

function newestOfOwners(selection: TokenSelection): PreparedStatement {
  return prepared(
    listed(`select newest.* from unnest($2::uuid[]) as owners (id), lateral (
      select ${OWN_COLUMNS} from tokens t where t.organization_id = $1 and t.owner_id = owners.id ${SELECTED[selection]}
      order by t.created_at desc, t.id desc limit $3) as newest`),
  );
}

const NEWEST = { all: newestOfOwners('all'), live: newestOfOwners('live') };

/** What an organization's tokens are looked for by: all of these annotations. */
export type AnnotationFilter = readonly (readonly [key: string, value: string])[];

/**
 * The condition on the tokens of a whole organization: not revoked, nobody's personal ones, all annotations matching. The
 * first parameter is the organization; those of the filter follow it.
 */
function organizationCondition(filterLength: number): string {
  const matches = Array.from(
    { length: filterLength },
    (_, index) =>
      `and t.id in (select token_id from annotations where organization_id = $1 and key = $${2 * index + 2} and value = $${2 * index + 3})`,
  );
  return `t.organization_id = $1 and t.revoked_at is null and t.user_id is null ${matches.join(' ')}`;
}

export interface Stretch {
  readonly offset: number;
  readonly limit: number;
}

/**
 * Not prepared, and with its numbers written out: a plan that does not know them, nor how rare the annotations are, may
 * read the tokens of everybody for the sake of a page.
 */
export function stretchOfOrganization(filterLength: number, { limit, offset }: Stretch): string {
  return listed(`select ${OWN_COLUMNS} from (
    select t.id from tokens t where ${organizationCondition(filterLength)}
    order by t.created_at desc, t.id desc limit ${limit} offset ${offset}) as stretch join tokens t on t.id = stretch.id`);
}

/** The same for how many there are, counted no further than `max`. */
export function countOfOrganization(filterLength: number, max: number): string {
  return `select count(*)::int as count from (
    select 1 from tokens t where ${organizationCondition(filterLength)} limit ${max}) as counted`;
}

/** A stretch of the tokens of an organization, newest first. What lies before it costs a step in an index each, and no row. */
export async function readTokensOfOrganization(
  db: EntityManager,
  organizationId: string,
  filter: AnnotationFilter,
  stretch: Stretch,
): Promise<TokenView[]> {
  const statement = stretchOfOrganization(filter.length, stretch);
  const [list]: TokenList[] = await db.query(statement, [organizationId, ...filter.flat()]);
  return list?.tokens.map(viewOf) ?? [];
}

/** How many tokens of an organization match, counted no further than `max`. */
export async function countTokensOfOrganization(
  db: EntityManager,
  organizationId: string,
  filter: AnnotationFilter,
  max: number,
): Promise<number> {
  const statement = countOfOrganization(filter.length, max);
  const [counted]: { count: number }[] = await db.query(statement, [organizationId, ...filter.flat()]);
  return counted?.count ?? 0;
}

/** How a token is named among those of its owner: by its slug in the native dialect, by its number or its id in others. */
export type TokenKey = { readonly slug: string } | { readonly number: number } | { readonly id: string };

function columnOf(key: TokenKey): readonly [column: 'slug' | 'number' | 'id', value: string | number] {
  if ('slug' in key) return ['slug', key.slug];
  return 'number' in key ? ['number', key.number] : ['id', key.id];
}

const byColumn = (column: string, lock: string): PreparedStatement =>
  prepared(
    `select ${TOKEN_COLUMNS} from tokens t where t.organization_id = $1 and t.owner_id = $2 and t.${column} = $3 ${lock}`,
  );
const FIND = { slug: byColumn('slug', ''), number: byColumn('number', ''), id: byColumn('id', '') };
const LOCK = 'for update of t';
const FIND_LOCKED = { slug: byColumn('slug', LOCK), number: byColumn('number', LOCK), id: byColumn('id', LOCK) };

/** One token of an owner, revoked or not. `lock` holds it until the end of the transaction. */
export async function findToken(
  db: EntityManager,
  owner: OwnerColumns,
  key: TokenKey,
  options: { readonly lock?: boolean } = {},
): Promise<TokenView | undefined> {
  const [column, value] = columnOf(key);
  const statement = (options.lock ? FIND_LOCKED : FIND)[column];
  return read(db, statement, [owner.organizationId, owner.ownerId, value]);
}

/** One token by its id, within an organization. */
export async function findTokenById(
  db: EntityManager,
  organizationId: string,
  id: string,
): Promise<TokenView | undefined> {
  return read(db, FIND_BY_ID, [organizationId, id]);
}

const FIND_BY_ID = prepared(`select ${TOKEN_COLUMNS} from tokens t where t.organization_id = $1 and t.id = $2`);

/** One token by its id, with how many tokens its owner has that are not revoked, counted no further than one beyond the quota. */
export async function findTokenWithCount(
  db: EntityManager,
  organizationId: string,
  id: string,
  quota: number,
): Promise<(TokenView & { readonly liveCount: number }) | undefined> {
  return read(db, FIND_WITH_COUNT, [organizationId, id, quota + 1]);
}

const FIND_WITH_COUNT = prepared(
  `select ${TOKEN_COLUMNS}, (select count(*)::int from (
     select 1 from tokens l where l.organization_id = t.organization_id and l.owner_id = t.owner_id and l.revoked_at is null limit $3) as live) as "liveCount"
   from tokens t where t.organization_id = $1 and t.id = $2`,
);
