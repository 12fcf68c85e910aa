import { invalidAt, Refusal } from '../errors/refusal.js';

/** A place in a list that is ordered newest first by (createdAt, id). */
export interface Position {
  readonly createdAt: Date;
  readonly id: string;
}

/** A page as it was asked for. */
export interface PageRequest {
  readonly limit: number;
  readonly after: Position | undefined;
}

export interface Page<T> {
  readonly items: T[];
  readonly nextCursor?: string;
  readonly hasMore: boolean;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const DEFAULT_PAGE_SIZE = 50;

export function encodeCursor(list: string, position: Position): string {
  return Buffer.from(`${list}|${position.createdAt.getTime()}|${position.id}`).toString('base64url');
}

/** @throws Refusal request.invalid_cursor for everything that `encodeCursor` did not make for the same list */
export function decodeCursor(list: string, cursor: string): Position {
  const [name, milliseconds = '', id = '', ...rest] = Buffer.from(cursor.slice(0, 300), 'base64url')
    .toString('utf8')
    .split('|');
  const isOurs = name === list && /^\d{1,15}$/.test(milliseconds) && UUID.test(id) && rest.length === 0;
  const position = { createdAt: new Date(Number(milliseconds)), id };
  if (!isOurs || encodeCursor(list, position) !== cursor) {
    throw new Refusal('request.invalid_cursor', undefined, {
      errors: [{ location: 'query.cursor', message: 'is not a cursor of this list' }],
    });
  }
  return position;
}

/**
 * Reads `limit` and `cursor` of a query.
 * @returns undefined when neither was sent, which asks for the bare list
 */
export function readPageRequest(
  list: string,
  query: { limit?: unknown; cursor?: unknown },
  pageSizeMax: number,
): PageRequest | undefined {
  const { limit, cursor } = query;
  if (limit === undefined && cursor === undefined) return undefined;
  let pageSize = Math.min(DEFAULT_PAGE_SIZE, pageSizeMax);
  if (limit !== undefined) {
    pageSize = typeof limit === 'string' && /^\d{1,9}$/.test(limit) ? Number(limit) : 0;
    if (pageSize < 1 || pageSize > pageSizeMax)
      throw invalidAt('query.limit', `must be a whole number from 1 to ${pageSizeMax}`, limit);
  }
  if (cursor !== undefined && typeof cursor !== 'string') throw invalidAt('query.cursor', 'must be sent once');
  return { limit: pageSize, after: cursor === undefined ? undefined : decodeCursor(list, cursor) };
}

/** The same for a list that is always paged. */
export function readRequiredPage(
  list: string,
  query: { limit?: unknown; cursor?: unknown },
  pageSizeMax: number,
): PageRequest {
  return (
    readPageRequest(list, query, pageSizeMax) ?? { limit: Math.min(DEFAULT_PAGE_SIZE, pageSizeMax), after: undefined }
  );
}

/** What a list shows: everything, or a page and the cursor of the next one, if there is a next one. */
export type Listing<Row> =
  | { readonly rows: readonly Row[]; readonly isPage: false }
  | { readonly rows: readonly Row[]; readonly isPage: true; readonly nextCursor: string | undefined };

/** What has to be read where no page is asked for. */
export function wholeList(rowsMax: number): PageRequest {
  return { limit: rowsMax, after: undefined };
}

/** @param rows one more than were asked for, where there are more */
export function listingOf<Row>(
  list: string,
  rows: readonly Row[],
  page: PageRequest | undefined,
  rowsMax: number,
  positionOf: (row: Row) => Position,
): Listing<Row> {
  if (page !== undefined) return listingOfPage(list, rows, page.limit, positionOf);
  // Never cut off without a word.
  if (rows.length > rowsMax) throw new Refusal('list.too_large');
  return { rows, isPage: false };
}

/** A page of up to `limit + 1` rows: the extra one only tells that there is more. */
function listingOfPage<Row>(
  list: string,
  rows: readonly Row[],
  limit: number,
  positionOf: (row: Row) => Position,
): Listing<Row> & { isPage: true } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const nextCursor = rows.length > limit && last !== undefined ? encodeCursor(list, positionOf(last)) : undefined;
  return { rows: shown, isPage: true, nextCursor };
}

/** What a list answers: everything, or the page that was asked for. */
export async function answerList<Row extends Position, T>(
  list: string,
  query: { limit?: unknown; cursor?: unknown },
  limits: { readonly pageSizeMax: number; readonly rowsMax: number },
  read: (page: PageRequest) => Promise<Row[]>,
  render: (row: Row) => T,
): Promise<T[] | Page<T>> {
  const page = readPageRequest(list, query, limits.pageSizeMax);
  const rows = await read(page ?? wholeList(limits.rowsMax));
  const listing = listingOf(list, rows, page, limits.rowsMax, (row) => row);
  return listing.isPage ? pageOf(listing, render) : listing.rows.map(render);
}

/** Makes a page of up to `limit + 1` rows. */
export function toPage<Row extends Position, T>(
  list: string,
  rows: readonly Row[],
  limit: number,
  render: (row: Row) => T,
): Page<T> {
  return pageOf(
    listingOfPage(list, rows, limit, (row) => row),
    render,
  );
}

function pageOf<Row, T>({ rows, nextCursor }: Listing<Row> & { isPage: true }, render: (row: Row) => T): Page<T> {
  const hasMore = nextCursor !== undefined;
  return { items: rows.map(render), ...(hasMore ? { nextCursor } : {}), hasMore };
}
