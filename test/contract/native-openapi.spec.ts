import { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';

interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

let keyward: Keyward;
let document: Document;

beforeAll(async () => {
  keyward = await startKeyward();
  document = (await new Client(keyward.url).get<Document>('/openapi/native.json')).body;
});
afterAll(() => keyward?.close());

const ACCOUNT = '/service-accounts/{serviceAccountSlug}';

/** The rows of the published contract: what succeeds, and every refusal that it names. */
const OPERATIONS: [string, string, number, number[]][] = [
  ['get', '/service-accounts', 200, [400, 401, 403, 422, 429, 500]],
  ['post', '/service-accounts', 201, [400, 401, 403, 409, 422, 429, 500]],
  ['get', ACCOUNT, 200, [401, 403, 404, 422, 429, 500]],
  ['put', ACCOUNT, 204, [400, 401, 403, 404, 409, 422, 429, 500]],
  ['get', `${ACCOUNT}/tokens`, 200, [400, 401, 403, 404, 422, 429, 500]],
  ['post', `${ACCOUNT}/tokens`, 201, [400, 401, 403, 404, 409, 422, 429, 500]],
  ['delete', `${ACCOUNT}/tokens/{tokenSlug}`, 204, [401, 403, 404, 422, 429, 500]],
];

it('is an OpenAPI 3.1 document', () => {
  expect(document.openapi).toMatch(/^3\.1\./);
});

it.each(OPERATIONS)('documents %s %s with its success and each of its refusals', (method, path, success, refusals) => {
  const responses = document.paths[path]?.[method]?.responses ?? {};
  const successes = Object.keys(responses).filter((status) => status.startsWith('2'));
  expect(successes).toEqual([String(success)]);
  expect(Object.keys(responses)).toEqual(expect.arrayContaining(refusals.map(String)));
  for (const status of refusals) {
    expect(Object.keys(responses[status]?.content ?? {})).toEqual(['application/problem+json']);
  }
});
