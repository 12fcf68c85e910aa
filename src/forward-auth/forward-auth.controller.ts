import { Controller, Get, type OnModuleInit, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../access/require-scopes.decorator.js';
import { NativeOperation } from '../common/native-operation.decorator.js';
import { NotRateLimited } from '../rate-limit/not-rate-limited.decorator.js';
import { ApiProblems } from '../errors/api-problems.decorator.js';
import { ProblemFilter } from '../errors/problem.filter.js';
import { Refusal } from '../errors/refusal.js';
import { bearerOf } from '../verification/asker.js';
import type { PlaneRequest } from '../verification/plane-request.js';
import { type BareAnswer, VerificationPlane } from '../verification/verification-plane.js';
import type { VerificationCode } from '../verification/verification-code.js';
import { type Verification, Verifier } from '../verification/verifier.service.js';

const SCOPES_ASKED_MAX = 100;
const NO_SCOPES: readonly string[] = [];

/** Proxies understand 2xx, 401 and 403. 401: another credential may help; 403: this bearer may not. */
const REFUSED: Readonly<Record<Exclude<VerificationCode, 'VALID'>, 401 | 403>> = {
  NOT_FOUND: 401,
  REVOKED: 401,
  EXPIRED: 401,
  DISABLED: 401,
  SUSPENDED: 403,
  INSUFFICIENT_SCOPE: 403,
  FORBIDDEN_ADDRESS: 403,
  RATE_LIMITED: 403,
};

/**
 * Decides for a proxy whether the request that it holds may go on: nginx auth_request, Traefik ForwardAuth, Envoy ext_authz.
 * It judges the very token that the request carries, so the proxy itself needs no credential.
 */
@ApiTags('Verification')
@Public()
@NotRateLimited()
@Controller('forward-auth')
export class ForwardAuthController implements OnModuleInit {
  constructor(
    private readonly verifier: Verifier,
    private readonly plane: VerificationPlane,
    private readonly problems: ProblemFilter,
  ) {}

  onModuleInit(): void {
    this.plane.all(
      '/forward-auth',
      (request) => this.decide(request),
      (error, request, reply) => this.problems.answer(error, request, reply),
    );
  }

  @Get()
  @ApiQuery({
    name: 'scope',
    required: false,
    isArray: true,
    description: 'Scopes that are needed, all of them.',
    schema: { type: 'array', items: { type: 'string' } },
  })
  @NativeOperation({
    id: 'forwardAuth',
    summary: 'Decide about a request for a proxy',
    description:
      'Any method, and any path below. 200 with identity headers (X-Keyward-…), or 401 or 403 with the reason in X-Keyward-Code.',
  })
  @ApiOkResponse({ description: 'The request may go on; the headers say who sends it.' })
  @ApiProblems(401, 403)
  async get(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<FastifyReply> {
    const { status, headers } = await this.decide(request);
    for (let index = 0; index < headers.length; index += 2) void reply.header(headers[index] ?? '', headers[index + 1]);
    return reply.status(status).send();
  }

  private decide(request: PlaneRequest): BareAnswer | Promise<BareAnswer> {
    const secret = bearerOf(request);
    if (secret === undefined)
      throw new Refusal('authentication.required', undefined, { headers: { 'www-authenticate': 'Bearer' } });
    const verification = this.verifier.verify({
      secret,
      scopes: scopesOf(request),
      ipAddress: request.ip,
      userAgent: request.headers['user-agent'],
      cost: 1,
      failureAddress: request.ip,
      withinOrganizationId: undefined,
    });
    return verification instanceof Promise ? verification.then(answer) : answer(verification);
  }
}

function answer({ code, credential }: Verification): BareAnswer {
  if (code === 'VALID' && credential !== undefined) return { status: 200, headers: credential.identityHeaders };
  const status = REFUSED[code as Exclude<VerificationCode, 'VALID'>];
  const challenge = status === 401 ? ['www-authenticate', 'Bearer error="invalid_token"'] : [];
  return { status, headers: [...challenge, 'x-keyward-code', code] };
}

/** `?scope=a&scope=b`, or several in one, separated by spaces as in RFC 6749 §3.3. */
function scopesOf({ url }: PlaneRequest): readonly string[] {
  const at = url.indexOf('?');
  if (at < 0) return NO_SCOPES;
  const scopes = new URLSearchParams(url.slice(at + 1))
    .getAll('scope')
    .flatMap((value) => value.split(' ').filter((scope) => scope !== ''));
  if (scopes.length > SCOPES_ASKED_MAX)
    throw new Refusal('access.denied', `At most ${SCOPES_ASKED_MAX} scopes can be asked for.`);
  return scopes;
}
