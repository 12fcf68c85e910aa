import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Config } from '../../config/config.js';
import type { ErrorCode } from '../../errors/catalogue.js';
import { Dialects } from '../../errors/dialects.js';
import { Refusal, withoutSecrets } from '../../errors/refusal.js';
import { refusalToTell } from '../../errors/to-refusal.js';
import { ArgumentRefusal } from './argument-refusal.js';
import type { KatapultError } from './dto/katapult-error.js';
import { KATAPULT_ERRORS, type KatapultErrorCode } from './katapult-errors.js';
import { limitHeaders } from './limit-headers.js';
import { sentencesOf } from './validation-sentences.js';

/** How each refusal is said here. Those about things that this dialect does not show never come up. */
const CODES: Readonly<Record<ErrorCode, KatapultErrorCode>> = {
  'request.malformed_json': 'invalid_json_body',
  'request.body_missing': 'invalid_json_body',
  'request.malformed': 'route_not_found',
  'request.headers_too_large': 'route_not_found',
  'request.invalid_cursor': 'validation_error',
  'request.invalid': 'validation_error',
  'request.too_large': 'invalid_json_body',
  'request.unsupported_media_type': 'invalid_json_body',
  'request.precondition_failed': 'validation_error',
  'request.idempotency_key_reused': 'validation_error',
  'route.not_found': 'route_not_found',
  'route.method_not_allowed': 'route_not_found',
  'list.too_large': 'validation_error',
  'authentication.required': 'missing_api_token',
  'authentication.invalid': 'invalid_api_token',
  'authentication.unavailable': 'service_unavailable',
  'access.denied': 'scope_not_granted',
  'access.not_a_member': 'permission_denied',
  'access.person_required': 'permission_denied',
  'access.address_not_authorized': 'unauthorized_network_for_api_token',
  'access.quota_reached': 'permission_denied',
  'organization.suspended': 'organization_suspended',
  'organization.not_found': 'organization_not_found',
  'organization.slug_taken': 'validation_error',
  'organization.external_id_taken': 'validation_error',
  'member.not_found': 'api_token_not_found', // its owner has gone since it was looked up, and it with them
  'member.already_exists': 'validation_error',
  'member.last_owner': 'validation_error',
  'member.role_exceeds_grantor': 'permission_denied',
  'role.not_found': 'validation_error',
  'role.slug_taken': 'validation_error',
  'role.built_in': 'permission_denied',
  'role.in_use': 'validation_error',
  'role.scopes_exceed_grantor': 'permission_denied',
  'service_account.not_found': 'api_token_not_found', // as above
  'service_account.slug_taken': 'validation_error',
  'service_account.role_exceeds_grantor': 'permission_denied',
  'token.not_found': 'api_token_not_found',
  'token.name_taken': 'validation_error',
  'token.slug_taken': 'validation_error',
  'token.scopes_exceed_grantor': 'permission_denied',
  'token.expired': 'validation_error',
  'rate_limit.exceeded': 'rate_limit_reached',
  'service.unavailable': 'service_unavailable',
  'service.internal': 'unhandled_exception',
};

/** Says refusals as clients of Katapult expect them: `{"error": {code, description, detail}}`, and the three members beside it. */
@Catch()
@Injectable()
export class KatapultErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger(KatapultErrorFilter.name);

  constructor(
    private readonly config: Config,
    dialects: Dialects,
  ) {
    dialects.register({
      name: 'katapult',
      prefix: '/core/v1',
      readsBodies: true,
      answer: (error, request, reply) => this.answer(error, request, reply),
      document: {
        title: 'Keyward, Katapult dialect',
        description:
          'The API tokens of an organization as clients of the Katapult core API know them. Arguments come in the query (`organization[id]=…`), in a JSON body of any method, or both: the body goes before the query. Moments are seconds since 1970. What has no value is null. The paths below `/core/v1/organizations/{organization}` and `/core/v1/api_tokens` are also served without `/core/v1`.',
        tags: {
          'Katapult API tokens': 'Tokens of the organization and of its service accounts.',
          'Katapult organizations': 'The organization of the caller.',
        },
        credential: 'An API token of Keyward, or a JWT of your identity provider.',
      },
    });
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  /** Also called for what goes wrong before a handler of this door is chosen. */
  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const refusal = refusalToTell(error, request.id, this.logger);
    const code = codeOf(refusal);
    const { status, description } = KATAPULT_ERRORS[code];
    const members = { code, description, detail: this.detailOf(code, refusal, request) };
    // The other headers of a refusal are the native dialect's: a challenge in `WWW-Authenticate` belongs to a 401.
    const retryAfter = refusal.more.headers?.['retry-after'];
    void reply
      .status(status)
      .headers({
        'x-request-id': request.id,
        'x-api-schema': 'json-error',
        'cache-control': 'no-store',
        ...limitHeaders(request),
        ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
      })
      .type('application/json; charset=utf-8')
      .send(JSON.stringify({ error: members, ...members } satisfies KatapultError));
  }

  private detailOf(
    code: KatapultErrorCode,
    refusal: Refusal,
    { ip, rateState }: FastifyRequest,
  ): Readonly<Record<string, unknown>> {
    if (refusal instanceof ArgumentRefusal) return refusal.detail;
    switch (code) {
      case 'invalid_json_body':
      case 'permission_denied':
        return { details: withoutSecrets(refusal.message) };
      case 'invalid_api_token':
        return { details: null };
      case 'unauthorized_network_for_api_token':
        return { ip_address: ip };
      case 'scope_not_granted':
        return { scopes: refusal.more.anyOfScopes };
      case 'validation_error':
        return { errors: sentencesOf(refusal) };
      case 'rate_limit_reached':
        // Without a count, it is the limit on credentials that failed.
        return { total_permitted: rateState?.limit ?? this.config.settings.FAILED_VERIFICATIONS_PER_MINUTE };
      case 'missing_api_token':
      case 'invalid_argument':
      case 'missing_required_argument':
      case 'organization_suspended':
      case 'organization_not_found':
      case 'api_token_not_found':
      case 'route_not_found':
      case 'unhandled_exception':
      case 'service_unavailable':
        return {};
    }
  }
}

function codeOf(refusal: Refusal): KatapultErrorCode {
  if (refusal instanceof ArgumentRefusal) return refusal.katapultCode;
  // Not everything that is denied is for want of a scope.
  if (refusal.code === 'access.denied' && refusal.more.anyOfScopes === undefined) return 'permission_denied';
  return CODES[refusal.code];
}
