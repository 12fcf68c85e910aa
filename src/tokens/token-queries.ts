import type { EntityManager } from 'typeorm';
import type { Position } from '../common/pagination.js';
import { columnOf, type ResourceKey } from '../common/resource-key.js';
import { prepared, type PreparedStatement, runPrepared } from '../database/prepared-statement.js';
import type { SecretKind } from './token-secret.js';
import { fieldsOf, LINE, LINE_WITHOUT_OWNER, type ListedTokens, SQL_SEPARATOR, tokenLinesOf } from './token-line.js';
import { type LineOwner, type TokenView, viewAt } from './token-view.js';

/** Which tokens a list holds: the native dialect shows those that are revoked, the others do not. */
export type TokenSelection = 'all' | 'live';

const SELECTED: Readonly<Record<TokenSelection, string>> = { all: '', live: 'and t.revoked_at is null' };

/** SQL for the annotations of tokens, in the order of `jsonb`, as those of a single token are. */
const annotationsOf = (ids: string): string => `
  select json_agg(json_build_array(token_id, key, value) order by octet_length(key), key collate "C")
  from annotations where token_id = any (${ids})`;

const LISTED_COLUMNS = `list.lines, coalesce(cardinality(list.ids), 0) as count, (${annotationsOf('list.ids')}) as annotations`;

/** SQL for a list of tokens, in the order of `page`, which selects their ids and lines. */
function listed(page: string): string {
  return `(select string_agg(page.line, ${SQL_SEPARATOR}) as lines, array_agg(page.id) as ids
  from (${page}) as page) as list`;
}

/** A list that is not written out again for whoever knows it already. */
export interface RecognizedTokens extends ListedTokens {
  /** Of which rows the list is, of which versions of them, and on which server; null where there are none. */
  readonly fingerprint: string | null;
}

function viewsOf(list: ListedTokens, organizationId: string, owner?: LineOwner): TokenView[] {
  const { fields, starts, annotations } = tokenLinesOf(list);
  return starts.map((start) => viewAt(fields, start, organizationId, owner, (id) => annotations.get(id)));
}

interface OwnerColumns {
  readonly kind: SecretKind;
  readonly organizationId: string;
  readonly ownerId: string;
}

/**
 * Statements that find an owner and list its tokens, newest first, in one round trip: of each selection the first page and
 * the next ones. The parameters are the organization, what the owner is found by, the limit, the fingerprint that is known,
 * and the position, where there is one. They answer the columns of `owner` beside those of a list, or nothing where there
 * is no such owner. Where the fingerprint is the known one, neither lines nor annotations are written.
 *
 * PostgreSQL gives each version of a row an `xmin` that no other version of that row has. Whatever changes the annotations of a
 * token changes the version of its row as well.
 * @param owner SQL that selects one row or none, with its `id`, by the first two parameters
 */
export function listsOfOwner(owner: string): OwnerLists {
  const statement = (selection: TokenSelection, after: string): PreparedStatement => {
    const rows = (...columns: string[]): string => `(select ${columns.join(', ')} from tokens t
  where t.organization_id = $1 and t.owner_id = owner.id ${SELECTED[selection]} ${after}
  order by t.created_at desc, t.id desc limit $3)`;
    const linesOf = (page: string): string => `string_agg(${page}.line, ${SQL_SEPARATOR})`;
    const line = `${LINE_WITHOUT_OWNER} as line`;
    const isNews = 'page.fingerprint is distinct from $4';
    // Where a list is known, the rows are looked at first, and written only when they are others.
    return prepared(`with owner as (${owner})
select owner.*, page.fingerprint, coalesce(cardinality(page.ids), 0) as count,
  case when $4::text is null then page.lines
    when ${isNews} then (select ${linesOf('again')} from ${rows(line)} as again) end as lines,
  case when ${isNews} then (${annotationsOf('page.ids')}) end as annotations
from owner, lateral (
  select ${linesOf('shown')} as lines, array_agg(shown.id) as ids,
    encode(sha256(timestamptz_send(pg_postmaster_start_time()) ||
      array_send(array_agg(shown.id)) || array_send(array_agg(shown.row_version))), 'base64') as fingerprint
  from ${rows('t.id', 't.xmin as row_version', `case when $4::text is null then ${LINE_WITHOUT_OWNER} end as line`)} as shown
) as page`);
  };
  const after = 'and (t.created_at, t.id) < ($5, $6::uuid)';
  return {
    first: { all: statement('all', ''), live: statement('live', '') },
    next: { all: statement('all', after), live: statement('live', after) },
  };
}

type OwnerLists = Readonly<Record<'first' | 'next', Readonly<Record<TokenSelection, PreparedStatement>>>>;

/** The tokens of an owner that is found by the same statement, at most `limit` of them from a position on. */
export async function readOwnerWithTokens<Owner>(
  db: EntityManager,
  lists: OwnerLists,
  [organizationId, key]: readonly [organizationId: string, key: unknown],
  { selection, limit, after, known }: ListRequest,
): Promise<(Owner & RecognizedTokens) | undefined> {
  const values = [organizationId, key, limit, known ?? null, ...(after ? [after.createdAt, after.id] : [])];
  const [row] = await runPrepared<Owner & RecognizedTokens>(db, lists[after ? 'next' : 'first'][selection], values);
  return row;
}

export interface ListRequest {
  readonly selection: TokenSelection;
  readonly limit: number;
  readonly after?: Position;
  /** The fingerprint of the list whose lines need not be told. */
  readonly known?: string;
}

const OF_KNOWN_OWNER = listsOfOwner('select $2::uuid as id');

/** Tokens of one owner as lines that do not say whose they are, newest first, at most `limit` of them from a position on. */
export async function readListed(
  db: EntityManager,
  owner: OwnerColumns,
  request: ListRequest,
): Promise<RecognizedTokens> {
  const key = [owner.organizationId, owner.ownerId] as const;
  const list = await readOwnerWithTokens<object>(db, OF_KNOWN_OWNER, key, request);
  return list ?? { lines: null, count: 0, annotations: null, fingerprint: null };
}

/** The same as they are shown. */
export async function readTokens(db: EntityManager, owner: OwnerColumns, request: ListRequest): Promise<TokenView[]> {
  const { kind, organizationId, ownerId } = owner;
  return viewsOf(await readListed(db, owner, request), organizationId, {
    serviceAccountId: kind === 's' ? ownerId : null,
    userId: kind === 'p' ? ownerId : null,
  });
}

/** The newest tokens of each of several owners, at most `limit` each. */
export async function readNewestTokens(
  db: EntityManager,
  organizationId: string,
  ownerIds: readonly string[],
  selection: TokenSelection,
  limit: number,
): Promise<TokenView[]> {
  const [list] = await runPrepared<ListedTokens>(db, NEWEST[selection], [organizationId, ownerIds, limit]);
  return list === undefined ? [] : viewsOf(list, organizationId);
}

function newestOfOwners(selection: TokenSelection): PreparedStatement {
  return prepared(
    `select ${LISTED_COLUMNS} from ${listed(`
  select newest.id, newest.line from unnest($2::uuid[]) as owners (id), lateral (
    select t.id, t.created_at, ${LINE} as line from tokens t
    where t.organization_id = $1 and t.owner_id = owners.id ${SELECTED[selection]}
    order by t.created_at desc, t.id desc limit $3) as newest order by newest.created_at desc, newest.id desc`)}`,
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
  return `select ${LISTED_COLUMNS} from ${listed(`
  select t.id, ${LINE} as line from (
    select t.id from tokens t where ${organizationCondition(filterLength)}
    order by t.created_at desc, t.id desc limit ${limit} offset ${offset}) as stretch join tokens t on t.id = stretch.id
  order by t.created_at desc, t.id desc`)}`;
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
  const [list]: ListedTokens[] = await db.query(statement, [organizationId, ...filter.flat()]);
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

/** What a statement answers of a single token. */
interface FoundToken {
  readonly line: string;
  readonly annotations: TokenView['annotations'];
}

/** SQL for the columns of a single token `t`. */
const FOUND_COLUMNS = `${LINE} as line,
  (select coalesce(jsonb_object_agg(a.key, a.value), '{}') from annotations a where a.token_id = t.id) as annotations`;

async function readOne(
  db: EntityManager,
  statement: PreparedStatement,
  organizationId: string,
  ...values: unknown[]
): Promise<TokenView | undefined> {
  const [found] = await runPrepared<FoundToken>(db, statement, [organizationId, ...values]);
  return found && viewAt(fieldsOf(found.line, 1), 0, organizationId, undefined, () => found.annotations);
}

const byColumn = (column: string, lock: string): PreparedStatement =>
  prepared(
    `select ${FOUND_COLUMNS} from tokens t where t.organization_id = $1 and t.owner_id = $2 and t.${column} = $3 ${lock}`,
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
  return readOne(db, (options.lock ? FIND_LOCKED : FIND)[column], owner.organizationId, owner.ownerId, value);
}

/** One token by its id, within an organization. */
export async function findTokenById(
  db: EntityManager,
  organizationId: string,
  id: string,
): Promise<TokenView | undefined> {
  return readOne(db, FIND_BY_ID, organizationId, id);
}

const FIND_BY_ID = prepared(`select ${FOUND_COLUMNS} from tokens t where t.organization_id = $1 and t.id = $2`);
