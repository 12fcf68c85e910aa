import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import { callOf, holderOf, OPERATIONS, type Scene, setScene } from '../support/route-calls.js';
import { expectRefused } from '../support/route-dialects.js';
import { PLATFORM_TOKEN, TENANT_SCOPES, WALK_ENVIRONMENT } from '../support/route-intruders.js';
import { isOfThePlatform, isPublic, readRoutes } from '../support/route-list.js';

interface Member {
  readonly id: string;
  readonly role: string;
}

let keyward: Keyward;
let operator: Client;
beforeAll(async () => {
  keyward = await startKeyward({ env: WALK_ENVIRONMENT });
  operator = new Client(keyward.url, PLATFORM_TOKEN);
});
afterAll(() => keyward?.close());

/** A member beside the owner, added with a role. */
async function addMember(owner: Person, role: string): Promise<{ person: Person; id: string }> {
  const sub = unique('member');
  const added = await owner.post<Member>('/organization/members', { body: { subject: sub, role } });
  return { person: await owner.colleague({ sub }), id: expectStatus(added, 201).id };
}

function create(person: Client): ReturnType<Client['post']> {
  return person.post('/service-accounts', { body: { name: unique('Account') } });
}

describe('a suspended organization', () => {
  let scene: Scene;
  let token: Client;
  beforeAll(async () => {
    scene = await setScene(keyward);
    token = await holderOf(scene, TENANT_SCOPES);
    expectStatus(await token.get('/organization'), 200); // it is known to the verifier before
    expectStatus(await operator.post(`/organizations/${scene.parameters['organizationSlug']}/suspend`), 200);
  });

  const routes = readRoutes().filter((route) => !isPublic(route) && !isOfThePlatform(route));
  it.each(routes.map((route): [string, (typeof routes)[number]] => [`${route.method} ${route.path}`, route]))(
    'is closed to JWTs and to tokens at %s',
    async (_, route) => {
      const { method, path, ...call } = callOf(route, scene);
      const strangerWithJwt = await scene.owner.colleague({ role: 'admin' });
      for (const caller of [scene.owner, token, strangerWithJwt]) {
        const answer = await caller.request(method, path, call);
        const { dialect } = OPERATIONS[route.operationId]!;
        expectRefused(answer, dialect, { status: 403, code: 'organization.suspended' });
      }
    },
  );

  it('is said to whoever verifies its tokens', async () => {
    const answer = await operator.post('/tokens/verify', { body: { token: token.token } });
    expect(expectStatus(answer, 200)).toMatchObject({ valid: false, code: 'SUSPENDED' });
  });

  it('works again as soon as it is resumed, and nothing of it is lost', async () => {
    expectStatus(await operator.post(`/organizations/${scene.parameters['organizationSlug']}/resume`), 200);
    for (const caller of [scene.owner, token]) expectStatus(await caller.get('/service-accounts'), 200);
    const [{ count } = { count: 0 }] = await keyward.sql<{ count: number }>(
      `select count(*)::int as count from memberships where organization_id = $1 and created_at >=
         (select max(created_at) from audit_events where organization_id = $1 and type = 'organization.suspended')`,
      [scene.organizationId],
    );
    expect(count).toBe(0); // nobody came in meanwhile
  });
});

describe('the role claim of a JWT', () => {
  it('is the authority: it is taken over at each sight, and may name a custom role', async () => {
    const owner = await signInOwner(keyward);
    const role = { name: 'Clerk', slug: unique('clerk'), scopes: ['service_accounts:read', 'orders'] };
    expectStatus(await owner.post('/organization/roles', { body: role }), 201);
    const sub = unique('person');
    for (const name of ['admin', 'viewer', role.slug, 'editor', 'owner']) {
      const person = await owner.colleague({ sub, role: name });
      expectStatus(await person.get('/service-accounts'), 200);
      const members = expectStatus(await owner.get<(Member & { subject: string })[]>('/organization/members'), 200);
      expect(members.find(({ subject }) => subject === sub)?.role).toBe(name);
      expect((await create(person)).status).toBe(name === 'viewer' || name === role.slug ? 403 : 201);
    }
  });

  it('that names no role changes nothing, and gives a newcomer no more than the default', async () => {
    const owner = await signInOwner(keyward);
    const { person, id } = await addMember(owner, 'editor');
    const sure = await owner.colleague({ sub: person.claims.sub, role: 'no-such-role' });
    expectStatus(await create(sure), 201);
    expect(expectStatus(await owner.get<Member>(`/organization/members/${id}`), 200).role).toBe('editor');
    const newcomer = await owner.colleague({ role: 'no-such-role' });
    expectStatus(await newcomer.get('/service-accounts'), 200);
    expectProblem(await create(newcomer), 403, 'access.denied');
  });

  it('of another organization names none of its custom roles', async () => {
    const [owner, other] = [await signInOwner(keyward), await signInOwner(keyward)];
    const role = { name: 'Strong', slug: unique('strong'), scopes: ['service_accounts'] };
    expectStatus(await other.post('/organization/roles', { body: role }), 201);
    const person = await owner.colleague({ role: role.slug });
    expectProblem(await create(person), 403, 'access.denied');
  });
});

describe('a demotion', () => {
  it('takes hold with the next request of a JWT that was issued before it', async () => {
    const owner = await signInOwner(keyward);
    const { person, id } = await addMember(owner, 'admin');
    expectStatus(await create(person), 201);
    expectStatus(await owner.put(`/organization/members/${id}`, { body: { role: 'viewer' } }), 200);
    expectProblem(await create(person), 403, 'access.denied');
    expectStatus(await person.get('/service-accounts'), 200);
  });

  it('of a custom role takes hold with the next request of everybody who has it', async () => {
    const owner = await signInOwner(keyward);
    const role = { name: 'Maker', slug: unique('maker'), scopes: ['service_accounts', 'orders'] };
    expectStatus(await owner.post('/organization/roles', { body: role }), 201);
    const { person } = await addMember(owner, role.slug);
    const account = await createAccount(owner, { name: 'Maker', slug: unique('maker'), role: role.slug });
    const { token } = await issueToken(owner, account.slug, { scopes: ['service_accounts'] });
    const holder = owner.holding(token);
    for (const caller of [person, holder]) expectStatus(await create(caller), 201);
    const body = { ...role, scopes: ['service_accounts:read'] };
    expectStatus(await owner.put(`/organization/roles/${role.slug}`, { body }), 200);
    for (const caller of [person, holder]) {
      expectProblem(await create(caller), 403, 'access.denied');
      expectStatus(await caller.get('/service-accounts'), 200);
    }
  });
});

describe('a removed member', () => {
  it('stays out with every JWT, whatever it claims, until somebody adds them again', async () => {
    const owner = await signInOwner(keyward);
    const { person, id } = await addMember(owner, 'admin');
    expectStatus(await create(person), 201);
    expectStatus(await owner.delete(`/organization/members/${id}`), 204);
    const claimsMore = await owner.colleague({ sub: person.claims.sub, role: 'owner' });
    for (const caller of [person, claimsMore, person]) {
      expectProblem(await caller.get('/service-accounts'), 403, 'access.not_a_member');
    }
    expectProblem(await owner.get(`/organization/members/${id}`), 404, 'member.not_found');
    const body = { subject: person.claims.sub, role: 'viewer' };
    expect(expectStatus(await owner.post<Member>('/organization/members', { body }), 201)).toMatchObject({ id });
    expectStatus(await person.get('/service-accounts'), 200);
    expectProblem(await create(person), 403, 'access.denied');
  });

  it('may sign in to their other organizations as before', async () => {
    const [owner, other] = [await signInOwner(keyward), await signInOwner(keyward)];
    const { person, id } = await addMember(owner, 'viewer');
    const elsewhere = await other.colleague({ sub: person.claims.sub });
    expectStatus(await elsewhere.get('/organization'), 200);
    expectStatus(await owner.delete(`/organization/members/${id}`), 204);
    expectStatus(await elsewhere.get('/organization'), 200);
  });
});

describe('the last owner', () => {
  async function idOf(owner: Person): Promise<string> {
    const members = expectStatus(await owner.get<(Member & { subject: string })[]>('/organization/members'), 200);
    return members.find(({ subject }) => subject === owner.claims.sub)!.id;
  }

  it('is neither removed nor demoted, not even by themselves', async () => {
    const owner = await signInOwner(keyward);
    const path = `/organization/members/${await idOf(owner)}`;
    expectProblem(await owner.delete(path), 409, 'member.last_owner');
    expectProblem(await owner.put(path, { body: { role: 'admin' } }), 409, 'member.last_owner');
    expectStatus(await owner.put(path, { body: { role: 'owner' } }), 200);
    const second = await addMember(owner, 'owner');
    expectStatus(await owner.put(path, { body: { role: 'admin' } }), 200);
    expectProblem(await second.person.delete(`/organization/members/${second.id}`), 409, 'member.last_owner');
  });

  it.each(['remove', 'demote'])(
    'is left when two owners %s each other at the same moment, again and again',
    async (deed) => {
      for (let round = 0; round < 8; round += 1) {
        const owner = await signInOwner(keyward);
        const second = await addMember(owner, 'owner');
        expectStatus(await second.person.get('/organization'), 200);
        const act = (by: Person, id: string): ReturnType<Client['delete']> =>
          deed === 'remove'
            ? by.delete(`/organization/members/${id}`)
            : by.put(`/organization/members/${id}`, { body: { role: 'viewer' } });
        const first = await idOf(owner);
        const answers = await Promise.all([act(owner, second.id), act(second.person, first)]);
        const [won, lost] = answers.sort((one, other) => one.status - other.status);
        expect(won.status).toBeLessThan(300);
        // Whoever comes second is no owner any more, or would take the last one away.
        expect([403, 409]).toContain(lost.status);
        const [left] = await keyward.sql<{ count: number }>(
          `select count(*)::int as count from memberships m join organizations o on o.id = m.organization_id
         where o.external_id = $1 and m.role_number = 4 and m.removed_at is null`,
          [owner.claims.org],
        );
        expect(left!.count).toBe(1);
      }
    },
  );
});
