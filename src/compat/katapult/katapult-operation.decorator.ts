import { applyDecorators, UseFilters, UseInterceptors } from '@nestjs/common';
import { ApiExtraModels, ApiOperation, ApiParam, ApiQuery, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { KatapultError } from './dto/katapult-error.js';
import { KatapultErrorFilter } from './katapult-error.filter.js';
import { KATAPULT_ERRORS, type KatapultErrorCode } from './katapult-errors.js';
import { KatapultInterceptor } from './katapult.interceptor.js';

/** How a controller of this dialect reads requests and says no. */
export function KatapultDoor(): ClassDecorator {
  return applyDecorators(UseFilters(KatapultErrorFilter), UseInterceptors(KatapultInterceptor));
}

/** What every operation may be refused with. */
const COMMON: readonly KatapultErrorCode[] = [
  'missing_api_token',
  'invalid_argument',
  'missing_required_argument',
  'invalid_json_body',
  'invalid_api_token',
  'unauthorized_network_for_api_token',
  'scope_not_granted',
  'permission_denied',
  'organization_suspended',
  'route_not_found',
  'rate_limit_reached',
  'unhandled_exception',
  'service_unavailable',
];

interface Outline {
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  readonly refusals: readonly KatapultErrorCode[];
}

/** Documents an operation, and what it is refused with: one response per status, which tells the codes. */
export function KatapultOperation({ id, summary, description, refusals }: Outline): MethodDecorator {
  const codes = [...COMMON, ...refusals];
  const statuses = [...new Set(codes.map((code) => KATAPULT_ERRORS[code].status))];
  return applyDecorators(
    ApiOperation({ operationId: id, summary, description }),
    ApiExtraModels(KatapultError),
    ...statuses.map((status) => {
      const told = codes.filter((code) => KATAPULT_ERRORS[code].status === status);
      return ApiResponse({
        status,
        description: told.map((code) => `\`${code}\`: ${KATAPULT_ERRORS[code].description}.`).join(' '),
        content: { 'application/json': { schema: { $ref: getSchemaPath(KatapultError) } } },
      });
    }),
  );
}

/** Documents the arguments that name an organization, in the path and in the query. */
export function ApiOrganizationArgument(): MethodDecorator {
  return applyDecorators(
    ApiParam({
      name: 'organization',
      description: 'An id, or `_` or `organization` where an argument names the organization.',
      schema: { type: 'string', default: '_' },
    }),
    ApiQuery({
      name: 'organization[id]',
      required: false,
      description: 'Id of the organization; without any, the one of the caller is meant.',
      schema: { type: 'string' },
    }),
    ApiQuery({
      name: 'organization[sub_domain]',
      required: false,
      description: 'Sub-domain of the organization, instead of its id.',
      schema: { type: 'string' },
    }),
  );
}

/** Documents the place of a token in the path. */
export function ApiTokenArgument(): MethodDecorator {
  return ApiParam({
    name: 'api_token',
    description: 'An id, or `_` or `api_token` where an argument names the token.',
    schema: { type: 'string', default: '_' },
  });
}
