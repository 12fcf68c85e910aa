import { Client } from '../support/http.js';
import { expectStatus, Person, unique } from '../support/callers.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { type Call, callOf, holderOf, OPERATIONS, type Scene, setScene } from '../support/route-calls.js';
import { fingerprintOf } from '../support/route-fingerprint.js';
import { missingParameters, PLATFORM_TOKEN, WALK_ENVIRONMENT } from '../support/route-intruders.js';
import { isForPeople, isOfThePlatform, parametersOf, readRoutes, type Route } from '../support/route-list.js';
import { expectProblem } from '../support/problems.js';

interface Row {
  readonly organization_id: string;
  readonly type: string;
  readonly actor_kind: string;
  readonly actor_id: string;
  readonly actor_name: string | null;
  readonly credential_id: string | null;
  readonly ip_address: string | null;
  readonly resource_type: string;
  readonly resource_id: string;
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>> | null;
  readonly transaction: string;
}

interface Change {
  readonly type: string;
  /** The members that changed, of which `before` tells the old values and `after` the new ones. */
  readonly before?: readonly string[];
  readonly after?: readonly string[];
  /** Of a call that is made first, so that there is something to undo. */
  readonly undoes?: string;
}

const ISSUED = ['annotations', 'authorizedIpAddresses', 'expiresAt', 'name', 'rateLimit', 'scopes', 'slug'];
const RENAMED = { before: ['name'], after: ['name'] };
const TOKEN = {
  issued: { type: 'token.issued', after: ISSUED },
  issuedToAccount: { type: 'token.issued', after: [...ISSUED, 'serviceAccountId'] },
  issuedToPerson: { type: 'token.issued', after: [...ISSUED, 'userId'] },
  updated: { type: 'token.updated', ...RENAMED },
  revoked: { type: 'token.revoked', before: ['name'] },
  rotated: { type: 'token.rotated', after: ['previousSecretsRetireAt'] },
};
const ACCOUNT = {
  created: { type: 'service_account.created', after: ['description', 'name', 'roleNumber', 'slug'] },
  updated: { type: 'service_account.updated', ...RENAMED },
  deleted: { type: 'service_account.deleted', before: ['name', 'slug'] },
};

/** What each operation that changes something writes down. */
const CHANGES: Readonly<Record<string, Change>> = {
  updateOrganization: { type: 'organization.updated', before: ['name'], after: ['name'] },
  addMember: { type: 'member.added', after: ['roleNumber'] },
  updateMember: { type: 'member.role_changed', before: ['roleNumber'], after: ['roleNumber'] },
  removeMember: { type: 'member.removed', before: ['roleNumber'] },
  createRole: { type: 'role.created', after: ['name', 'scopes', 'slug'] },
  updateRole: { type: 'role.updated', before: ['name'], after: ['name'] },
  deleteRole: { type: 'role.deleted', before: ['name', 'scopes', 'slug'] },
  createOrganization: { type: 'organization.created', after: ['name', 'slug'] },
  suspendOrganization: { type: 'organization.suspended' },
  resumeOrganization: { type: 'organization.resumed', undoes: 'suspendOrganization' },
  createServiceAccount: ACCOUNT.created,
  updateServiceAccount: ACCOUNT.updated,
  deleteServiceAccount: ACCOUNT.deleted,
  disableServiceAccount: { type: 'service_account.disabled' },
  enableServiceAccount: { type: 'service_account.enabled', undoes: 'disableServiceAccount' },
  createToken: TOKEN.issuedToAccount,
  updateToken: TOKEN.updated,
  revokeToken: TOKEN.revoked,
  rotateToken: TOKEN.rotated,
  createOrganizationToken: TOKEN.issued,
  updateOrganizationToken: TOKEN.updated,
  revokeOrganizationToken: TOKEN.revoked,
  rotateOrganizationToken: TOKEN.rotated,
  createUserToken: TOKEN.issuedToPerson,
  updateUserToken: TOKEN.updated,
  revokeUserToken: TOKEN.revoked,
  rotateUserToken: TOKEN.rotated,
  unleashCreateServiceAccount: ACCOUNT.created,
  unleashUpdateServiceAccount: ACCOUNT.updated,
  unleashDeleteServiceAccount: ACCOUNT.deleted,
  unleashCreateToken: TOKEN.issuedToAccount,
  unleashDeleteToken: TOKEN.revoked,
  unleashCreateUserToken: TOKEN.issuedToPerson,
  unleashDeleteUserToken: TOKEN.revoked,
  katapultCreateApiToken: TOKEN.issued,
  katapultUpdateApiToken: TOKEN.updated,
  katapultRegenerateApiTokenSecret: TOKEN.rotated,
  katapultDeleteApiToken: TOKEN.revoked,
};
/** Operations that only ask, though their method is POST. */
const QUESTIONS = ['verifyToken', 'verifyTokens', 'introspectToken'];

const ROUTES = readRoutes();
const CHANGING = ROUTES.filter((route) => route.operationId in CHANGES);
const EACH_CHANGE = CHANGING.map((route): [string, Route] => [`${route.method} ${route.path}`, route]);
const ROW_OF: Readonly<Record<string, string>> = {
  organization: 'select xmin::text as transaction from organizations where id = $2 and $1::uuid is not null',
  member: 'select xmin::text as transaction from memberships where organization_id = $1 and user_id = $2',
  role: 'select xmin::text as transaction from roles where organization_id = $1 and id = $2',
  service_account: 'select xmin::text as transaction from service_accounts where organization_id = $1 and id = $2',
  token: 'select xmin::text as transaction from tokens where organization_id = $1 and id = $2',
};

let keyward: Keyward;
let operator: Client;

beforeAll(async () => {
  keyward = await startKeyward({ env: WALK_ENVIRONMENT });
  operator = new Client(keyward.url, PLATFORM_TOKEN);
});
afterAll(() => keyward?.close());

async function countEvents(): Promise<number> {
  const [row] = await keyward.sql<{ count: number }>('select count(*)::int as count from audit_events');
  return row!.count;
}

function eventsOfRequest(requestId: string): Promise<Row[]> {
  return keyward.sql<Row>(
    'select *, xmin::text as transaction from audit_events where request_id = $1 order by organization_id, sequence',
    [requestId],
  );
}

/** A scene of its own with a token that may do what the route asks for, and the route's call. */
async function prepare(route: Route): Promise<{ scene: Scene; caller: Client; call: Call }> {
  const scene = await setScene(keyward);
  const caller = await callerOf(route, scene);
  const { undoes } = CHANGES[route.operationId]!;
  const first = ROUTES.find(({ operationId }) => operationId === undoes);
  if (first !== undefined) {
    const { method, path } = callOf(first, scene);
    const by = isOfThePlatform(first) ? operator : scene.owner;
    expectStatus(await by.request(method, path), OPERATIONS[first.operationId]!.success);
  }
  // A disabled account's tokens do not work: what enables it is another account's token.
  const isLocked = first !== undefined && !isOfThePlatform(first);
  return { scene, caller: isLocked ? await elsewhere(scene, route) : caller, call: callOf(route, scene) };
}

async function callerOf(route: Route, scene: Scene): Promise<Client> {
  if (isOfThePlatform(route)) return operator;
  if (isForPeople(route) || OPERATIONS[route.operationId]!.grantsTheRole) return scene.owner;
  return holderOf(scene, route.scopes);
}

/** How the trail names the caller. */
async function actorOf(caller: Client, scene: Scene): Promise<object> {
  if (caller === scene.owner) {
    const { sub, name } = scene.owner.claims;
    const [user] = await keyward.sql<{ id: string }>('select id from users where subject = $1', [sub]);
    return { actor_kind: 'user', actor_id: user!.id, actor_name: name, credential_id: null };
  }
  const token = expectStatus(await caller.get<{ id: string; serviceAccountId: string }>('/tokens/current'), 200);
  const [account] = await keyward.sql<{ name: string }>('select name from service_accounts where id = $1', [
    token.serviceAccountId,
  ]);
  return {
    actor_kind: 'service_account',
    actor_id: token.serviceAccountId,
    actor_name: account!.name,
    credential_id: token.id,
  };
}

async function elsewhere(scene: Scene, route: Route): Promise<Client> {
  const slug = unique('other-account');
  expectStatus(await scene.owner.post('/service-accounts', { body: { name: 'Other account', slug } }), 201);
  return holderOf({ ...scene, parameters: { ...scene.parameters, serviceAccountSlug: slug } }, route.scopes);
}

describe('an operation that changes something', () => {
  it('is in the table of this test', () => {
    const unknown = ROUTES.filter(({ method, operationId }) => method !== 'GET' && !QUESTIONS.includes(operationId));
    expect(unknown.filter(({ operationId }) => !(operationId in CHANGES))).toEqual([]);
    expect(Object.keys(CHANGES).filter((id) => !(id in OPERATIONS))).toEqual([]);
  });

  it.each(EACH_CHANGE)('leaves one event in its own transaction: %s', async (_, route) => {
    const { scene, caller, call } = await prepare(route);
    const { type, before, after } = CHANGES[route.operationId]!;
    const actor = await actorOf(caller, scene);
    const requestId = unique('request');
    const count = await countEvents();
    const sent = { body: call.body, headers: { ...call.headers, 'x-request-id': requestId } };
    const answer = await caller.request<{ id?: string }>(call.method, call.path, sent);
    expectStatus(answer, OPERATIONS[route.operationId]!.success);

    expect(await countEvents()).toBe(count + 1);
    const [row, ...more] = await eventsOfRequest(requestId);
    expect(more).toEqual([]);
    expect(row).toMatchObject({
      type,
      ...actor,
      ip_address: '127.0.0.1',
      resource_type: type.split('.')[0],
    });
    if (route.operationId !== 'createOrganization') expect(row!.organization_id).toBe(scene.organizationId);
    expect(Object.keys(row!.before ?? {}).sort()).toEqual(before ?? []);
    expect(Object.keys(row!.after ?? {}).sort()).toEqual([...(after ?? [])].sort());
    for (const name of before?.filter((each) => after?.includes(each)) ?? []) {
      expect(row!.before![name]).not.toEqual(row!.after![name]);
    }
    const isNative = OPERATIONS[route.operationId]!.dialect === undefined;
    const body = (isNative ? (call.body ?? {}) : {}) as Record<string, unknown>;
    for (const name of after ?? []) if (name in body) expect(row!.after![name]).toEqual(body[name]);
    const written = await keyward.sql<{ transaction: string }>(ROW_OF[row!.resource_type]!, [
      row!.organization_id,
      row!.resource_id,
    ]);
    const isGone = type === 'role.deleted';
    expect(written).toEqual(isGone ? [] : [{ transaction: row!.transaction }]);
  });

  it.each(EACH_CHANGE)('leaves no event where it is refused: %s', async (_, route) => {
    const { scene, caller, call } = await prepare(route);
    const missing = missingParameters();
    const nobody = isOfThePlatform(route) ? scene.owner : await holderOf(scene, []);
    const before = await fingerprintOf(keyward);
    const refused = [
      await nobody.request(call.method, call.path, call),
      await caller.request(call.method, call.path, { ...call, headers: { authorization: 'Bearer nothing' } }),
    ];
    const { dialect } = OPERATIONS[route.operationId]!;
    // The dialects ignore what they do not know: such a change is empty, and such a deletion goes by the path.
    const isOpenToAll = dialect !== undefined && /^(PUT|DELETE)$/.test(route.method);
    if (call.body !== undefined && !isOpenToAll)
      refused.push(await caller.request(call.method, call.path, { body: { no: 'such' } }));
    if (parametersOf(route).length > 0) {
      const { method, path, body } = callOf(route, scene, missing);
      refused.push(await caller.request(method, path, { body }));
    }
    if (dialect === undefined && /^(PUT|PATCH|DELETE)$/.test(route.method)) {
      const headers = { 'if-match': '"999"' };
      refused.push(await caller.request(call.method, call.path, { body: call.body, headers }));
    }
    for (const answer of refused) expect([400, 401, 403, 404, 412, 422]).toContain(answer.status);
    expect(await fingerprintOf(keyward)).toEqual(before);
  });

  it('leaves none when the same is asked for again', async () => {
    const { owner, parameters } = await setScene(keyward);
    const account = `/service-accounts/${parameters['serviceAccountSlug']}`;
    const key = { 'idempotency-key': unique('key') };
    const same: [string, string, object | undefined, Record<string, string>?][] = [
      ['PATCH', '/organization', { name: 'Same' }],
      ['PUT', account, { name: 'Same', description: 'Same', role: 'viewer' }],
      ['POST', `${account}/disable`, undefined],
      ['POST', `${account}/enable`, undefined],
      [
        'PATCH',
        `${account}/tokens/${parameters['tokenSlug']}`,
        { name: 'Same', rateLimit: 7, annotations: { a: 'b' } },
      ],
      ['PUT', `/organization/roles/${parameters['roleSlug']}`, { name: 'Same', scopes: ['orders'] }],
      ['PUT', `/organization/members/${parameters['userId']}`, { role: parameters['roleSlug']! }],
      ['POST', '/service-accounts', { name: 'Same' }, key],
    ];
    for (const [method, path, body, headers] of same) {
      expect((await owner.request(method, path, { body, headers })).status).toBeLessThan(300);
      const count = await countEvents();
      expect((await owner.request(method, path, { body, headers })).status).toBeLessThan(300);
      expect({ path, count: await countEvents() }).toEqual({ path, count });
    }
  });

  it.each(EACH_CHANGE)('is undone when its event cannot be written: %s', async (_, route) => {
    const { caller, call } = await prepare(route);
    await keyward.sql('alter table audit_events add constraint ck_audit_events_full check (false) not valid');
    try {
      const before = await fingerprintOf(keyward);
      const answer = await caller.request(call.method, call.path, call);
      if (OPERATIONS[route.operationId]!.dialect === undefined) expectProblem(answer, 500, 'service.internal');
      else expectStatus(answer, 500);
      expect(await fingerprintOf(keyward)).toEqual(before);
    } finally {
      await keyward.sql('alter table audit_events drop constraint ck_audit_events_full');
    }
  });
});

describe('what nobody asked for by hand', () => {
  it('is written down with the person whose JWT brought it about', async () => {
    const org = unique('org');
    const requestId = unique('request');
    const sub = unique('owner');
    const owner = await Person.signIn(keyward.url, { org, sub, name: 'First Owner' });
    expectStatus(await owner.get('/organization', { headers: { 'x-request-id': requestId } }), 200);
    const rows = await eventsOfRequest(requestId);
    expect(rows.map(({ type, actor_kind }) => `${type} by ${actor_kind}`)).toEqual([
      'organization.created by system',
      'member.added by user',
    ]);
    expect(rows[1]).toMatchObject({ actor_name: 'First Owner', credential_id: null, ip_address: '127.0.0.1' });
    expect(rows[1]!.actor_id).toBe(rows[1]!.resource_id);

    const demoted = await Person.signIn(keyward.url, { org, sub, role: 'viewer' });
    const second = unique('request');
    expectStatus(await demoted.get('/organization', { headers: { 'x-request-id': second } }), 200);
    expect(await eventsOfRequest(second)).toMatchObject([
      { type: 'member.role_changed', before: { roleNumber: 4 }, after: { roleNumber: 3 } },
    ]);
    const third = unique('request');
    expectStatus(await demoted.get('/organization', { headers: { 'x-request-id': third } }), 200);
    expect(await eventsOfRequest(third)).toEqual([]);
  });
});
