import { shortRange } from '../database/column-types.js';
import { isoMomentOf, textArrayOf } from '../database/type-parsers.js';

/** A token as it is shown: its row with its annotations. Moments are texts as `Date.toISOString` writes them, which is how most readers want them. */
export interface TokenView {
  readonly id: string;
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
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  readonly revokedById: string | null;
  readonly revokedByName: string | null;
  readonly createdAt: string;
  readonly createdById: string;
  readonly createdByName: string | null;
  readonly lastUsedAt: string | null;
  readonly lastUsedIp: string | null;
  readonly lastUsedUserAgent: string | null;
  readonly version: number;
}

/**
 * How tokens are read: each as one text, its fields set apart by a character that none of them holds. A list of such texts
 * is put together by PostgreSQL, and taken apart here, in less than half the time of the same values as columns of rows,
 * of JSON arrays or of JSON objects.
 *
 * Validation lets no control character into names, slugs and scopes. What may hold anything is JSON in its field.
 */
const SEPARATOR = '\u001f';

/** The columns of the owner; a list of one owner's tokens says nothing of them, since whoever asks knows them. */
const OWNER_COLUMNS = ['t.service_account_id', 't.user_id'];
/** In the order in which `viewAt` reads them. Neighbours are of one type where that can be: PostgreSQL looks up how to write a type when it changes. */
const COLUMNS = [
  't.id',
  't.number',
  't.version',
  't.rate_limit',
  't.created_at',
  't.expires_at',
  't.revoked_at',
  't.last_used_at',
  't.slug',
  't.name',
  't.created_by_id',
  't.created_by_name',
  't.revoked_by_id',
  't.revoked_by_name',
  't.scopes',
  't.authorized_ip_addresses',
  'host(t.last_used_ip)',
  'to_json(t.last_used_user_agent)',
];
const FIELD_COUNT = OWNER_COLUMNS.length + COLUMNS.length;

/** SQL for the separator between fields, and between lines. */
export const LINE_SEPARATOR = `E'\\x1f'`;
/** SQL for a token `t` as a line. `format` writes nothing for null. */
export const LINE = lineOf([...OWNER_COLUMNS, ...COLUMNS]);
/** The same without saying whose it is. */
export const LINE_WITHOUT_OWNER = lineOf([null, null, ...COLUMNS]);

function lineOf(columns: readonly (string | null)[]): string {
  const places = columns.map((column) => (column === null ? '' : '%s')).join('\\x1f');
  return `format(E'${places}', ${columns.filter((column) => column !== null).join(', ')})`;
}

/** Whose the tokens of lines without owners are. */
export type LineOwner = Pick<TokenView, 'serviceAccountId' | 'userId'>;

type Annotations = TokenView['annotations'];
const NO_ANNOTATIONS: Annotations = Object.freeze({});

/** The tokens of one organization that are written in lines. */
export function tokensOfLines(
  lines: string,
  organizationId: string,
  owner: LineOwner | undefined,
  annotationsOf: (id: string) => Annotations | undefined,
): TokenView[] {
  const fields = lines.split(SEPARATOR);
  // Only a separator inside a value can make them more or fewer, and then nobody can tell which value is whose.
  if (fields.length % FIELD_COUNT !== 0) throw new Error('A token holds a control character that none can have.');
  const views: TokenView[] = [];
  const scopes = new ScopesOfLines();
  for (let start = 0; start < fields.length; start += FIELD_COUNT)
    views.push(viewAt(fields, start, organizationId, owner, scopes, annotationsOf));
  return views;
}

/** The tokens of a list mostly have the same scopes: they share one array. */
class ScopesOfLines {
  private lastText = '';
  private last: readonly string[] | null = null;

  of(text: string): readonly string[] | null {
    if (text !== this.lastText) {
      this.lastText = text;
      this.last = text === '' ? null : textArrayOf(text);
    }
    return this.last;
  }
}

function viewAt(
  fields: readonly string[],
  start: number,
  organizationId: string,
  owner: LineOwner | undefined,
  scopes: ScopesOfLines,
  annotationsOf: (id: string) => Annotations | undefined,
): TokenView {
  const at = (index: number): string => fields[start + index] as string;
  const id = at(2);
  const serviceAccountId = owner === undefined ? optional(at(0)) : owner.serviceAccountId;
  const userId = owner === undefined ? optional(at(1)) : owner.userId;
  const ranges = at(17);
  const userAgent = at(19);
  return {
    id,
    number: Number(at(3)),
    organizationId,
    serviceAccountId,
    userId,
    ownerId: serviceAccountId ?? userId ?? organizationId,
    slug: at(10),
    name: at(11),
    scopes: scopes.of(at(16)),
    authorizedIpAddresses: ranges === '{}' ? [] : textArrayOf(ranges).map(shortRange),
    rateLimit: at(5) === '' ? null : Number(at(5)),
    annotations: annotationsOf(id) ?? NO_ANNOTATIONS,
    expiresAt: moment(at(7)),
    revokedAt: moment(at(8)),
    revokedById: optional(at(14)),
    revokedByName: optional(at(15)),
    createdAt: isoMomentOf(at(6)),
    createdById: at(12),
    createdByName: optional(at(13)),
    lastUsedAt: moment(at(9)),
    lastUsedIp: optional(at(18)),
    lastUsedUserAgent: userAgent === '' ? null : (JSON.parse(userAgent) as string),
    version: Number(at(4)),
  };
}

function optional(text: string): string | null {
  return text === '' ? null : text;
}

function moment(text: string): string | null {
  return text === '' ? null : isoMomentOf(text);
}
