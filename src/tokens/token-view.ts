import type { EntityManager } from 'typeorm';
import type { Position } from '../common/pagination.js';
import { columnOf, type ResourceKey } from '../common/resource-key.js';
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

/** Where each member of a view comes from; `t` is the token in every statement that uses these columns. */
const COLUMNS: Readonly<Record<Exclude<keyof TokenView, 'annotations'>, string>> = {
  id: 't.id',
  number: 't.number::float8',
  organizationId: 't.organization_id',
  serviceAccountId: 't.service_account_id',
  userId: 't.user_id',
  ownerId: 't.owner_id',
  slug: 't.slug',
  name: 't.name',
  scopes: 't.scopes',
  authorizedIpAddresses: 't.authorized_ip_addresses::text[]',
  rateLimit: 't.rate_limit',
  expiresAt: 't.expires_at',
  revokedAt: 't.revoked_at',
  revokedById: 't.revoked_by_id',
  revokedByName: 't.revoked_by_name',
  createdAt: 't.created_at',
  createdById: 't.created_by_id',
  createdByName: 't.created_by_name',
  lastUsedAt: 't.last_used_at',
  lastUsedIp: 'host(t.last_used_ip)',
  lastUsedUserAgent: 't.last_used_user_agent',
  version: 't.version',
};
type Column = keyof typeof COLUMNS;
const OWN_COLUMNS = Object.entries(COLUMNS)
  .map(([name, expression]) => `${expression} as "${name}"`)
  .join(', ');

/** The same with the annotations, for a single token. */
const TOKEN_COLUMNS = `${OWN_COLUMNS},
(select coalesce(jsonb_object_agg(a.key, a.value), '{}') from annotations a where a.token_id = t.id) as annotations`;

/** Those of a list do not say of each token what follows from the others. */
type ListedColumn = Exclude<Column, 'organizationId' | 'ownerId'>;
const LISTED_COLUMNS = Object.keys(COLUMNS).filter((name) => name !== 'organizationId' && name !== 'ownerId');

/**
 * A list of tokens, in the order of `page`, which selects them. Lists are read without entities, and column by column: one
 * JSON array each. A hundred tokens as one JSON text take PostgreSQL twice as long, and as rows they take whoever reads them
 * four times as long.
 */
function listed(page: string): string {
  return `with page as materialized (${page})
select ${LISTED_COLUMNS.map((name) => `json_agg(page."${name}") as "${name}"`).join(', ')},
  (select json_agg(json_build_array(token_id, key, value)) from annotations where token_id = any (array(select id from page))) as annotations
from page`;
}

type AsJson<T> = T extends Date ? string : T;

/** The tokens of a list, column by column; null where there are none. Moments are texts. */
type TokenList = {
  readonly [Name in ListedColumn]: readonly AsJson<TokenView[Name]>[] | null;
} & { readonly annotations: readonly (readonly [tokenId: string, key: string, value: string])[] | null };

/** Tokens of one organization from the columns of a list. */
function viewsOf(list: TokenList, organizationId: string): TokenView[] {
  const { id: ids, annotations } = list;
  if (ids === null) return [];
  const marks = new Map<string, [key: string, value: string][]>();
  for (const [tokenId, key, value] of annotations ?? [])
    marks.set(tokenId, [...(marks.get(tokenId) ?? []), [key, value]]);
  // Columns are of one length, and what may not be null in a row is not null in a column.
  const at = <Name extends ListedColumn>(name: Name, index: number): NonNullable<TokenList[Name]>[number] =>
    (list[name] as NonNullable<TokenList[Name]>)[index] as NonNullable<TokenList[Name]>[number];
  return ids.map((id, index) => {
    const serviceAccountId = at('serviceAccountId', index);
    const userId = at('userId', index);
    return {
      id,
      number: at('number', index),
      organizationId,
      serviceAccountId,
      userId,
      ownerId: serviceAccountId ?? userId ?? organizationId,
      slug: at('slug', index),
      name: at('name', index),
      scopes: at('scopes', index),
      authorizedIpAddresses: at('authorizedIpAddresses', index).map(shortRange),
      rateLimit: at('rateLimit', index),
      annotations: Object.fromEntries(marks.get(id) ?? []),
      expiresAt: moment(at('expiresAt', index)),
      revokedAt: moment(at('revokedAt', index)),
      revokedById: at('revokedById', index),
      revokedByName: at('revokedByName', index),
      createdAt: new Date(at('createdAt', index)),
      createdById: at('createdById', index),
      createdByName: at('createdByName', index),
      lastUsedAt: moment(at('lastUsedAt', index)),
      lastUsedIp: at('lastUsedIp', index),
      lastUsedUserAgent: at('lastUsedUserAgent', index),
      version: at('version', index),
    };
  });
}

function moment(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}

async function readList(
  db: EntityManager,
  statement: PreparedStatement,
  organizationId: string,
  ...values: unknown[]
): Promise<TokenView[]> {
  const [list] = await runPrepared<TokenList>(db, statement, [organizationId, ...values]);
  return list === undefined ? [] : viewsOf(list, organizationId);
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
  const statement = (after ? NEXT_PAGE : FIRST_PAGE)[selection];
  const beyond = after ? [after.createdAt, after.id] : [];
  return readList(db, statement, owner.organizationId, owner.ownerId, limit, ...beyond);
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
  return readList(db, NEWEST[selection], organizationId, ownerIds, limit);
}

function newestOfOwners(selection: TokenSelection): PreparedStatement {
  return prepared(
    listed(`select newest.* from unnest($2::uuid[]) as owners (id), lateral (
      select ${OWN_COLUMNS} from tokens t where t.organization_id = $1 and t.owner_id = owners.id ${SELECTED[selection]}
      order by t.created_at desc, t.id desc limit $3) as newest order by newest."createdAt" desc, newest.id desc`),
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
    order by t.created_at desc, t.id desc limit ${limit} offset ${offset}) as stretch join tokens t on t.id = stretch.id
    order by t.created_at desc, t.id desc`);
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
  return list === undefined ? [] : viewsOf(list, organizationId);
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
  key: ResourceKey,
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
