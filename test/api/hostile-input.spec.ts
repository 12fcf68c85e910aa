import { Agent, request } from 'node:http';
import fc from 'fast-check';
import { verifyChain } from '../support/audit-chain.js';
import { createAccount, signInOwner } from '../support/callers.js';
import { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { callOf, holderOf, OPERATIONS, type Scene, setScene } from '../support/route-calls.js';
import { DIALECTS } from '../support/route-dialects.js';
import {
  describeRoute,
  type Operation,
  readDocuments,
  resolveSchema,
  type Schema,
} from '../support/route-documents.js';
import { bodies, encodedText, queries } from '../support/route-generator.js';
import { PLATFORM_TOKEN, TENANT_SCOPES, WALK_ENVIRONMENT } from '../support/route-intruders.js';
import { isOfThePlatform, parametersOf, readRoutes, type Route } from '../support/route-list.js';

const SEED = 20_261_122;
const BODIES = 10_000;
const URLS = 2_000;
const CALLERS = 16;
const ANSWER_CHARACTERS_MAX = 20_000;
const LOCATION = /^(body|query|path|header)(?=$|[.[])/;
const ANSWER_TIMEOUT_MS = 20_000;
/** `organization` is no slug that an organization can have: these paths are aliases of those of the Katapult dialect. */
const RESERVED = /^\/organizations\/organization(?=[/?]|$)/;

import type { Problem } from '../support/wire.js';

interface Shot {
  readonly route: Route;
  readonly url: string;
  readonly body?: string;
  readonly token: string;
}

interface Received {
  readonly status: number;
  readonly type: string;
  readonly requestId: string;
  readonly text: string;
}

const FORM = 'application/x-www-form-urlencoded';
/** What the service takes for a secret, and leaves out of its answers. */
const LIKE_A_SECRET = /eyJ[\w-]+\.[\w-]+|[A-Za-z0-9_]{40,}/g;
const documents = readDocuments();
const ROUTES = readRoutes();
const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
let keyward: Keyward;
let scene: Scene;
/** Suspended and resumed all the time, so nothing else happens in it. */
let target: Scene;
/** May do everything in the scene. What it asks goes past Nest where the owner's JWT does not. */
let sceneToken: string;
let catalogue: ReadonlyMap<string, { readonly status: number; readonly title: string }>;

beforeAll(async () => {
  const env = { ...WALK_ENVIRONMENT, LOG_LEVEL: 'warn' };
  keyward = await startKeyward({ env });
  scene = await setScene(keyward);
  target = await setScene(keyward);
  sceneToken = (await holderOf(scene, TENANT_SCOPES)).token!;
  const problems = await new Client(keyward.url).get<{ code: string; status: number; title: string }[]>('/problems');
  catalogue = new Map(problems.body.map((problem) => [problem.code, problem]));
});
afterAll(async () => {
  agent.destroy();
  await keyward?.close();
});

function operationOf(route: Route): Operation {
  return describeRoute(documents, route).operation;
}

function schemaOf(route: Route, contentType: string): Schema | undefined {
  const { document, operation } = describeRoute(documents, route);
  const schema = operation.requestBody?.content[contentType]?.schema;
  return schema && resolveSchema(document, schema);
}

function generatedBodies(route: Route): fc.Arbitrary<string> | undefined {
  const json = schemaOf(route, 'application/json');
  if (json !== undefined) return bodies(json);
  const form = schemaOf(route, FORM);
  return form && queries(Object.keys(form.properties ?? {}));
}

/** Where a route is called so that its things are there. */
function sceneOf(route: Route): Scene {
  return isOfThePlatform(route) ? target : scene;
}

function tokenFor(route: Route, index: number): string {
  if (isOfThePlatform(route)) return PLATFORM_TOKEN;
  return index % 2 === 0 ? scene.owner.token : sceneToken;
}

function shotsOfBodies(): Shot[] {
  // What is there shall be there for the next request, so nothing is deleted.
  const routes = ROUTES.filter((route) => route.method !== 'DELETE' && generatedBodies(route) !== undefined);
  expect(routes.length).toBeGreaterThan(12);
  const each = Math.ceil(BODIES / routes.length);
  return routes.flatMap((route, place) => {
    const generated = fc.sample(generatedBodies(route)!, { seed: SEED + place, numRuns: each });
    const { path } = callOf(route, sceneOf(route));
    return generated.map((body, index) => ({ route, url: path, body, token: tokenFor(route, index) }));
  });
}

/** Hostile parameters in the path, or in the query, or in both. Nothing that is there is deleted by them. */
function shotsOfUrls(): Shot[] {
  const each = Math.ceil(URLS / ROUTES.length);
  return ROUTES.flatMap((route, place) => {
    const names = (operationOf(route).parameters ?? []).filter((parameter) => parameter.in === 'query');
    const parameters = parametersOf(route);
    const values = fc.tuple(...parameters.map(() => fc.option(encodedText, { nil: undefined })));
    const query = queries(names.map((parameter) => parameter.name));
    const generated = fc.sample(fc.tuple(values, query), { seed: SEED - place, numRuns: each });
    return generated.flatMap(([replaced, sent], index) => {
      const chosen = Object.fromEntries(parameters.flatMap((name, at) => (replaced[at] ? [[name, replaced[at]]] : [])));
      if (route.method === 'DELETE' && Object.keys(chosen).length === 0) return [];
      const { path, body } = callOf(route, sceneOf(route), chosen);
      if (RESERVED.test(path)) return [];
      const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
      return [{ route, url: sent === '' ? path : `${path}?${sent}`, body: text, token: tokenFor(route, index) }];
    });
  });
}

function send({ route, url, body, token }: Shot): Promise<Received> {
  const contentType = schemaOf(route, FORM) === undefined ? 'application/json' : FORM;
  const headers = {
    authorization: `Bearer ${token}`,
    // Of itself, Node frames the body of a DELETE in no way at all.
    ...(body === undefined ? {} : { 'content-type': contentType, 'content-length': String(Buffer.byteLength(body)) }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(keyward.url + url, { method: route.method, agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          type: response.headers['content-type'] ?? '',
          requestId: String(response.headers['x-request-id']),
          text: Buffer.concat(chunks).toString('utf8'),
        }),
      );
      response.on('error', reject);
    });
    outgoing.setTimeout(ANSWER_TIMEOUT_MS, () => outgoing.destroy(new Error('no answer in time')));
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : Buffer.from(body, 'utf8'));
  });
}

/** What the service logged about a request that it failed at. */
function reasonOf(requestId: string): string | undefined {
  return keyward.logs.find((line) => line.includes(requestId));
}

/** What is wrong with an answer; undefined when it is what the document promises. */
async function complaintAbout(shot: Shot): Promise<string | undefined> {
  const received = await send(shot);
  const { status, requestId, text } = received;
  const { judgesTheBearer, dialect } = OPERATIONS[shot.route.operationId]!;
  if (status === 500 || status === 503) return `${status} ${reasonOf(requestId) ?? text}`;
  if (operationOf(shot.route).responses[status] === undefined) return `${status} is not documented: ${text}`;
  if (status === 204) return text === '' ? undefined : `204 with a body: ${text}`;
  if (status < 300 || (judgesTheBearer && text === '')) return undefined;
  if (text.length > ANSWER_CHARACTERS_MAX) return `an answer of ${text.length} characters`;
  const isSound = dialect ? DIALECTS[dialect].isError(received.type, bodyOf(text)) : isProblem(received, shot);
  return isSound ? undefined : `${status} of another shape: ${received.type} ${text}`;
}

function bodyOf(text: string): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>;
}

function isProblem({ status, type, requestId, text }: Received, { url }: Shot): boolean {
  const { errors = [], detail, ...problem } = JSON.parse(text) as Problem;
  const instance = url.split('?')[0]!.replace(LIKE_A_SECRET, '…');
  const { code } = problem;
  const title = catalogue.get(code)?.title;
  const expected = { code, instance, requestId, status, title, type: `${keyward.url}/problems/${code}` };
  return (
    type.startsWith('application/problem+json') &&
    catalogue.get(code)?.status === status &&
    Object.entries(problem).sort().join() === Object.entries(expected).sort().join() &&
    /\S/.test(detail) &&
    (status !== 422 || errors.length > 0) &&
    errors.every(({ location, message }) => LOCATION.test(location) && /\S/.test(message))
  );
}

/** Sends everything, several requests at a time, and tells what was answered wrongly: one example per operation and status. */
async function complaintsAbout(shots: readonly Shot[]): Promise<string[]> {
  const queue = shots.values();
  const complaints = new Map<string, string>();
  const call = async (): Promise<void> => {
    for (const shot of queue) {
      const complaint = await complaintAbout(shot).catch((error: Error) => error.message);
      const { route, url, body } = shot;
      if (complaint === undefined) continue;
      const example = `${route.method} ${url} ${body?.slice(0, 300)} -> ${complaint.slice(0, 600)}`;
      complaints.set(`${route.operationId} ${complaint.slice(0, 3)}`, example);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, call));
  return [...complaints.values()];
}

describe(`whatever is sent (seed ${SEED})`, () => {
  it(`gets a documented answer in ${BODIES} bodies, and never a fault`, async () => {
    const shots = shotsOfBodies();
    expect(shots.length).toBeGreaterThanOrEqual(BODIES);
    const complaints = await complaintsAbout(shots);
    expect(complaints).toEqual([]);
  }, 240_000);

  it(`gets a documented answer in ${URLS} paths and queries, and never a fault`, async () => {
    const complaints = await complaintsAbout(shotsOfUrls());
    expect(complaints).toEqual([]);
  }, 120_000);

  it('gets a documented answer with an Idempotency-Key on a body that is nested deep', async () => {
    const body = `{"name":"x","description":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    const answer = await scene.owner.post('/service-accounts', { body, headers: { 'idempotency-key': 'deep' } });
    expect(answer.status).toBe(422);
  });

  it('leaves the service sound: nothing logged, nothing polluted, the audit chain whole', async () => {
    const faults = keyward.logs.filter((line) => !line.includes('"level":"warn"'));
    expect({ count: faults.length, first: faults[0] }).toEqual({ count: 0, first: undefined });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
    await createAccount(await signInOwner(keyward));
    for (const { organizationId } of [scene, target]) {
      const query = async (text: string, parameters?: unknown[]): Promise<unknown> => ({
        rows: await keyward.sql(text, parameters),
      });
      expect(await verifyChain({ query } as never, organizationId)).toMatchObject({ isIntact: true });
    }
  });
});
