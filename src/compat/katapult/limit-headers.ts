import type { FastifyRequest } from 'fastify';

/** The header fields of this dialect about the limit; none where the request was not counted. */
export function limitHeaders({ rateState }: FastifyRequest): Record<string, string> {
  if (rateState === undefined) return {};
  return { 'x-ratelimit-permitted': String(rateState.limit), 'x-ratelimit-remaining': String(rateState.remaining) };
}
