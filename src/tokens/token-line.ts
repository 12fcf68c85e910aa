import type { Position } from '../common/pagination.js';
import { momentOf } from '../database/type-parsers.js';

/*
 * How tokens are read: each as one line of text. A list of such lines is put together by PostgreSQL, and taken apart here,
 * in less than half the time of the same values as columns of rows, of JSON arrays or of JSON objects.
 *
 * Validation lets no control character into names, slugs and scopes. What may hold anything is JSON in its field.
 */

/** What stands between fields, and between lines. */
const SEPARATOR = '\u001f';
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
const FIELD_COUNT = 20;

/** SQL for the separator. */
export const SQL_SEPARATOR = `E'\\x1f'`;

/**
 * `concat_ws` looks up once per statement how a type is written, where `format` does so for each value. What it leaves out
 * when it is null has to be an empty text instead.
 */
const joined = (...values: string[]): string => `concat_ws(${SQL_SEPARATOR}, ${values.join(', ')})`;
const optional = (value: string): string => `coalesce(${value}::text, '')`;
/** Fields that most tokens have none of: nothing is asked of each one then. */
const fieldsWhen = (condition: string, ...values: string[]): string =>
  `case when ${condition} then ${joined(...values)} else E'${'\\x1f'.repeat(values.length - 1)}' end`;

const AFTER_OWNER = [
  't.id',
  't.number',
  't.version',
  't.created_at',
  optional('t.expires_at'),
  't.slug',
  't.name',
  't.created_by_id',
  optional('t.created_by_name'),
  `coalesce(array_to_string(t.scopes, ' '), '${NO_SCOPES}')`,
  fieldsWhen(
    't.rate_limit is not null or cardinality(t.authorized_ip_addresses) > 0',
    optional('t.rate_limit'),
    't.authorized_ip_addresses',
  ),
  fieldsWhen('t.revoked_at is not null', 't.revoked_at', 't.revoked_by_id', optional('t.revoked_by_name')),
  fieldsWhen(
    't.last_used_at is not null',
    't.last_used_at',
    optional('host(t.last_used_ip)'),
    optional('to_json(t.last_used_user_agent)'),
  ),
];

/** SQL for a token `t` as a line. */
export const LINE = joined(optional('t.service_account_id'), optional('t.user_id'), ...AFTER_OWNER);
/** The same without saying whose it is, for lists of one owner's tokens: whoever asks knows that. */
export const LINE_WITHOUT_OWNER = joined(SQL_SEPARATOR, ...AFTER_OWNER);

type Annotations = Readonly<Record<string, string>>;

/** What a statement answers of a list of tokens; null where there is nothing of the kind. */
export interface ListedTokens {
  readonly lines: string | null;
  readonly count: number;
  readonly annotations: readonly (readonly [tokenId: string, key: string, value: string])[] | null;
}

/** Tokens of one organization as lines, and the annotations of those that have any, by id. */
export interface TokenLines {
  /** The fields of all lines, one after the other. */
  readonly fields: readonly string[];
  /** Where the lines begin in them. */
  readonly starts: readonly number[];
  readonly annotations: ReadonlyMap<string, Annotations>;
}

export function tokenLinesOf({ lines, count, annotations: listed }: ListedTokens): TokenLines {
  const fields = lines === null ? [] : fieldsOf(lines, count);
  const starts = Array.from({ length: count }, (_, index) => index * FIELD_COUNT);
  if (listed === null) return { fields, starts, annotations: NONE };
  const pairs = new Map<string, [key: string, value: string][]>();
  for (const [id, key, value] of listed) {
    const known = pairs.get(id);
    if (known === undefined) pairs.set(id, [[key, value]]);
    else known.push([key, value]);
  }
  return { fields, starts, annotations: new Map([...pairs].map(([id, own]) => [id, Object.fromEntries(own)])) };
}

/** Annotations as they will be read: `jsonb` orders keys by their length in bytes, and those of one length by their bytes. */
export function inJsonbOrder(annotations: Annotations): Annotations {
  const entries = Object.entries(annotations).map(([key, value]) => ({ bytes: Buffer.from(key), key, value }));
  entries.sort((one, other) => one.bytes.length - other.bytes.length || one.bytes.compare(other.bytes));
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
}

const NONE: TokenLines['annotations'] = new Map();

/** The fields of so many lines, in one array: an array for each line would take twice as long. */
export function fieldsOf(lines: string, count: number): string[] {
  const fields = lines.split(SEPARATOR);
  // Only a separator inside a value can make them more, and then nobody can tell which value is whose.
  if (fields.length !== count * FIELD_COUNT) throw new Error('A token holds a control character that none can have.');
  return fields;
}

/** Where the token of the line that begins at `start` stands in its list. */
export function positionAt({ fields }: TokenLines, start: number): Position {
  const at = (place: number): string => fields[start + place] as string;
  return { id: at(Field.id), createdAt: momentOf(at(Field.createdAt)) };
}
