import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { Dialects, type DocumentOutline } from './errors/dialects.js';

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const;

const NATIVE: DocumentOutline = {
  title: 'Keyward',
  description:
    'Service accounts and API tokens for multi-tenant products. The organization comes from the credential: a JWT of your identity provider, or an API token. Errors are problem+json (RFC 9457).',
  tags: {
    'Service accounts': 'Identities of machines.',
    Tokens: 'Credentials of service accounts.',
    'Organization tokens': 'Credentials of the organization itself.',
    'Personal tokens': 'Credentials of the person who calls.',
    Organization: 'The organization of the caller and its people.',
    Roles: 'What members and service accounts may do.',
    Audit: 'Who changed what.',
    Platform: "The operator's view of all organizations.",
    Service: 'Health of the service, its metrics, and its catalogue of errors.',
  },
  credential: 'A JWT of your identity provider, or an API token of Keyward.',
};

const VERIFICATION: DocumentOutline = {
  title: 'Keyward verification',
  description:
    'Whether a token is good. Ask with a token of a service account that holds `platform:verify` (tokens of every organization) or `api_tokens:verify` (those of its own).',
  tags: { Verification: 'Whether a token is good, and what it may do.' },
  credential: 'An API token of Keyward.',
};

/** Every document by its name under /openapi: what microservices ask, each dialect, and all the rest as the native one. */
export function apiDocuments(app: NestFastifyApplication): Readonly<Record<string, () => OpenAPIObject>> {
  const outlines = new Map([
    ['native', NATIVE],
    ['verification', VERIFICATION],
    ...app.get(Dialects).all.flatMap(({ name, document }) => (document ? [[name, document] as const] : [])),
  ]);
  return Object.fromEntries([...outlines].map(([name, outline]) => [name, () => documentOf(app, outline)]));
}

/** The document, made from the decorators of the controllers that bear one of its tags. */
function documentOf(
  app: NestFastifyApplication,
  { title, description, tags, credential }: DocumentOutline,
): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle(title)
    .setDescription(description)
    .setVersion('1')
    .setLicense('MIT', 'https://spdx.org/licenses/MIT.html')
    .addServer('/', 'This service')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: credential }, 'bearer');
  for (const [name, sentence] of Object.entries(tags)) builder.addTag(name, sentence);
  const document = SwaggerModule.createDocument(app, builder.build());
  return selected(document, (used) => used.some((tag) => Object.hasOwn(tags, tag)));
}

/** Serves Swagger UI under /docs, with every document in its selector, and the documents under /openapi/{name}.json. */
export function serveApiDocuments(app: NestFastifyApplication): void {
  const documents = apiDocuments(app);
  const urls = Object.keys(documents).map((name) => ({ name, url: `/openapi/${name}.json` }));
  for (const [name, build] of Object.entries(documents)) {
    SwaggerModule.setup(`openapi/${name}`, app, build, {
      ui: false,
      raw: ['json'],
      jsonDocumentUrl: `openapi/${name}.json`,
    });
  }
  SwaggerModule.setup('docs', app, () => documentOf(app, NATIVE), {
    raw: false,
    explorer: true,
    customSiteTitle: 'Keyward API',
    swaggerOptions: { urls, persistAuthorization: true, displayRequestDuration: true, tryItOutEnabled: true },
  });
}

/** The document with the operations whose tags are wanted, and the schemas that they use. */
function selected(document: OpenAPIObject, isWanted: (tags: readonly string[]) => boolean): OpenAPIObject {
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) if (item[method] && !isWanted(item[method].tags ?? [])) delete item[method];
    if (!METHODS.some((method) => item[method])) delete document.paths[path];
  }
  const schemas = document.components?.schemas ?? {};
  describePathParameters(document);
  for (let isDone = false; !isDone;) {
    const text = JSON.stringify(document);
    const unused = Object.keys(schemas).filter((name) => !text.includes(`"#/components/schemas/${name}"`));
    for (const name of unused) delete schemas[name];
    isDone = unused.length === 0;
  }
  return document;
}

/** What the parts of our paths are; they mean the same in every operation. */
const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  serviceAccountSlug: 'Slug of the service account.',
  tokenSlug: 'Slug of the token, unique within its service account.',
  roleSlug: 'Slug of the role.',
  organizationSlug: 'Slug of the organization.',
  userId: 'Id of the person.',
  code: 'Code of the problem, such as token.not_found.',
};

function describePathParameters(document: OpenAPIObject): void {
  for (const item of Object.values(document.paths)) {
    for (const method of METHODS) {
      for (const parameter of item[method]?.parameters ?? []) {
        if ('in' in parameter && parameter.in === 'path') parameter.description ??= PATH_PARAMETERS[parameter.name];
      }
    }
  }
}

/** One line per operation: METHOD PATH SCOPES OPERATION_ID. The list is the surface that a security review reads. */
export function routeLines(...documents: OpenAPIObject[]): string[] {
  const lines = documents.flatMap((document) =>
    Object.entries(document.paths).flatMap(([path, item]) =>
      METHODS.flatMap((method) => {
        const operation = item[method];
        if (operation === undefined) return [];
        const scopes = (operation as { 'x-required-scopes'?: string[] })['x-required-scopes'] ?? ['undeclared'];
        return [`${method.toUpperCase()} ${path} ${scopes.join('|')} ${operation.operationId}`];
      }),
    ),
  );
  return [...new Set(lines)].sort();
}
