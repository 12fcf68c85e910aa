import { readFileSync } from 'node:fs';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { apiDocuments, routeLines } from '../../src/api-documents.js';
import { Config } from '../../src/config/config.js';
import { createApp } from '../../src/create-app.js';
import { createAccount, expectStatus, issueToken, signInOwner } from '../support/callers.js';
import { createDatabase, dropDatabase, TEST_ENVIRONMENT } from '../support/databases.js';
import { type Client, type RequestOptions } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import {
  type ApiDocument,
  type Operation,
  readDocuments,
  resolveSchema,
  type Schema,
} from '../support/route-documents.js';
import { PLATFORM_TOKEN, WALK_ENVIRONMENT } from '../support/route-intruders.js';

const DOCUMENTS = readDocuments();
const EACH_DOCUMENT = DOCUMENTS.map((document): [string, ApiDocument] => [document.name, document]);
/** Those that refuse with the statuses of the native dialect, whatever the body says. */
const OF_NATIVE_STATUSES = ['native', 'verification', 'unleash'];

type Case = [string, Operation, ApiDocument, string, string];
const OPERATIONS = DOCUMENTS.flatMap((document) =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): Case => {
      const name = `${method.toUpperCase()} ${path}`;
      return [name, operation, document, method.toUpperCase(), path];
    }),
  ),
);
const SCHEMAS = DOCUMENTS.flatMap((document) =>
  Object.entries(document.components.schemas).map(([name, schema]): [string, Schema] => [name, schema]),
);

describe('what is checked in under openapi/', () => {
  let app: NestFastifyApplication;
  let databaseUrl: string;
  beforeAll(async () => {
    databaseUrl = await createDatabase();
    const environment = { ...TEST_ENVIRONMENT, DATABASE_URL: databaseUrl, PUBLIC_URL: 'http://127.0.0.1:3000' };
    app = await createApp(Config.load(environment));
    await app.init();
  });
  afterAll(async () => {
    await app?.close();
    await dropDatabase(databaseUrl);
  });

  it('is what the code generates, document by document', () => {
    expect(DOCUMENTS.map(({ name }) => name).sort()).toEqual(Object.keys(apiDocuments(app)).sort());
    for (const { name, text } of DOCUMENTS) {
      expect(`${JSON.stringify(apiDocuments(app)[name]!(), null, 2)}\n`).toBe(text);
    }
  });

  it('is the list of routes that the code generates, none of them without a declaration', () => {
    const lines = routeLines(...Object.values(apiDocuments(app)).map((build) => build()));
    expect(`${lines.join('\n')}\n`).toBe(readFileSync('openapi/routes.txt', 'utf8'));
    expect(lines.filter((line) => line.includes('undeclared'))).toEqual([]);
  });
});

describe('a document', () => {
  it.each(EACH_DOCUMENT)('is OpenAPI 3.1 and explains each of its tags: %s', (_, document) => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({
      title: expect.stringMatching(/\S/),
      description: expect.stringMatching(/\S/),
    });
    const used = new Set(
      Object.values(document.paths).flatMap((item) => Object.values(item).flatMap(({ tags }) => tags)),
    );
    expect(document.tags?.map(({ name }) => name).sort()).toEqual([...used].sort());
    for (const tag of document.tags ?? []) expect(tag.description).toMatch(/\S/);
  });

  it('gives each operation an id of its own', () => {
    const ids = OPERATIONS.map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z]+$/);
  });

  it.each(OPERATIONS)('explains %s, its parameters and its responses', (_, operation) => {
    expect(operation.summary).toMatch(/^[A-Z].{3,60}[^.]$/);
    expect(operation.description).toMatch(/^[A-Z].*\.$/s);
    expect(operation.tags).toHaveLength(1);
    const silent = [...(operation.parameters ?? []), ...Object.values(operation.responses)].filter(
      ({ description }) => !/\S/.test(description ?? ''),
    );
    expect(silent).toEqual([]);
  });

  it.each(OPERATIONS.filter(([, , { name }]) => OF_NATIVE_STATUSES.includes(name)))(
    'documents the refusals of %s',
    (_, operation) => {
      const documented = Object.keys(operation.responses).map(Number);
      const expected = [429, 500];
      const isPublic = operation['x-required-scopes']?.includes('public') ?? false;
      if (!isPublic) expected.push(401, 403);
      expect(operation.security ?? []).toHaveLength(isPublic ? 0 : 1);
      const locations = operation.parameters?.map((parameter) => parameter.in) ?? [];
      if (locations.includes('path')) expected.push(404);
      if (operation.requestBody !== undefined) expected.push(400, 413, 415);
      if (operation.parameters?.some(({ name }) => name === 'If-Match')) expected.push(412);
      expect(expected.filter((status) => !documented.includes(status))).toEqual([]);
      expect(documented.filter((status) => status < 300)).toHaveLength(1);
    },
  );

  it.each(SCHEMAS)('explains every property of %s', (name, schema) => {
    const silent = Object.entries(schema.properties ?? {}).filter(
      ([, { description }]) => !/\S/.test(description ?? ''),
    );
    expect(silent.map(([property]) => `${name}.${property}`)).toEqual([]);
    expect(Object.keys(schema.properties ?? {})).toEqual(expect.arrayContaining([...(schema.required ?? [])]));
  });

  it.each(EACH_DOCUMENT)('uses every schema that it defines: %s', (_, { components, text }) => {
    const names = Object.keys(components.schemas);
    expect(names.filter((name) => !text.includes(`"$ref": "#/components/schemas/${name}"`))).toEqual([]);
  });
});

describe('the examples of requests', () => {
  let keyward: Keyward;
  beforeAll(async () => void (keyward = await startKeyward({ env: WALK_ENVIRONMENT })));
  afterAll(() => keyward?.close());

  /** What Swagger UI fills in: the example of each property. */
  function exampleOf(document: ApiDocument, schema: Schema): unknown {
    const { example, properties, items } = resolveSchema(document, schema);
    if (example !== undefined) return example;
    if (items !== undefined) return [exampleOf(document, items)];
    if (properties === undefined) throw new Error('A property of a request has no example.');
    return Object.fromEntries(
      Object.entries(properties).map(([name, property]) => [name, exampleOf(document, property)]),
    );
  }

  const withBody = OPERATIONS.filter(([, operation]) => operation.requestBody !== undefined);
  it.each(withBody)('work as they stand: %s', async (_, operation, document, method, path) => {
    const owner = await signInOwner(keyward);
    const [[contentType, { schema }] = ['', { schema: {} }]] = Object.entries(operation.requestBody!.content);
    const example = exampleOf(document, schema) as Record<string, unknown>;
    const made = await makeThings(owner, operation.operationId, example);
    const url = path.replace(/\{(\w+)\}/g, (__, name: string) => made[name]!);
    const isForm = contentType === 'application/x-www-form-urlencoded';
    // Which ids there are is the one thing that an example cannot know.
    for (const name of ['organization', 'api_token']) if (name in example) example[name] = { id: made[name] };
    const body = isForm ? String(new URLSearchParams(example as Record<string, string>)) : example;
    const options: RequestOptions = { body, headers: { 'content-type': contentType } };
    const isOfThePlatform = operation['x-required-scopes']?.every((scope) => scope.startsWith('platform:'));
    const client: Client = isOfThePlatform ? owner.holding(PLATFORM_TOKEN) : owner;
    const [success] = Object.keys(operation.responses).filter((status) => status.startsWith('2'));
    expectStatus(await client.request(method, url, options), Number(success));
  });

  /** What the operation is about, under the slugs that its example sends back. */
  async function makeThings(
    owner: Client,
    id: string,
    example: Record<string, unknown>,
  ): Promise<Record<string, string>> {
    const slugFor = (operationId: RegExp, other: string): string =>
      operationId.test(id) && typeof example['slug'] === 'string' ? example['slug'] : other;
    const slugs = {
      serviceAccountSlug: slugFor(/^updateServiceAccount$/, 'an-account'),
      tokenSlug: slugFor(/^update(Organization|User)?Token$/, 'a-token'),
      roleSlug: slugFor(/^updateRole$/, 'a-role'),
    };
    const account = await createAccount(owner, { name: 'An account', slug: slugs.serviceAccountSlug });
    const token = await issueToken(owner, slugs.serviceAccountSlug, { slug: slugs.tokenSlug });
    for (const path of ['/organization/tokens', '/user/tokens']) {
      const body = { name: 'A token', slug: slugs.tokenSlug, scopes: [] };
      expectStatus(await owner.post(path, { body }), 201);
    }
    const role = { name: 'A role', slug: slugs.roleSlug, scopes: [] };
    expectStatus(await owner.post('/organization/roles', { body: role }), 201);
    const member = await owner.post<{ id: string }>('/organization/members', {
      body: { subject: 'x', role: 'editor' },
    });
    const organization = expectStatus(await owner.get<{ id: string }>('/organization'), 200);
    return {
      ...slugs,
      userId: expectStatus(member, 201).id,
      id: String(account.number),
      organization: `org_${organization.id}`,
      api_token: `tok_${token.id}`,
    };
  }
});
