import { applyDecorators, createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { ApiExtension, ApiSecurity } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiProblems } from '../errors/api-problems.decorator.js';
import { CATALOGUE } from '../errors/catalogue.js';
import type { Caller } from './principal.js';
import type { ManagementScope } from './scopes.js';

/** What a route declares about who may use it. The guard refuses a route that declares nothing. */
export type AccessRule =
  | { readonly kind: 'public' }
  | { readonly kind: 'authenticated' }
  | { readonly kind: 'person' }
  | { readonly kind: 'scopes'; readonly anyOf: readonly ManagementScope[] };

export const ACCESS_RULE = 'keyward:access-rule';

type Scopes = [ManagementScope, ...ManagementScope[]];
const REFUSALS = [CATALOGUE['authentication.required'].status, CATALOGUE['access.denied'].status];

/** Lets in who holds any one of the scopes, and documents the scopes and the refusals that follow from them. */
export function RequireScopes(...anyOf: Scopes): MethodDecorator & ClassDecorator {
  return applyDecorators(EnforceScopes(...anyOf), ApiProblems(...REFUSALS));
}

/** The same for a dialect, which documents its refusals in its own words. */
export function EnforceScopes(...anyOf: Scopes): MethodDecorator & ClassDecorator {
  return declared({ kind: 'scopes', anyOf }, anyOf);
}

/** Lets in every caller with a good credential, whatever its scopes. */
export function RequireAuthentication(): MethodDecorator & ClassDecorator {
  return applyDecorators(declared({ kind: 'authenticated' }, []), ApiProblems(...REFUSALS));
}

/** Lets in people who signed in: a token that leaked must not reach what would outlive its revocation. */
export function RequirePerson(): MethodDecorator & ClassDecorator {
  return applyDecorators(EnforcePerson(), ApiProblems(...REFUSALS));
}

/** The same for a dialect. */
export function EnforcePerson(): MethodDecorator & ClassDecorator {
  return declared({ kind: 'person' }, []);
}

/** Lets in everybody. */
export function Public(): MethodDecorator & ClassDecorator {
  return applyDecorators(
    SetMetadata(ACCESS_RULE, { kind: 'public' } satisfies AccessRule),
    ApiExtension('x-required-scopes', ['public']),
  );
}

function declared(rule: AccessRule, scopes: readonly string[]): MethodDecorator & ClassDecorator {
  return applyDecorators(
    SetMetadata(ACCESS_RULE, rule),
    ApiSecurity('bearer', [...scopes]),
    ApiExtension('x-required-scopes', scopes.length > 0 ? scopes : [rule.kind]),
  );
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the authentication guard; absent on public routes. */
    caller?: Caller;
  }
}

/** The caller of a route that is not public. */
export const CurrentCaller = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
  if (caller === undefined) throw new Error('A public route asks for its caller.');
  return caller;
});
