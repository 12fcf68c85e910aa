import { type ExecutionContext, Injectable, Logger } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import type { Principal, RequestOrigin } from '../access/principal.js';
import { ACCESS_RULE, type AccessRule } from '../access/require-scopes.decorator.js';
import { HandlerMetadata } from '../common/handler-metadata.js';
import { Refusal } from '../errors/refusal.js';
import { FailureLimiter } from '../rate-limit/failure-limiter.js';
import { tooManyFailures } from '../rate-limit/rate-limit-exceeded.js';
import { Verifier } from '../verification/verifier.service.js';
import { type Credential, originOf, readCredential } from './credential.js';
import { invalidCredential } from './invalid-credential.js';
import { JwtStrategy } from './jwt.strategy.js';

/**
 * Finds out who calls, for every route that is not public, and sets `request.caller`. It never decides what a caller may
 * do: AccessGuard does, after it, and that one also refuses the routes that declare nothing, which this one passes on.
 *
 * API tokens are judged by the verifier, like everybody else's; JWTs by passport. Every credential that is not accepted
 * gets the same 401. Refusals of another kind (the issuer is down, the organization is suspended) and faults of ours go
 * through as they are: neither becomes a 401, and neither lets anybody in.
 */
@Injectable()
export class AuthenticationGuard extends AuthGuard() {
  private readonly logger = new Logger(AuthenticationGuard.name);
  private readonly rules: HandlerMetadata<AccessRule>;

  constructor(
    reflector: Reflector,
    private readonly failures: FailureLimiter,
    private readonly verifier: Verifier,
    jwt: JwtStrategy,
  ) {
    // Passport's own table of strategies is one for the whole process: under their names, two Keywards in one process
    // would judge by each other's keys. A copy per request, as passport makes them itself, because it puts its
    // callbacks on the strategy: requests under way at the same time would otherwise answer for each other.
    super({
      get defaultStrategy(): unknown {
        return Object.create(jwt) as unknown;
      },
    });
    this.rules = new HandlerMetadata(reflector, ACCESS_RULE);
  }

  /** Answers at once where the token is in memory, as it is for nearly every request. */
  override canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const rule = this.rules.of(context);
    if (rule === undefined || rule.kind === 'public') return true;

    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const credential = readCredential(request);
    const origin = originOf(request);
    const principal =
      credential.kind === 'api_token' ? this.findInMemory(request, credential.value, origin) : undefined;
    if (principal === undefined) return this.authenticate(context, request, credential, origin);
    request.caller = { principal, ...origin };
    return true;
  }

  /** What passport found out: `error` as it was thrown inside the strategy, or no principal when that stepped aside. */
  override handleRequest<TUser>(error: unknown, principal: TUser | false | null | undefined): TUser {
    if (error) throw error as Error;
    if (!principal) throw invalidCredential('no strategy accepts the credential');
    return principal;
  }

  private findInMemory(request: FastifyRequest, secret: string, { ipAddress }: RequestOrigin): Principal | undefined {
    return this.verifier
      .findAskerNow(request.raw.socket, secret, ipAddress, request.headers['user-agent'])
      ?.toPrincipal();
  }

  private async authenticate(
    context: ExecutionContext,
    request: FastifyRequest,
    credential: Credential,
    origin: RequestOrigin,
  ): Promise<boolean> {
    const blockedSeconds = this.failures.blockedSeconds(origin.ipAddress, Date.now());
    try {
      request.caller = { principal: await this.identify(context, request, credential, origin), ...origin };
      return true;
    } catch (error) {
      throw this.slowDown(this.uniform(error, request), credential, origin, blockedSeconds);
    }
  }

  private async identify(
    context: ExecutionContext,
    request: FastifyRequest & { user?: Principal },
    credential: Credential,
    origin: RequestOrigin,
  ): Promise<Principal> {
    if (credential.kind === 'absent') throw credentialRequired();
    if (credential.kind === 'malformed') throw invalidCredential(credential.reason);
    if (credential.kind === 'api_token')
      return this.verifier.authenticate(credential.value, origin, request.headers['user-agent']);
    await super.canActivate(context);
    if (!request.user) throw new Error('Authentication ended without a principal.');
    return request.user;
  }

  /** Beyond the limit of failures, an address learns how long to wait and no more whether a credential is any good. */
  private slowDown(
    error: unknown,
    { kind }: Credential,
    { ipAddress }: RequestOrigin,
    blockedSeconds: number,
  ): unknown {
    if (!(error instanceof Refusal) || error.code !== 'authentication.invalid') return error;
    // Tokens are counted by the verifier, when one costs a look-up.
    if (kind === 'jwt') this.failures.recordFailure(ipAddress, Date.now());
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
