import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../access/principal.js';
import { HandlerMetadata } from '../common/handler-metadata.js';
import { Config } from '../config/config.js';
import { addressGroup } from './address-group.js';
import { NOT_RATE_LIMITED } from './not-rate-limited.decorator.js';
import { rateLimitExceeded } from './rate-limit-exceeded.js';
import { rateLimitHeaders } from './rate-limit-headers.js';
import { RateLimiter, type RateState } from './rate-limiter.service.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set once the request was counted, for dialects with header fields of their own. */
    rateState?: RateState;
  }
}

/** Whose budget a request is taken from. */
interface Budget {
  /** Its name in the header fields. */
  readonly policy: string;
  readonly key: string;
  readonly limitPerMinute: number;
}

/**
 * Counts every request to a controller once and refuses what is too many. It runs after authentication, so that each
 * credential has a budget of its own, and before the access rules, so that requests that are denied cost one as well.
 */
@Injectable()
export class RateLimitGuard implements CanActivate {
  private readonly free: HandlerMetadata<true>;

  constructor(
    reflector: Reflector,
    private readonly limiter: RateLimiter,
    private readonly config: Config,
  ) {
    this.free = new HandlerMetadata(reflector, NOT_RATE_LIMITED);
  }

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    if (this.free.of(context) === true || request.rateState !== undefined) return true;
    return this.count(request, http.getResponse<FastifyReply>());
  }

  private async count(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
    const { policy, key, limitPerMinute } = this.budgetOf(request);
    const state = await this.limiter.consume(key, limitPerMinute);
    request.rateState = state;
    void reply.headers(rateLimitHeaders(policy, state));
    if (state.isExceeded) throw rateLimitExceeded(state.resetSeconds);
    return true;
  }

  private budgetOf({ caller, ip }: FastifyRequest): Budget {
    const { RATE_LIMIT_PER_MINUTE, UNAUTHENTICATED_PER_MINUTE } = this.config.settings;
    if (caller === undefined) {
      return {
        policy: 'unauthenticated',
        key: `address:${addressGroup(ip)}`,
        limitPerMinute: UNAUTHENTICATED_PER_MINUTE,
      };
    }
    const limitPerMinute = caller.principal.rateLimit ?? RATE_LIMIT_PER_MINUTE;
    return { policy: 'default', key: budgetKey(caller.principal), limitPerMinute };
  }
}

/** A token has a budget of its own, and so has a person with whatever JWT. Ids only: the key is written to Redis. */
export function budgetKey({ tokenId, organizationId, id }: Principal): string {
  return tokenId === undefined ? `user:${organizationId}:${id}` : `credential:${tokenId}`;
}
