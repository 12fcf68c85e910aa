import { readdirSync, readFileSync } from 'node:fs';
import type { Route } from './route-list.js';

/** As much of JSON Schema as the documents use. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly example?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

export interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly description?: string;
}

export interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly object[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: object }>>;
  readonly 'x-required-scopes'?: readonly string[];
}

export interface ApiDocument {
  readonly name: string;
  readonly text: string;
  readonly openapi: string;
  readonly info: { readonly title?: string; readonly description?: string };
  readonly tags?: readonly { readonly name: string; readonly description?: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** The documents that are checked in under openapi/. */
export function readDocuments(): ApiDocument[] {
  const files = readdirSync('openapi').filter((file) => file.endsWith('.json'));
  return files.map((file) => {
    const text = readFileSync(`openapi/${file}`, 'utf8');
    return { ...(JSON.parse(text) as ApiDocument), name: file.replace('.json', ''), text };
  });
}

/** The operation of a route, and the document that describes it. */
export function describeRoute(
  documents: readonly ApiDocument[],
  { method, path }: Route,
): { document: ApiDocument; operation: Operation } {
  for (const document of documents) {
    const operation = document.paths[path]?.[method.toLowerCase()];
    if (operation !== undefined) return { document, operation };
  }
  throw new Error(`No document under openapi/ describes ${method} ${path}.`);
}

/** A schema itself, where it is referred to by its name. */
export function resolveSchema({ components }: ApiDocument, schema: Schema): Schema {
  return schema.$ref === undefined ? schema : components.schemas[schema.$ref.split('/').pop()!]!;
}
