import { Injectable } from '@nestjs/common';
import type { FastifyInstance, HTTPMethods } from 'fastify';
import FindMyWay from 'find-my-way';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Knows every route, so that a wrong method can be told from a wrong path: to Fastify both are "not found". */
@Injectable()
export class RouteTable {
  private readonly router = FindMyWay({ ignoreTrailingSlash: false });
  private readonly known = new Set<string>();

  /** Notes the routes that are added to the instance from now on. */
  watch(instance: FastifyInstance): void {
    instance.addHook('onRoute', ({ method, url }) => {
      for (const one of Array.isArray(method) ? method : [method]) {
        if (!METHODS.includes(one) || url.includes('*') || this.known.has(`${one} ${url}`)) continue;
        this.known.add(`${one} ${url}`);
        this.router.on(one as FindMyWay.HTTPMethod, url, () => undefined);
      }
    });
  }

  /** The methods that are offered at a path, for the Allow header; empty when there is nothing at it. */
  methodsAt(path: string): string[] {
    return METHODS.filter((method) => this.router.find(method as FindMyWay.HTTPMethod, path) !== null);
  }
}
