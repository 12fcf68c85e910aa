import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { ProblemResponse } from './problem.response.js';

const SENTENCES: Readonly<Record<number, string>> = {
  400: 'The request cannot be understood: malformed JSON, no body, or a cursor that is not ours.',
  401: 'No credential was sent, or it is not accepted.',
  403: 'The credential does not allow this, or more would be granted than the caller holds.',
  404: 'There is no such thing in the organization of the caller.',
  409: 'It conflicts with what exists: a slug or a name is taken.',
  412: 'If-Match does not name the current version.',
  413: 'The body is too large.',
  415: 'The body is not application/json.',
  422: 'A value breaks a rule; errors[] names each.',
  429: 'Too many requests; Retry-After says when to try again.',
  500: 'A fault of the service; the requestId leads to its log.',
  503: 'The service cannot answer at the moment.',
};

/** Documents refusals: one problem+json response per status. */
export function ApiProblems(...statuses: readonly number[]): MethodDecorator & ClassDecorator {
  return applyDecorators(
    ApiExtraModels(ProblemResponse),
    ...statuses.map((status) =>
      ApiResponse({
        status,
        description: SENTENCES[status] ?? `Status ${status}.`,
        content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemResponse) } } },
      }),
    ),
  );
}
