import { applyDecorators, type Type } from '@nestjs/common';
import { ApiExtraModels, ApiOperation, ApiQuery, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { ApiProblems } from '../errors/api-problems.decorator.js';

interface OperationDescription {
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  /** Refusals beyond those that every operation has (429, 500, 503) and those of its access rule (401, 403). */
  readonly refusals?: readonly number[];
}

/** Documents an operation of the native dialect. */
export function NativeOperation({ id, summary, description, refusals = [] }: OperationDescription): MethodDecorator {
  return applyDecorators(
    ApiOperation({ operationId: id, summary, description }),
    ApiProblems(...refusals, 429, 500, 503),
  );
}

/** Documents both forms of a list: the bare array, and the page when `limit` or `cursor` is sent. */
export function ApiBothListForms(item: Type<unknown>, page: Type<unknown>): MethodDecorator {
  return applyDecorators(
    ApiPageQuery(),
    ApiExtraModels(item, page),
    ApiResponse({
      status: 200,
      description: 'Everything as an array; with limit or cursor, a page. Newest first.',
      content: {
        'application/json': {
          schema: { oneOf: [{ type: 'array', items: { $ref: getSchemaPath(item) } }, { $ref: getSchemaPath(page) }] },
        },
      },
    }),
  );
}

export function ApiPageQuery(): MethodDecorator {
  return applyDecorators(
    ApiQuery({
      name: 'limit',
      required: false,
      description: 'Size of the page.',
      schema: { type: 'integer', minimum: 1, maximum: 200 },
    }),
    ApiQuery({
      name: 'cursor',
      required: false,
      description: 'nextCursor of the previous page.',
      schema: { type: 'string', maxLength: 300 },
    }),
  );
}
