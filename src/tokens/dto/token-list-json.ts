import type { Listing } from '../../common/pagination.js';
import { isoMomentOf } from '../../database/type-parsers.js';
import { Field, type TokenLines } from '../token-line.js';
import { statedScopes, type TokenOwner } from '../token-owner.js';
import { rangesOf, scopesOf } from '../token-view.js';
import { statusOf } from './token.response.js';

/**
 * The JSON of a list of tokens, letter for letter that of `TokenResponse` and `TokenPageResponse`, from the lines to the
 * text: an object of each token, and its way through `JSON.stringify`, took longer than all the rest of the request.
 */
export function tokenListJson(listing: Listing<number>, lines: TokenLines, owner: TokenOwner, now: string): ListJson {
  const tokens = new TokensJson(lines, owner, now);
  const items = `[${tokens.of(listing.rows)}]`;
  const json = listing.isPage ? pageJson(items, listing.nextCursor) : items;
  return { json, changesAt: tokens.firstExpiry };
}

interface ListJson {
  readonly json: string;
  /** When the first of its tokens expires, whose status is another one from then on. */
  readonly changesAt: string | undefined;
}

function pageJson(items: string, nextCursor: string | undefined): string {
  return nextCursor === undefined
    ? `{"items":${items},"hasMore":false}`
    : `{"items":${items},"nextCursor":${JSON.stringify(nextCursor)},"hasMore":true}`;
}

class TokensJson {
  firstExpiry: string | undefined;
  private readonly account: string;
  /** Tokens of a list mostly have the same scopes and come from the same person. */
  private readonly scopes = new LastJson((text) => JSON.stringify(statedScopes(this.owner, scopesOf(text))));
  private readonly creator = new LastJson(userJson);

  constructor(
    private readonly lines: TokenLines,
    private readonly owner: TokenOwner,
    private readonly now: string,
  ) {
    this.account = owner.kind === 's' ? `"serviceAccountId":"${owner.ownerId}",` : '';
  }

  of(starts: readonly number[]): string {
    let json = '';
    for (const start of starts) json += json === '' ? this.token(start) : `,${this.token(start)}`;
    return json;
  }

  /** Texts that cannot hold a quote or a backslash are written as they are: ids, moments, slugs and addresses. */
  private token(start: number): string {
    const { fields } = this.lines;
    const at = (place: number): string => fields[start + place] as string;
    const [id, createdAt] = [at(Field.id), isoMomentOf(at(Field.createdAt))];
    const [expiresAt, revokedAt, lastUsedAt] = [at(Field.expiresAt), at(Field.revokedAt), at(Field.lastUsedAt)];
    const expiry = expiresAt === '' ? null : isoMomentOf(expiresAt);
    const status = statusOf({ revokedAt: revokedAt === '' ? null : revokedAt, expiresAt: expiry }, this.now);
    if (status === 'active' && expiry !== null && (this.firstExpiry === undefined || expiry < this.firstExpiry))
      this.firstExpiry = expiry;
    const creator = this.creator.of(at(Field.createdById), at(Field.createdByName));
    let json = `{"id":"${id}","number":${at(Field.number)},"slug":"${at(Field.slug)}","name":${textJson(at(Field.name))},"scopes":${this.scopes.of(at(Field.scopes))},${this.account}"status":"${status}","authorizedIpAddresses":${rangesJson(at(Field.authorizedIpAddresses))}`;
    if (at(Field.rateLimit) !== '') json += `,"rateLimit":${at(Field.rateLimit)}`;
    json += `,"annotations":${this.annotationsOf(id)},"createdAt":"${createdAt}","createdBy":${creator}`;
    if (expiry !== null) json += `,"expiresAt":"${expiry}"`;
    if (revokedAt !== '')
      json += `,"revokedAt":"${isoMomentOf(revokedAt)}","revokedBy":${userJson(at(Field.revokedById), at(Field.revokedByName))}`;
    if (lastUsedAt !== '') json += lastUseJson(lastUsedAt, at(Field.lastUsedIp), at(Field.lastUsedUserAgent));
    return `${json}}`;
  }

  private annotationsOf(id: string): string {
    const { annotations } = this.lines;
    const own = annotations.size === 0 ? undefined : annotations.get(id);
    return own === undefined ? '{}' : JSON.stringify(own);
  }
}

/** Remembers the last text that it has made, and of what. */
class LastJson {
  private first: string | undefined;
  private second: string | undefined;
  private json = '';

  constructor(private readonly make: (first: string, second: string) => string) {}

  of(first: string, second = ''): string {
    if (first !== this.first || second !== this.second) {
      this.json = this.make(first, second);
      this.first = first;
      this.second = second;
    }
    return this.json;
  }
}

function rangesJson(text: string): string {
  return text === '' ? '[]' : JSON.stringify(rangesOf(text));
}

/** @param userAgent JSON already */
function lastUseJson(at: string, ipAddress: string, userAgent: string): string {
  const address = ipAddress === '' ? '' : `,"lastUsedIpAddress":"${ipAddress}"`;
  return `,"lastUsedAt":"${isoMomentOf(at)}"${address}${userAgent === '' ? '' : `,"lastUsedUserAgent":${userAgent}`}`;
}

function userJson(id: string, name: string): string {
  return name === '' ? `{"id":${textJson(id)}}` : `{"id":${textJson(id)},"name":${textJson(name)}}`;
}

/** What JSON writes otherwise than it is, the halves of characters included. */
const ESCAPED = /["\\\u0000-\u001f\ud800-\udfff]/; // eslint-disable-line no-control-regex -- they are what is looked for

function textJson(text: string): string {
  return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
}
