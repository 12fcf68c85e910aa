import { type ExecutionContext, Injectable, Logger } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import type { Principal } from '../access/principal.js';
import { ACCESS_RULE, type AccessRule } from '../access/require-scopes.decorator.js';
import { Refusal } from '../errors/refusal.js';
import { FailureLimiter } from '../rate-limit/failure-limiter.js';
import { tooManyFailures } from '../rate-limit/rate-limit-exceeded.js';
import { ApiTokenStrategy } from './api-token.strategy.js';
import { originOf, readCredential } from './credential.js';
import { invalidCredential } from './invalid-credential.js';
import { JwtStrategy } from './jwt.strategy.js';

/**
 * Finds out who calls, for every route that is not public, and sets `request.caller`. It never decides what a caller may
 * do: AccessGuard does, after it, and that one also refuses the routes that declare nothing, which this one passes on.
 *
 * Every credential that is not accepted gets the same 401. Refusals of another kind (the issuer is down, the
 * organization is suspended) and faults of ours go through as they are: neither becomes a 401, and neither lets anybody in.
 */
@Injectable()
export class AuthenticationGuard extends AuthGuard() {
  private readonly logger = new Logger(AuthenticationGuard.name);

  constructor(
    private readonly reflector: Reflector,
    private readonly failures: FailureLimiter,
    jwt: JwtStrategy,
    apiToken: ApiTokenStrategy,
  ) {
    // Passport's own table of strategies is one for the whole process: under their names, two Keywards in one process
    // would judge by each other's keys. A copy per request, as passport makes them itself, because it puts its
    // callbacks on the strategy: requests under way at the same time would otherwise answer for each other.
    super({
      get defaultStrategy() {
        return [apiToken, jwt].map((strategy): unknown => Object.create(strategy));
      },
    });
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const rule = this.reflector.getAllAndOverride<AccessRule | undefined>(ACCESS_RULE, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (rule === undefined || rule.kind === 'public') return true;

    const request = context.switchToHttp().getRequest<FastifyRequest & { user?: Principal }>();
    const blockedSeconds = this.failures.blockedSeconds(request.ip, Date.now());
    try {
      const credential = readCredential(request);
      if (credential.kind === 'absent') throw credentialRequired();
      if (credential.kind === 'malformed') throw invalidCredential(credential.reason);
      await super.canActivate(context);
    } catch (error) {
      throw this.slowDown(this.uniform(error, request), request, blockedSeconds);
    }
    if (!request.user) throw new Error('Authentication ended without a principal.');
    request.caller = { principal: request.user, ...originOf(request) };
    return true;
  }

  /** What passport found out: `error` as it was thrown inside a strategy, or no principal when each of them stepped aside. */
  override handleRequest<TUser>(error: unknown, principal: TUser | false | null | undefined): TUser {
    if (error) throw error as Error;
    if (!principal) throw invalidCredential('no strategy accepts the credential');
    return principal;
  }

  /** Beyond the limit of failures, an address learns how long to wait and no more whether a credential is any good. */
  private slowDown(error: unknown, request: FastifyRequest, blockedSeconds: number): unknown {
    if (!(error instanceof Refusal) || error.code !== 'authentication.invalid') return error;
    // Tokens are counted by the verifier, when one costs a look-up.
    if (readCredential(request).kind === 'jwt') this.failures.recordFailure(request.ip, Date.now());
    return blockedSeconds > 0 ? tooManyFailures(blockedSeconds) : error;
  }

  /** Makes every authentication.invalid the same bytes; its reason goes to the log alone. */
  private uniform(error: unknown, request: FastifyRequest): unknown {
    if (!(error instanceof Refusal) || error.code !== 'authentication.invalid') return error;
    const { cause } = error.more;
    this.logger.debug(`Request ${request.id}: ${cause instanceof Error ? cause.message : error.message}`);
    // RFC 6750 §3.1: invalid_token covers expired, revoked, malformed, and invalid for other reasons.
    return new Refusal('authentication.invalid', undefined, {
      headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
      cause: error,
    });
  }
}

/** RFC 6750 §3.1: a request without a credential is told no error code, only that a bearer token is wanted. */
function credentialRequired(): Refusal {
  return new Refusal('authentication.required', undefined, { headers: { 'www-authenticate': 'Bearer' } });
}
