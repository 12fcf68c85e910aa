import type { Listing } from '../../common/pagination.js';
import { isoMomentOf } from '../../database/type-parsers.js';
import { controlCharacter, Field, FIELD_COUNT, FIELD_SEPARATOR, type TokenLines } from '../token-line.js';
import { statedScopes, type TokenOwner } from '../token-owner.js';
import { rangesOf, scopesOf } from '../token-view.js';
import { JsonBytes, literal } from '../../common/json-bytes.js';

const SEPARATOR = FIELD_SEPARATOR.charCodeAt(0);
const [SPACE, PLUS, DOT, ZERO] = [0x20, 0x2b, 0x2e, 0x30];
const DATE_END = '2030-01-31'.length;
const SECONDS_END = '2030-01-31 12:00:00'.length;
const UTC_LENGTH = '+00'.length;

const BEGIN = literal('{"id":"');
const NUMBER = literal('","number":');
const SLUG = literal(',"slug":"');
const NAME = literal('","name":"');
const STATUS = {
  active: literal('"status":"active"'),
  expired: literal('"status":"expired"'),
  revoked: literal('"status":"revoked"'),
};
const NO_RANGES = literal(',"authorizedIpAddresses":[]');
const RATE_LIMIT = literal(',"rateLimit":');
const NO_ANNOTATIONS = literal(',"annotations":{}');
const CREATED_AT = literal(',"createdAt":"');
const CREATED_BY = literal('","createdBy":{"id":"');
const ITS_NAME = literal('","name":"');
const END_OF_USER = literal('"}');
const EXPIRES_AT = literal(',"expiresAt":"');
const REVOKED_AT = literal(',"revokedAt":"');
const REVOKED_BY = literal('","revokedBy":{"id":"');
const LAST_USED_AT = literal(',"lastUsedAt":"');
const LAST_USED_IP = literal(',"lastUsedIpAddress":"');
const LAST_USED_USER_AGENT = literal(',"lastUsedUserAgent":');
const QUOTE = literal('"');
const COMMA = literal(',');
const END = literal('}');

/**
 * The JSON of a list of tokens, letter for letter that of `TokenResponse` and `TokenPageResponse`, from the bytes of their
 * lines to its own: an object and a text for each value on the way took more than twice as long, which was a third of the
 * whole request.
 */
export function tokenListJson(
  listing: Listing<string>,
  annotations: TokenLines['annotations'],
  owner: TokenOwner,
): Buffer {
  const tokens = new TokensJson(annotations, owner);
  if (!listing.isPage) return tokens.write('[', listing.rows, ']');
  const { nextCursor } = listing;
  const end =
    nextCursor === undefined ? ',"hasMore":false}' : `,"nextCursor":${JSON.stringify(nextCursor)},"hasMore":true}`;
  return tokens.write('{"items":[', listing.rows, `]${end}`);
}

/** The bytes of the line that is being written; the places where its fields begin, and where the next one would. */
let source = Buffer.allocUnsafe(4_096);
const starts = new Int32Array(FIELD_COUNT + 1);

class TokensJson {
  private readonly json = new JsonBytes();
  private readonly now = new Date().toISOString().slice(0, -1).replace('T', ' ');
  private lastScopes: string | undefined;
  private scopes = COMMA;

  constructor(
    private readonly annotations: TokenLines['annotations'],
    private readonly owner: TokenOwner,
  ) {}

  write(begin: string, lines: readonly string[], end: string): Buffer {
    this.json.text(begin);
    for (const [index, line] of lines.entries()) {
      if (index > 0) this.json.literal(COMMA);
      this.token(line);
    }
    this.json.text(end);
    return this.json.end();
  }

  private token(line: string): void {
    read(line);
    const { json } = this;
    json.literal(BEGIN);
    this.plain(Field.id);
    json.literal(NUMBER);
    this.plain(Field.number);
    json.literal(SLUG);
    this.plain(Field.slug);
    json.literal(NAME);
    this.string(Field.name);
    json.literal(this.scopesAndAccount());
    json.literal(STATUS[this.status()]);
    this.ranges();
    if (has(Field.rateLimit)) {
      json.literal(RATE_LIMIT);
      this.plain(Field.rateLimit);
    }
    this.ownAnnotations();
    json.literal(CREATED_AT);
    this.moment(Field.createdAt);
    json.literal(CREATED_BY);
    this.user(Field.createdById, Field.createdByName);
    if (has(Field.expiresAt)) {
      json.literal(EXPIRES_AT);
      this.moment(Field.expiresAt);
      json.literal(QUOTE);
    }
    if (has(Field.revokedAt)) {
      json.literal(REVOKED_AT);
      this.moment(Field.revokedAt);
      json.literal(REVOKED_BY);
      this.user(Field.revokedById, Field.revokedByName);
    }
    if (has(Field.lastUsedAt)) this.lastUse();
    json.literal(END);
  }

  /** From the end of the name to the status. Tokens of a list mostly have the same scopes. */
  private scopesAndAccount(): Uint8Array {
    const text = textOf(Field.scopes);
    if (text !== this.lastScopes) {
      const scopes = JSON.stringify(statedScopes(this.owner, scopesOf(text)));
      const account = this.owner.kind === 's' ? `"serviceAccountId":"${this.owner.ownerId}",` : '';
      this.scopes = literal(`","scopes":${scopes},${account}`);
      this.lastScopes = text;
    }
    return this.scopes;
  }

  private status(): keyof typeof STATUS {
    if (has(Field.revokedAt)) return 'revoked';
    return has(Field.expiresAt) && this.isPast(Field.expiresAt) ? 'expired' : 'active';
  }

  private ranges(): void {
    if (!has(Field.authorizedIpAddresses)) return this.json.literal(NO_RANGES);
    const ranges = rangesOf(textOf(Field.authorizedIpAddresses));
    this.json.text(`,"authorizedIpAddresses":${JSON.stringify(ranges)}`);
  }

  private ownAnnotations(): void {
    const own = this.annotations.size === 0 ? undefined : this.annotations.get(textOf(Field.id));
    if (own === undefined) this.json.literal(NO_ANNOTATIONS);
    else this.json.text(`,"annotations":${JSON.stringify(own)}`);
  }

  private lastUse(): void {
    const { json } = this;
    json.literal(LAST_USED_AT);
    this.moment(Field.lastUsedAt);
    json.literal(QUOTE);
    if (has(Field.lastUsedIp)) {
      json.literal(LAST_USED_IP);
      this.plain(Field.lastUsedIp);
      json.literal(QUOTE);
    }
    if (has(Field.lastUsedUserAgent)) {
      json.literal(LAST_USED_USER_AGENT);
      this.plain(Field.lastUsedUserAgent);
    }
  }

  /** The members behind the id's opening quote. */
  private user(id: number, name: number): void {
    this.string(id);
    if (has(name)) {
      this.json.literal(ITS_NAME);
      this.string(name);
    }
    this.json.literal(END_OF_USER);
  }

  /** A field whose text is JSON as it is: a number, or what cannot hold a quote or a backslash. */
  private plain(field: number): void {
    this.json.copy(source, startOf(field), endOf(field));
  }

  private string(field: number): void {
    this.json.copyEscaped(source, startOf(field), endOf(field));
  }

  /** `2030-01-31 12:00:00.12+00` as `2030-01-31T12:00:00.120Z`. */
  private moment(field: number): void {
    const [from, to] = [startOf(field), endOf(field)];
    if (isUtcMoment(from, to)) this.json.moment(source, from, to - UTC_LENGTH);
    else this.json.text(isoMomentOf(textOf(field)));
  }

  /** Whether the moment of a field is not later than now: texts of one form compare as their moments do. */
  private isPast(field: number): boolean {
    const [from, to] = [startOf(field), endOf(field)];
    if (!isUtcMoment(from, to)) return isoMomentOf(textOf(field)) <= `${this.now.replace(' ', 'T')}Z`;
    for (let index = 0; index < this.now.length; index++) {
      const at = from + index;
      const digit = at < to - UTC_LENGTH ? source[at] : index === SECONDS_END ? DOT : ZERO;
      const ofNow = this.now.charCodeAt(index);
      if (digit !== ofNow) return (digit as number) < ofNow;
    }
    return true;
  }
}

/** Makes the fields of a line those that the functions below are about. */
function read(line: string): void {
  if (source.length < line.length * 3) source = Buffer.allocUnsafe(line.length * 3);
  const length = source.write(line);
  let field = 0;
  starts[0] = 0;
  for (let at = 0; at < length; at++) {
    if (source[at] !== SEPARATOR) continue;
    if (++field === FIELD_COUNT) throw controlCharacter();
    starts[field] = at + 1;
  }
  if (field !== FIELD_COUNT - 1) throw controlCharacter();
  starts[FIELD_COUNT] = length + 1;
}

function startOf(field: number): number {
  return starts[field] as number;
}

function endOf(field: number): number {
  return (starts[field + 1] as number) - 1;
}

function has(field: number): boolean {
  return endOf(field) > startOf(field);
}

function textOf(field: number): string {
  return source.toString('utf8', startOf(field), endOf(field));
}

/** `2030-01-31 12:00:00.12+00`, with or without a fraction; other years, and infinity, are written otherwise. */
function isUtcMoment(from: number, to: number): boolean {
  return source[from + DATE_END] === SPACE && source[to - UTC_LENGTH] === PLUS;
}
