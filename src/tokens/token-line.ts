import type { Position } from '../common/pagination.js';
import { momentOf } from '../database/type-parsers.js';

/*
 * How tokens are read: each as one line of text. A list of such lines is put together by PostgreSQL, and taken apart here,
 * in less than half the time of the same values as columns of rows, of JSON arrays or of JSON objects.
 *
 * Validation lets no control character into names, slugs and scopes. What may hold anything is JSON in its field.
 */

/** What stands between the lines of a list, and between the fields of a line. */
export const LINE_SEPARATOR = '\u001e';
export const FIELD_SEPARATOR = '\u001f';
/** What a token without scopes of its own has in their field. */
export const NO_SCOPES = '-';

/** The places of the fields. An empty field is a null; moments are as PostgreSQL writes them. */
export const Field = {
  serviceAccountId: 0,
  userId: 1,
  id: 2,
  number: 3,
  version: 4,
  createdAt: 5,
  expiresAt: 6,
  slug: 7,
  name: 8,
  createdById: 9,
  createdByName: 10,
  /** With spaces between them. */
  scopes: 11,
  rateLimit: 12,
  /** As PostgreSQL writes an array; empty as well where it has no elements. */
  authorizedIpAddresses: 13,
  revokedAt: 14,
  revokedById: 15,
  revokedByName: 16,
  lastUsedAt: 17,
  lastUsedIp: 18,
  /** JSON. */
  lastUsedUserAgent: 19,
} as const;
export const FIELD_COUNT = 20;

/** SQL for the separators. */
export const SQL_LINE_SEPARATOR = `E'\\x1e'`;
const SEPARATOR = `E'\\x1f'`;

/** Put together by `||`, whose operands are text already; `format` looks up how a type is written for each value anew. */
const fields = (...values: string[]): string => values.join(` || ${SEPARATOR} || `);
const optional = (value: string): string => `coalesce(${value}::text, '')`;
/** Fields that most tokens have none of: nothing is asked of each one then. */
const fieldsWhen = (condition: string, ...values: string[]): string =>
  `case when ${condition} then ${fields(...values)} else E'${'\\x1f'.repeat(values.length - 1)}' end`;

const AFTER_OWNER = [
  't.id::text',
  't.number::text',
  't.version::text',
  't.created_at::text',
  optional('t.expires_at'),
  't.slug',
  't.name',
  't.created_by_id',
  optional('t.created_by_name'),
  `coalesce(array_to_string(t.scopes, ' '), '${NO_SCOPES}')`,
  fieldsWhen(
    't.rate_limit is not null or cardinality(t.authorized_ip_addresses) > 0',
    optional('t.rate_limit'),
    't.authorized_ip_addresses::text',
  ),
  fieldsWhen('t.revoked_at is not null', 't.revoked_at::text', 't.revoked_by_id', optional('t.revoked_by_name')),
  fieldsWhen(
    't.last_used_at is not null',
    't.last_used_at::text',
    optional('host(t.last_used_ip)'),
    optional('to_json(t.last_used_user_agent)'),
  ),
];

/** SQL for a token `t` as a line. */
export const LINE = fields(optional('t.service_account_id'), optional('t.user_id'), ...AFTER_OWNER);
/** The same without saying whose it is, for lists of one owner's tokens: whoever asks knows that. */
export const LINE_WITHOUT_OWNER = `${SEPARATOR} || ${fields("''", ...AFTER_OWNER)}`;

type Annotations = Readonly<Record<string, string>>;

/** What a statement answers of a list of tokens; null where there is nothing of the kind. */
export interface ListedTokens {
  readonly lines: string | null;
  readonly count: number;
  readonly annotations: readonly (readonly [tokenId: string, key: string, value: string])[] | null;
}

/** Tokens of one organization as lines, and the annotations of those that have any, by id. */
export interface TokenLines {
  readonly lines: readonly string[];
  readonly annotations: ReadonlyMap<string, Annotations>;
}

export function tokenLinesOf({ lines: text, count, annotations: listed }: ListedTokens): TokenLines {
  if (text === null) return { lines: [], annotations: NONE };
  const lines = text.split(LINE_SEPARATOR);
  // Only a separator inside a value can make them more, and then nobody can tell which value is whose.
  if (lines.length !== count) throw controlCharacter();
  if (listed === null) return { lines, annotations: NONE };
  const pairs = new Map<string, [key: string, value: string][]>();
  for (const [id, key, value] of listed) {
    const known = pairs.get(id);
    if (known === undefined) pairs.set(id, [[key, value]]);
    else known.push([key, value]);
  }
  return { lines, annotations: new Map([...pairs].map(([id, own]) => [id, Object.fromEntries(own)])) };
}

const NONE: TokenLines['annotations'] = new Map();

/** The fault of a line that has not its number of fields. */
export function controlCharacter(): Error {
  return new Error('A token holds a control character that none can have.');
}

/** @returns the fields of a line, FIELD_COUNT of them */
export function fieldsOf(line: string): string[] {
  const values = line.split(FIELD_SEPARATOR);
  if (values.length !== FIELD_COUNT) throw controlCharacter();
  return values;
}

/** Where a line stands in its list. */
export function positionOfLine(line: string): Position {
  const values = fieldsOf(line);
  return { id: values[Field.id] as string, createdAt: momentOf(values[Field.createdAt] as string) };
}
