import { HttpException, type Logger } from '@nestjs/common';
import { isDatabaseUnavailable } from '../database/database-failure.js';
import { Refusal } from './refusal.js';

/** What Fastify says of a request that it could not read. */
const FASTIFY_CODES: Readonly<Record<string, () => Refusal>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => new Refusal('request.too_large'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => new Refusal('request.unsupported_media_type'),
  FST_ERR_CTP_EMPTY_JSON_BODY: () => new Refusal('request.body_missing'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new Refusal('request.malformed', 'The body is not as long as Content-Length says.'),
  FST_ERR_BAD_URL: () => new Refusal('request.malformed', 'The URL is not correctly percent-encoded.'),
  FST_ERR_MAX_PARAM_LENGTH: () => new Refusal('route.not_found', 'A part of the path is too long.'),
  FST_ERR_ASYNC_CONSTRAINT: () => new Refusal('request.malformed'),
};

/** What Nest makes of what it passes on from Fastify or its router. */
const HTTP_STATUSES: Readonly<Record<number, () => Refusal>> = {
  400: () => new Refusal('request.malformed'),
  404: () => new Refusal('route.not_found'),
  413: () => new Refusal('request.too_large'),
  415: () => new Refusal('request.unsupported_media_type'),
};

/**
 * The refusal that an error amounts to, for the filter of every dialect.
 * @returns undefined for a fault of ours, which must not be told
 */
export function toRefusal(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  const code = (error as { code?: unknown } | null)?.code;
  const known = typeof code === 'string' ? FASTIFY_CODES[code] : undefined;
  if (known) return known();
  if (isDatabaseUnavailable(error))
    return new Refusal('service.unavailable', undefined, { headers: { 'retry-after': '1' }, cause: error });
  return error instanceof HttpException ? HTTP_STATUSES[error.getStatus()]?.() : undefined;
}

/**
 * The refusal that is answered to an error, and what the log is told of it: callers learn nothing of a fault but its request id.
 * @param toldId another id of the error, where a dialect tells one
 */
export function refusalToTell(error: unknown, requestId: string, logger: Logger, toldId?: string): Refusal {
  const refusal = toRefusal(error);
  const request = `Request ${requestId}${toldId === undefined ? '' : `, error ${toldId}`}`;
  if (refusal === undefined) {
    logger.error(`${request} failed`, error instanceof Error ? error.stack : String(error));
    return new Refusal('service.internal');
  }
  if (refusal.code === 'service.unavailable')
    logger.warn(`${request}: ${String((refusal.more.cause as Error | undefined)?.message)}`);
  return refusal;
}

/** A parser's message without the piece of the body that it quotes: a secret may stand there. */
export function malformedJson(error: unknown): Refusal {
  const text = error instanceof Error ? error.message : 'not JSON';
  const message = text.replace(/,? ?(\.\.\.)?"[\s\S]*" is not valid JSON$/, ' is not valid there').slice(0, 200);
  return new Refusal('request.malformed_json', `The body is not JSON: ${message}.`, {
    errors: [{ location: 'body', message }],
  });
}
