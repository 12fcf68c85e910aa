import type { Listing } from '../../common/pagination.js';
import { statedScopes, type TokenOwner } from '../token-owner.js';
import type { TokenView } from '../token-view.js';
import { statusOf } from './token.response.js';

/**
 * The JSON of a list of tokens, letter for letter that of `TokenResponse` and `TokenPageResponse`, without making an object
 * of each token first: that and its way through `JSON.stringify` took longer than all the rest of the request.
 */
export function tokenListJson(listing: Listing<TokenView>, owner: TokenOwner): string {
  const items = `[${itemsJson(listing.rows, owner)}]`;
  if (!listing.isPage) return items;
  const { nextCursor } = listing;
  return nextCursor === undefined
    ? `{"items":${items},"hasMore":false}`
    : `{"items":${items},"nextCursor":${JSON.stringify(nextCursor)},"hasMore":true}`;
}

function itemsJson(tokens: readonly TokenView[], owner: TokenOwner): string {
  const now = new Date().toISOString();
  let json = '';
  let last: TokenView['scopes'] | undefined;
  let scopes = '';
  for (const token of tokens) {
    // Tokens of a list share the array of their scopes where they have the same ones.
    if (token.scopes !== last) {
      last = token.scopes;
      scopes = JSON.stringify(statedScopes(owner, last));
    }
    json += json === '' ? tokenJson(token, scopes, now) : `,${tokenJson(token, scopes, now)}`;
  }
  return json;
}

/** Texts that cannot hold a quote or a backslash are written as they are: ids, moments, slugs and addresses. */
function tokenJson(token: TokenView, scopes: string, now: string): string {
  const { serviceAccountId, authorizedIpAddresses: ranges, rateLimit, annotations } = token;
  let json = `{"id":"${token.id}","number":${token.number},"slug":"${token.slug}","name":${textJson(token.name)},"scopes":${scopes}`;
  if (serviceAccountId !== null) json += `,"serviceAccountId":"${serviceAccountId}"`;
  json += `,"status":"${statusOf(token, now)}","authorizedIpAddresses":${ranges.length === 0 ? '[]' : JSON.stringify(ranges)}`;
  if (rateLimit !== null) json += `,"rateLimit":${rateLimit}`;
  json += `,"annotations":${JSON.stringify(annotations)},"createdAt":"${token.createdAt}","createdBy":${userJson(token.createdById, token.createdByName)}`;
  if (token.expiresAt !== null) json += `,"expiresAt":"${token.expiresAt}"`;
  if (token.revokedAt !== null) json += `,"revokedAt":"${token.revokedAt}"`;
  if (token.revokedById !== null) json += `,"revokedBy":${userJson(token.revokedById, token.revokedByName)}`;
  if (token.lastUsedAt !== null) json += `,"lastUsedAt":"${token.lastUsedAt}"`;
  if (token.lastUsedIp !== null) json += `,"lastUsedIpAddress":"${token.lastUsedIp}"`;
  if (token.lastUsedUserAgent !== null) json += `,"lastUsedUserAgent":${textJson(token.lastUsedUserAgent)}`;
  return `${json}}`;
}

function userJson(id: string, name: string | null): string {
  return name === null ? `{"id":${textJson(id)}}` : `{"id":${textJson(id)},"name":${textJson(name)}}`;
}

/** What JSON writes otherwise than it is, the halves of characters included. */
const ESCAPED = /["\\\u0000-\u001f\ud800-\udfff]/; // eslint-disable-line no-control-regex -- they are what is looked for

function textJson(text: string): string {
  return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
}
