import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiProblems } from '../errors/api-problems.decorator.js';
import { Refusal } from '../errors/refusal.js';

/** The entity tag of a row's version. */
export function etagOf(row: { readonly version: number }): string {
  return `"${row.version}"`;
}

/** The versions that If-Match accepts; undefined when any is fine. */
export type ExpectedVersions = readonly number[] | undefined;

/** Reads If-Match (RFC 9110 §13.1.1). Tags that are not ours, weak ones included, match nothing. */
export const IfMatch = createParamDecorator((_: unknown, context: ExecutionContext): ExpectedVersions => {
  const header = context.switchToHttp().getRequest<FastifyRequest>().headers['if-match'];
  if (header === undefined || header.trim() === '*') return undefined;
  return header.split(',').flatMap((tag) => {
    const [, version] = /^"(\d{1,9})"$/.exec(tag.trim()) ?? [];
    return version === undefined ? [] : [Number(version)];
  });
});

/** @throws Refusal request.precondition_failed when the row is of another version than the caller has read */
export function requireVersion(row: { readonly version: number }, expected: ExpectedVersions): void {
  if (expected !== undefined && !expected.includes(row.version)) throw new Refusal('request.precondition_failed');
}

/** Documents If-Match on an operation that changes what it was read from. */
export function ApiIfMatch(): MethodDecorator {
  return applyDecorators(
    ApiHeader({
      name: 'If-Match',
      required: false,
      description: 'ETag that was read; when it is no longer the current one nothing is changed.',
      schema: { type: 'string' },
    }),
    ApiProblems(412),
  );
}
