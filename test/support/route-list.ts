import { readFileSync } from 'node:fs';

/** A line of openapi/routes.txt. */
export interface Route {
  readonly method: string;
  /** With its parameters in braces. */
  readonly path: string;
  /** Any one of which is enough; `public` and `authenticated` stand for themselves. */
  readonly scopes: readonly string[];
  readonly operationId: string;
}

/** The routes that are checked in, for `describe.each` and `it.each`. */
export function readRoutes(): Route[] {
  const lines = readFileSync('openapi/routes.txt', 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [method, path, scopes, operationId, ...rest] = line.split(' ');
    if (!method || !path || !scopes || !operationId || rest.length > 0) {
      throw new Error(`openapi/routes.txt has a line that is not METHOD PATH SCOPES OPERATION_ID: ${line}`);
    }
    return { method, path, scopes: scopes.split('|'), operationId };
  });
}

export function isPublic({ scopes }: Route): boolean {
  return scopes.includes('public');
}

/** Whether any good credential is enough. */
export function isForEverybodySignedIn({ scopes }: Route): boolean {
  return scopes.includes('authenticated');
}

/** Whether only people who signed in are let in. */
export function isForPeople({ scopes }: Route): boolean {
  return scopes.includes('person');
}

export function isOfThePlatform({ scopes }: Route): boolean {
  return scopes.every((scope) => scope.startsWith('platform:'));
}

export function parametersOf({ path }: Route): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
}

/**
 * The routes of a running service, `METHOD /path/{parameter}`, from what `printRoutes({ commonPrefix: false })` of
 * Fastify draws: a tree with one route per line, four columns per level.
 */
export function routesOfDrawing(drawing: string): string[] {
  const above: string[] = [];
  return drawing
    .split('\n')
    .filter((line) => line.trim() !== '')
    .flatMap((line) => {
      const [, indent, part, methods] = /^((?:[│ ] {3})*)[├└]── (.*) \(([A-Z, ]+)\)$/.exec(line) ?? [];
      if (indent === undefined || part === undefined || methods === undefined) throw new Error(`unread line: ${line}`);
      const depth = indent.length / 4;
      above.splice(depth, above.length, part);
      const path = above.join('').replace(/:(\w+)/g, '{$1}');
      return methods.split(', ').map((method) => `${method} ${path}`);
    });
}
