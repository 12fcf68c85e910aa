import { applyDecorators, Controller, UseFilters, UseGuards } from '@nestjs/common';
import { ApiExtraModels, ApiOperation, ApiParam, ApiResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { UnleashError } from './dto/unleash-error.dto.js';
import { JsonBodyGuard } from './json-body.guard.js';
import { UnleashErrorFilter } from './unleash-error.filter.js';

export const PREFIX = '/api/admin';

/** Controllers of this dialect: their errors are in its words, and what has a body says that it is JSON. */
export function UnleashController(tag: string, path: string): ClassDecorator {
  return applyDecorators(
    ApiTags(tag),
    UseFilters(UnleashErrorFilter),
    UseGuards(JsonBodyGuard),
    Controller(`${PREFIX}/${path}`),
  );
}

const SENTENCES: Readonly<Record<number, string>> = {
  400: 'The body or a parameter is not valid: BadDataError.',
  401: 'No token was sent (AuthenticationRequired), or it is not accepted (UnauthorizedError).',
  403: 'It is not permitted (PermissionError, ForbiddenError), or the quota is used up (OperationDeniedError).',
  404: 'There is no such thing in the organization of the caller: NotFoundError.',
  409: 'The name is taken: NameExistsError.',
  413: 'The body is too large: PayloadTooLargeError.',
  415: 'The body is not application/json: ContentTypeError.',
  429: 'Too many requests, Retry-After says when to try again: RateLimitError.',
  500: 'A fault of the service, whose log has the id: InternalError.',
  503: 'The service cannot answer at the moment: ServiceUnavailableError.',
};
const OF_EVERY_OPERATION = [401, 403, 429, 500, 503];

interface OperationDescription {
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  /** Names of the numbers in the path, each with a sentence. */
  readonly numbers?: Readonly<Record<string, string>>;
  /** Refusals beyond those that every operation has. */
  readonly refusals?: readonly number[];
}

/** Documents an operation of this dialect and its refusals. */
export function UnleashOperation({
  id,
  summary,
  description,
  numbers = {},
  refusals = [],
}: OperationDescription): MethodDecorator {
  return applyDecorators(
    ApiOperation({ operationId: id, summary, description }),
    ApiExtraModels(UnleashError),
    ...Object.entries(numbers).map(([name, sentence]) =>
      ApiParam({ name, description: sentence, schema: { type: 'integer', minimum: 1 } }),
    ),
    ...[...refusals, ...OF_EVERY_OPERATION].map((status) =>
      ApiResponse({
        status,
        description: SENTENCES[status] ?? `Status ${status}.`,
        content: { 'application/json': { schema: { $ref: getSchemaPath(UnleashError) } } },
      }),
    ),
  );
}
