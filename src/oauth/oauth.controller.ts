import { Controller, HttpCode, type OnModuleInit, Post, Req, Res, UseFilters } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequireScopes } from '../access/require-scopes.decorator.js';
import { parseForm } from '../common/form.js';
import { normalizeAddress } from '../common/ip-address.js';
import { NativeOperation } from '../common/native-operation.decorator.js';
import { NotRateLimited } from '../rate-limit/not-rate-limited.decorator.js';
import { Dialects } from '../errors/dialects.js';
import { invalidAt, Refusal } from '../errors/refusal.js';
import { boundsOf, requireAsker } from '../verification/asker.js';
import { JSON_TYPE, type PlaneRequest } from '../verification/plane-request.js';
import { VerificationPlane } from '../verification/verification-plane.js';
import { type Verification, Verifier } from '../verification/verifier.service.js';
import { IntrospectionRequest, IntrospectionResponse } from './introspection.dto.js';
import { OAuthErrorFilter } from './oauth-error.filter.js';

const NO_SCOPES: readonly string[] = [];
/** RFC 7662 §2.2: about a token that is not active nothing else may be told. */
const INACTIVE = '{"active":false}';

/** Token introspection (RFC 7662), for resource servers and gateways that speak OAuth 2.0. */
@ApiTags('Verification')
@UseFilters(OAuthErrorFilter)
@NotRateLimited()
@Controller('oauth2')
export class OAuthController implements OnModuleInit {
  constructor(
    private readonly verifier: Verifier,
    private readonly plane: VerificationPlane,
    private readonly errors: OAuthErrorFilter,
    dialects: Dialects,
  ) {
    dialects.register({
      name: 'oauth',
      prefix: '/oauth2',
      answer: (error, request, reply) => this.errors.answer(error, request, reply),
    });
  }

  onModuleInit(): void {
    this.plane.post(
      '/oauth2/introspect',
      (request) => this.answer(request),
      (error, request, reply) => this.errors.answer(error, request, reply),
      {
        contentType: 'application/x-www-form-urlencoded',
        parse: parseForm,
      },
    );
  }

  @Post('introspect')
  @HttpCode(200)
  @RequireScopes('platform:verify', 'api_tokens:verify')
  @ApiConsumes('application/x-www-form-urlencoded')
  @ApiBody({ type: IntrospectionRequest })
  @NativeOperation({
    id: 'introspectToken',
    summary: 'Introspect a token (RFC 7662)',
    description:
      'Whether a token is active, and what it may do. Of a token that is not active, for whatever reason, nothing else is told.',
    refusals: [400, 413, 415],
  })
  @ApiOkResponse({ type: IntrospectionResponse, description: 'The state of the token.' })
  async introspect(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<FastifyReply> {
    const text = await this.answer(request);
    return reply.header('content-type', JSON_TYPE).header('cache-control', 'no-store').send(text);
  }

  private answer(request: PlaneRequest): string | Promise<string> {
    const asker = requireAsker(this.verifier, request);
    if (asker instanceof Promise) return asker.then((late) => this.answerWithin(boundsOf(late), request));
    return this.answerWithin(boundsOf(asker), request);
  }

  private answerWithin(withinOrganizationId: string | undefined, request: PlaneRequest): string | Promise<string> {
    // A JSON body comes here only through Nest, which reads one.
    if (!/^application\/x-www-form-urlencoded *(;|$)/i.test(request.headers['content-type'] ?? '')) {
      throw new Refusal('request.unsupported_media_type');
    }
    const form = (request.body ?? {}) as Readonly<Record<string, string | undefined>>;
    const { token, ip_address: sent } = form;
    // RFC 7662 §2.1: token is REQUIRED; token_type_hint may be ignored, since there is one type.
    if (token === undefined || token === '') throw invalidAt('body.token', 'must be sent, once');
    if ('ip_address' in form && sent === undefined) throw invalidAt('body.ip_address', 'must be sent once');
    const ipAddress = sent === undefined ? undefined : normalizeAddress(sent);
    if (sent !== undefined && ipAddress === undefined)
      throw invalidAt('body.ip_address', 'must be an IPv4 or IPv6 address');
    const verification = this.verifier.verify({
      secret: token,
      scopes: NO_SCOPES,
      ipAddress,
      userAgent: undefined,
      cost: 1,
      failureAddress: ipAddress ?? request.ip,
      withinOrganizationId,
    });
    return verification instanceof Promise ? verification.then(tell) : tell(verification);
  }
}

function tell({ code, credential }: Verification): string {
  return code === 'VALID' && credential !== undefined ? credential.introspection : INACTIVE;
}
