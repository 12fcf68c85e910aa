import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { HandlerMetadata } from '../common/handler-metadata.js';
import { Refusal } from '../errors/refusal.js';
import { ACCESS_RULE, type AccessRule } from './require-scopes.decorator.js';
import { holds, isPlatformScope } from './scopes.js';

/**
 * The one place that lets a request through: it runs after authentication, for every route, and refuses a route that
 * declares nothing (deny by default).
 */
@Injectable()
export class AccessGuard implements CanActivate {
  private readonly rules: HandlerMetadata<AccessRule>;

  constructor(reflector: Reflector) {
    this.rules = new HandlerMetadata(reflector, ACCESS_RULE);
  }

  canActivate(context: ExecutionContext): boolean {
    const rule = this.rules.of(context);
    if (rule === undefined)
      throw new Refusal('access.denied', 'This operation declares no access rule, so nobody may use it.');
    if (rule.kind === 'public') return true;

    const principal = context.switchToHttp().getRequest<FastifyRequest>().caller?.principal;
    if (principal === undefined) throw new Refusal('authentication.required');
    if (rule.kind === 'authenticated') return true;
    if (rule.kind === 'person') {
      if (principal.userId === undefined || principal.tokenId !== undefined)
        throw new Refusal('access.person_required');
      return true;
    }

    // The platform check stands beside the scope check: a tenant that got hold of a `platform:…` scope by any mistake still is no operator.
    const isAllowed = rule.anyOf.some(
      (scope) => holds(principal.scopes, scope) && (principal.isPlatform || !isPlatformScope(scope)),
    );
    if (!isAllowed) {
      const needed = rule.anyOf.join(' or ');
      // RFC 6750 §3.1: the scope that would have been enough.
      const challenge = `Bearer error="insufficient_scope", scope="${rule.anyOf.join(' ')}"`;
      throw new Refusal('access.denied', `This needs the scope ${needed}.`, {
        headers: { 'www-authenticate': challenge },
        anyOfScopes: rule.anyOf,
      });
    }
    return true;
  }
}
