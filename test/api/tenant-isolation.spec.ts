import { Config } from '../../src/config/config.js';
import { createApp } from '../../src/create-app.js';
import { expectStatus, Person, unique } from '../support/callers.js';
import { createDatabase, dropDatabase, TEST_ENVIRONMENT } from '../support/databases.js';
import { type Answer, Client, jwt } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import { fingerprintOf } from '../support/route-fingerprint.js';
import {
  callOf,
  holderOf,
  OPERATIONS,
  replacements,
  type Scene,
  setScene,
  thingBehind,
  thingsOf,
  valuesOf,
} from '../support/route-calls.js';
import {
  type Intruder,
  INTRUDER_KINDS,
  intrudersOn,
  missingParameters,
  PLATFORM_TOKEN,
  smuggled,
  TENANT_SCOPES,
  WALK_ENVIRONMENT,
} from '../support/route-intruders.js';
import { asRead, type DialectName, expectRefused, statusOf, withoutVolatile } from '../support/route-dialects.js';
import { readDocuments } from '../support/route-documents.js';
import {
  isForEverybodySignedIn,
  isForPeople,
  isOfThePlatform,
  isPublic,
  readRoutes,
  type Route,
  routesOfDrawing,
} from '../support/route-list.js';

const OTHER_ORGANIZATION = 'a credential of another organization';
const KINDS = [...INTRUDER_KINDS, OTHER_ORGANIZATION] as const;

const ROUTES = readRoutes();
/** What is not found where a thing is missing, the outermost thing first. */
const THINGS: readonly (readonly [RegExp, string])[] = [
  [/^(serviceAccountSlug|accountNumber)$/, 'service_account'],
  [/^organizationId\b/, 'organization'],
  [/^token(Slug|Number|Id)\b/, 'token'],
  [/^roleSlug$/, 'role'],
  [/^userId$/, 'member'],
];
const EACH_ROUTE = ROUTES.map((route): [string, Route] => [`${route.method} ${route.path}`, route]);
/** What was tried, as `kind operationId`; the last test subtracts it from what there is. */
const walked = new Set<string>();

let keyward: Keyward;
let operator: Client;
/** The organization that everything is tried on, and the one that has no business there. */
let scene: Scene;
let foreign: Scene;
/** May do everything there. */
let foreignToken: Client;
let intruders: Intruder[];

beforeAll(async () => {
  keyward = await startKeyward({ env: WALK_ENVIRONMENT });
  operator = new Client(keyward.url, PLATFORM_TOKEN);
  scene = await setScene(keyward);
  foreign = await setScene(keyward);
  foreignToken = await holderOf(foreign, TENANT_SCOPES);
  intruders = await intrudersOn(keyward, scene, operator, ROUTES);
});
afterAll(() => keyward?.close());

/** An answer without what differs from one request to the next. */
function told(answer: Answer, dialect?: DialectName): object {
  const volatile = ['date', 'x-request-id', 'ratelimit', 'x-ratelimit-remaining'];
  const headers = [...answer.headers].filter(([name]) => !volatile.includes(name));
  const text = withoutVolatile(answer.text, dialect)
    .replace(/"requestId":"[^"]*"/, '"requestId":…')
    .replace(/"instance":"[^"]*"/, '"instance":…');
  return { status: answer.status, headers, text };
}

async function expectNothingChanged(work: () => Promise<void>): Promise<void> {
  const before = await fingerprintOf(keyward);
  await work();
  expect(await fingerprintOf(keyward)).toEqual(before);
}

/** Asserts that an intruder is refused, unless the route is open to everybody or to everybody who is signed in. */
function expectKeptOut(route: Route, intruder: Intruder, answer: Answer): void {
  const { kind, status, headers } = intruder;
  const { success, judgesTheBearer, dialect } = OPERATIONS[route.operationId]!;
  const isSignedIn = kind === 'the wrong scope';
  if (isPublic(route) && (isSignedIn || !judgesTheBearer)) expectStatus(answer, success);
  else if (isForEverybodySignedIn(route) && isSignedIn) expectStatus(answer, success);
  else if (judgesTheBearer) expectStatus(answer, status);
  else expectRefused(answer, dialect, asRead(intruder, headers, dialect));
}

describe.each(INTRUDER_KINDS)('a request with %s', (kind) => {
  it.each(EACH_ROUTE)('is refused by %s, unless that is public, and changes nothing', async (_, route) => {
    const chosen = intruders.filter((intruder) => intruder.kind === kind && intruder.isMeantFor(route));
    expect(chosen.length).toBeGreaterThan(isForEverybodySignedIn(route) || isPublic(route) ? 0 : 1);
    await expectNothingChanged(async () => {
      for (const intruder of chosen) {
        const { method, path, body, headers } = callOf(route, scene);
        const sent = { body, headers: { ...headers, ...intruder.headers } };
        expectKeptOut(route, intruder, await new Client(keyward.url).request(method, path, sent));
      }
    });
    walked.add(`${kind} ${route.operationId}`);
  });
});

describe('a member of another organization', () => {
  it.each(EACH_ROUTE)('gets at nothing through %s, and learns nothing of what is there', async (_, route) => {
    const before = await fingerprintOf(keyward, scene.organizationId);
    const choices = isPublic(route) ? [] : replacements(route, missingParameters());
    const { success, dialect } = OPERATIONS[route.operationId]!;
    for (const choice of choices) {
      const theirs = Object.fromEntries(Object.keys(choice).map((name) => [name, valuesOf(route, scene)[name]!]));
      for (const stranger of isForPeople(route) ? [foreign.owner] : [foreign.owner, foreignToken]) {
        const answer = await callAs(stranger, route, theirs);
        expectNotThere(route, choice, answer);
        expect(told(answer, dialect)).toEqual(told(await callAs(stranger, route, choice), dialect));
      }
    }
    if (thingsOf(route).length === 0) {
      const answer = await callAs(isForPeople(route) ? foreign.owner : foreignToken, route);
      if (isOfThePlatform(route)) expectProblem(answer, 403, 'access.denied');
      else expectStatus(answer, success);
      for (const identifier of scene.identifiers) expect(answer.text).not.toContain(identifier);
    }
    expect(await fingerprintOf(keyward, scene.organizationId)).toEqual(before);
    walked.add(`${OTHER_ORGANIZATION} ${route.operationId}`);
  });

  function callAs(stranger: Client, route: Route, replaced?: Readonly<Record<string, string>>): Promise<Answer> {
    const { method, path, ...call } = callOf(route, foreign, replaced);
    return stranger.request(method, path, call);
  }

  /** Of several things that are not there, the outermost one is told. */
  function expectNotThere(route: Route, missing: Readonly<Record<string, string>>, answer: Answer): void {
    const { success, unknown, dialect } = OPERATIONS[route.operationId]!;
    if (unknown !== undefined) return expect([answer.status, answer.text]).toEqual([success, unknown]);
    if (isOfThePlatform(route)) return void expectProblem(answer, 403, 'access.denied');
    const behind = Object.keys(missing).map((name) => thingBehind(route, name));
    const [, thing] = THINGS.find(([pattern]) => behind.some((name) => pattern.test(name))) ?? [];
    expectRefused(answer, dialect, { status: 404, code: `${thing}.not_found` });
  }

  it('verifies no tokens but their own, whatever somebody has written into the row of theirs', async () => {
    const verifier = foreign.owner.holding(await smuggled(keyward, foreign, ['platform:verify']));
    const verdict = async (scenery: Scene): Promise<unknown> =>
      (await verifier.post('/tokens/verify', { body: { token: scenery.parameters['secret'] } })).body;
    expect(await verdict(scene)).toEqual({ valid: false, code: 'NOT_FOUND' });
    expect(await verdict(foreign)).toMatchObject({ valid: true, code: 'VALID' });
  });

  it('names a role of theirs in a body as little as one that is not there', async () => {
    const tell = async (role: string): Promise<object[]> => {
      const bodies: [string, string, object][] = [
        ['POST', '/service-accounts', { name: 'x', role }],
        ['PUT', `/service-accounts/${foreign.parameters['serviceAccountSlug']}`, { name: 'x', role }],
        ['POST', '/organization/members', { subject: 'x', role }],
        ['PUT', `/organization/members/${foreign.parameters['userId']}`, { role }],
      ];
      const answers: object[] = [];
      for (const [method, path, body] of bodies) {
        const answer = await foreign.owner.request(method, path, { body });
        expectInvalid(answer, 'body.role');
        answers.push(told({ ...answer, text: answer.text.replaceAll(role, '…') }));
      }
      return answers;
    };
    expect(await tell(scene.parameters['roleSlug']!)).toEqual(await tell(missingParameters()['roleSlug']!));
  });

  it('finds nothing of theirs by a filter of the audit trail', async () => {
    for (const id of [scene.parameters['userId'], scene.organizationId, missingParameters()['userId']]) {
      for (const name of ['resourceId', 'actorId']) {
        const answer = await foreign.owner.get(`/audit-events?${name}=${id}`);
        expect(expectStatus(answer, 200)).toEqual({ items: [], hasMore: false });
      }
    }
  });
});

describe('a request with just the scope that is asked for', () => {
  // Without this the refusals above could have been for another reason.
  it.each(EACH_ROUTE)('succeeds at %s', async (_, route) => {
    const { owner } = foreign;
    const fresh = await setScene(keyward);
    const { success, judgesTheBearer, grantsTheRole } = OPERATIONS[route.operationId]!;
    for (const scope of route.scopes) {
      const { method, path, ...call } = callOf(route, fresh);
      const isOpen = isPublic(route) && !judgesTheBearer;
      let client: Client = isOpen ? owner.holding(undefined) : await holderOf(fresh, []);
      if (scope.startsWith('platform:')) client = operator;
      else if (isForPeople(route)) client = grantsTheRole ? fresh.owner : await fresh.owner.narrowedTo('');
      else if (!isPublic(route) && !isForEverybodySignedIn(route)) client = await holderOf(fresh, [scope]);
      expectStatus(await client.request(method, path, call), success);
    }
  });

  it('is let in by a JWT as by a token, and only for its own organization', async () => {
    const reader = await scene.owner.narrowedTo('service_accounts:read');
    expectStatus(await reader.get(`/service-accounts/${scene.parameters['serviceAccountSlug']}`), 200);
    const elsewhere = await Person.signIn(keyward.url, { ...reader.claims, org: foreign.owner.claims.org });
    expectProblem(
      await elsewhere.get(`/service-accounts/${scene.parameters['serviceAccountSlug']}`),
      404,
      'service_account.not_found',
    );
  });
});

describe('a person who is known to another organization', () => {
  it('is added as one whom nobody has seen: no name is told that another organization has written down', async () => {
    const subject = unique('shared-subject');
    const add = (by: Person, name?: string): Promise<Answer<{ name?: string }>> =>
      by.post('/organization/members', { body: { subject, role: 'viewer', name } });
    expect(expectStatus(await add(scene.owner, 'Name for the one'), 201).name).toBe('Name for the one');
    expect(expectStatus(await add(foreign.owner), 201)).not.toHaveProperty('name');
  });

  it('is not called in the audit trail of one organization what another one calls them', async () => {
    const sub = unique('impersonated');
    const body = { subject: sub, role: 'viewer', name: 'Chosen by a stranger' };
    expectStatus(await scene.owner.post('/organization/members', { body }), 201);
    const person = await foreign.owner.colleague({ sub, role: 'editor', name: 'Their own name' });
    const created = await person.post<{ createdBy: { name: string } }>('/service-accounts', { body: { name: 'x' } });
    expect(expectStatus(created, 201).createdBy.name).toBe('Their own name');
  });
});

describe('the list of routes', () => {
  it('names what the running service documents, and each operation once', async () => {
    type Paths = Readonly<Record<string, Readonly<Record<string, { readonly operationId: string }>>>>;
    const client = new Client(keyward.url);
    const documents = readDocuments().map(({ name }) => client.get<{ paths: Paths }>(`/openapi/${name}.json`));
    const paths = (await Promise.all(documents)).flatMap(({ body }) => Object.entries(body.paths));
    const documented = paths.flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { operationId }]) => `${method.toUpperCase()} ${path} ${operationId}`),
    );
    expect(ROUTES.map(({ method, path, operationId }) => `${method} ${path} ${operationId}`).sort()).toEqual(
      documented.sort(),
    );
    expect(new Set(ROUTES.map((route) => route.operationId)).size).toBe(ROUTES.length);
  });

  it('names every route that is there, but for the documentation', async () => {
    const databaseUrl = await createDatabase();
    const app = await createApp(Config.load({ ...TEST_ENVIRONMENT, DATABASE_URL: databaseUrl }));
    try {
      await app.init();
      const server = app.getHttpAdapter().getInstance() as unknown as { printRoutes(options: object): string };
      const present = routesOfDrawing(server.printRoutes({ commonPrefix: false }))
        .filter((route) => !/^[A-Z]+ \/(docs|openapi)(\/|$)/.test(route))
        .filter((route) => !route.startsWith('HEAD ')); // of each GET; see below
      expect(present.sort()).toEqual(ROUTES.map(({ method, path }) => `${method} ${path}`).sort());
    } finally {
      await app.close();
      await dropDatabase(databaseUrl);
    }
  });

  it('is walked with every kind of credential, route by route', () => {
    const expected = ROUTES.flatMap(({ operationId }) => KINDS.map((kind) => `${kind} ${operationId}`));
    expect(expected.filter((step) => !walked.has(step))).toEqual([]);
  });

  it.each(EACH_ROUTE.filter(([, route]) => route.method === 'GET' && !isPublic(route)))(
    'guards HEAD and the path under /api as it does %s',
    async (_, route) => {
      const { path } = callOf(route, scene);
      const stranger = new Client(keyward.url);
      const { dialect } = OPERATIONS[route.operationId]!;
      const missing = statusOf(dialect, { status: 401, code: 'authentication.required' });
      expect((await stranger.request('HEAD', path)).status).toBe(missing);
      expect((await stranger.get(`/api${path}`)).status).toBe(missing);
      const signedOut = await jwt({ ...scene.owner.claims, expiresInSeconds: -60 });
      const invalid = statusOf(dialect, { status: 401, code: 'authentication.invalid' });
      expect((await stranger.request('HEAD', path, { token: signedOut })).status).toBe(invalid);
    },
  );
});
