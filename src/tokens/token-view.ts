import { shortRange } from '../database/column-types.js';
import { isoMomentOf, textArrayOf } from '../database/type-parsers.js';
import { Field, NO_SCOPES } from './token-line.js';

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

/** Whose the tokens of lines without owners are. */
export type LineOwner = Pick<TokenView, 'serviceAccountId' | 'userId'>;

const NO_ANNOTATIONS: TokenView['annotations'] = Object.freeze({});

/** A token of an organization that is written in the line that begins at `start`. */
export function viewAt(
  fields: readonly string[],
  start: number,
  organizationId: string,
  owner: LineOwner | undefined,
  annotationsOf: (id: string) => TokenView['annotations'] | undefined,
): TokenView {
  const at = (place: number): string => fields[start + place] as string;
  const serviceAccountId = owner === undefined ? optional(at(Field.serviceAccountId)) : owner.serviceAccountId;
  const userId = owner === undefined ? optional(at(Field.userId)) : owner.userId;
  const rateLimit = at(Field.rateLimit);
  const userAgent = at(Field.lastUsedUserAgent);
  return {
    id: at(Field.id),
    number: Number(at(Field.number)),
    organizationId,
    serviceAccountId,
    userId,
    ownerId: serviceAccountId ?? userId ?? organizationId,
    slug: at(Field.slug),
    name: at(Field.name),
    scopes: scopesOf(at(Field.scopes)),
    authorizedIpAddresses: rangesOf(at(Field.authorizedIpAddresses)),
    rateLimit: rateLimit === '' ? null : Number(rateLimit),
    annotations: annotationsOf(at(Field.id)) ?? NO_ANNOTATIONS,
    expiresAt: moment(at(Field.expiresAt)),
    revokedAt: moment(at(Field.revokedAt)),
    revokedById: optional(at(Field.revokedById)),
    revokedByName: optional(at(Field.revokedByName)),
    createdAt: isoMomentOf(at(Field.createdAt)),
    createdById: at(Field.createdById),
    createdByName: optional(at(Field.createdByName)),
    lastUsedAt: moment(at(Field.lastUsedAt)),
    lastUsedIp: optional(at(Field.lastUsedIp)),
    lastUsedUserAgent: userAgent === '' ? null : (JSON.parse(userAgent) as string),
    version: Number(at(Field.version)),
  };
}

/** The scopes of a line: null where the token has none of its own. */
export function scopesOf(text: string): readonly string[] | null {
  if (text === NO_SCOPES) return null;
  return text === '' ? [] : text.split(' ');
}

/** The ranges of a line, written as everywhere but in PostgreSQL. */
export function rangesOf(text: string): string[] {
  return text === '' ? [] : textArrayOf(text).map(shortRange);
}

function optional(text: string): string | null {
  return text === '' ? null : text;
}

function moment(text: string): string | null {
  return text === '' ? null : isoMomentOf(text);
}
