import { createAccount, expectStatus, issueToken, Person, signInOwner, unique } from '../support/callers.js';
import { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import { type Page, TIMESTAMP, UUID } from '../support/wire.js';

const PLATFORM_TOKEN = 'platform-token-of-the-test-suite';

interface Organization {
  readonly id: string;
  readonly slug: string;
  readonly externalId?: string;
}

let keyward: Keyward;
let operator: Client;

beforeAll(async () => {
  keyward = await startKeyward({ env: { INIT_PLATFORM_TOKENS: PLATFORM_TOKEN } });
  operator = new Client(keyward.url, PLATFORM_TOKEN);
});
afterAll(() => keyward?.close());

async function createOrganization(): Promise<Organization> {
  const body = { name: unique('Tenant'), externalId: unique('tenant') };
  return expectStatus(await operator.post<Organization>('/organizations', { body }), 201);
}

describe('the operator', () => {
  it('creates organizations, gets and lists them', async () => {
    const externalId = unique('ext');
    const name = unique('New tenant');
    const created = await operator.post<Organization>('/organizations', { body: { name, externalId } });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      id: expect.stringMatching(UUID),
      slug: name.toLowerCase().replaceAll(' ', '-'),
      name,
      externalId,
    });
    expect(created.text).not.toContain('null');
    expect((await operator.get(`/organizations/${created.body.slug}`)).body).toEqual(created.body);
    const page = expectStatus(await operator.get<Page<Organization>>('/organizations?limit=1'), 200);
    expect(page).toEqual({ items: [created.body], nextCursor: expect.any(String), hasMore: true });
  });

  it('lists organizations as an array without limit', async () => {
    const created = await createOrganization();
    expect((await operator.get<Organization[]>('/organizations')).body[0]).toEqual(created);
  });

  it('refuses a slug or an external id that is taken, and the reserved slug', async () => {
    const { slug, externalId } = await createOrganization();
    const name = unique('Another');
    expectProblem(await operator.post('/organizations', { body: { name, slug } }), 409, 'organization.slug_taken');
    const twice = await operator.post('/organizations', { body: { name, externalId } });
    expectProblem(twice, 409, 'organization.external_id_taken');
    const reserved = await operator.post('/organizations', { body: { name, slug: 'organization' } });
    expectProblem(reserved, 409, 'organization.slug_taken');
    const automatic = await operator.post<Organization>('/organizations', { body: { name: 'Organization' } });
    expect(expectStatus(automatic, 201).slug).toMatch(/^organization-[0-9a-f]{6}$/);
  });

  it('does not find an organization that is not there', async () => {
    expectProblem(await operator.get('/organizations/nobody'), 404, 'organization.not_found');
    expectProblem(await operator.post('/organizations/nobody/suspend'), 404, 'organization.not_found');
  });

  it('suspends an organization at once, with all its people and tokens, and lets it resume', async () => {
    const { slug, externalId = '' } = await createOrganization();
    const owner = await Person.signIn(keyward.url, { org: externalId, sub: unique('owner') });
    const account = await createAccount(owner);
    const { token } = await issueToken(owner, account.slug, { scopes: ['service_accounts:read'] });
    const holder = owner.holding(token);
    expectStatus(await holder.get('/service-accounts'), 200);

    const suspended = await operator.post(`/organizations/${slug}/suspend`);
    expect(suspended.status).toBe(200);
    expect(suspended.body).toMatchObject({ slug, suspendedAt: expect.stringMatching(TIMESTAMP) });
    expectProblem(await owner.get('/service-accounts'), 403, 'organization.suspended');
    expectProblem(await holder.get('/service-accounts'), 403, 'organization.suspended');

    const resumed = await operator.post(`/organizations/${slug}/resume`);
    expect(resumed.status).toBe(200);
    expect(resumed.body).not.toHaveProperty('suspendedAt');
    expectStatus(await owner.get('/service-accounts'), 200);
    expectStatus(await holder.get('/service-accounts'), 200);
  });
});

describe('the operations of the platform', () => {
  const operations: [string, string][] = [
    ['GET', '/organizations'],
    ['POST', '/organizations'],
    ['GET', '/organizations/{slug}'],
    ['POST', '/organizations/{slug}/suspend'],
    ['POST', '/organizations/{slug}/resume'],
  ];

  it.each(operations)(
    'refuse %s %s to the owner of an organization, whatever their JWT claims',
    async (method, template) => {
      const { slug } = await createOrganization();
      const path = template.replace('{slug}', slug);
      const body = template === '/organizations' && method === 'POST' ? { name: 'Mine' } : undefined;
      const owner = await signInOwner(keyward);
      for (const caller of [
        owner,
        await owner.narrowedTo('*', 'platform:organizations'),
        await owner.narrowedTo('platform'),
      ]) {
        expectProblem(await caller.request(method, path, { body }), 403, 'access.denied');
      }
    },
  );

  it('are closed to every JWT, also to one that names the platform organization', async () => {
    const [platform] = await keyward.sql<{ id: string; slug: string }>(
      'select id, slug from organizations where is_platform',
    );
    for (const org of [platform?.id ?? '', platform?.slug ?? '', 'platform']) {
      const person = await Person.signIn(keyward.url, { org, sub: unique('intruder'), role: 'owner' });
      expect((await person.get('/organizations')).status).toBe(403);
    }
  });
});

describe('the audit trail', () => {
  interface AuditEvent {
    readonly id: string;
    readonly type: string;
    readonly createdAt: string;
    readonly [member: string]: unknown;
  }

  async function eventsOf(client: Client, query = ''): Promise<readonly AuditEvent[]> {
    return expectStatus(await client.get<Page<AuditEvent>>(`/audit-events?limit=200${query}`), 200).items;
  }

  it('is always a page, newest first, and walked by cursor', async () => {
    const owner = await signInOwner(keyward);
    const { slug } = await createAccount(owner);
    for (let token = 0; token < 5; token += 1) await issueToken(owner, slug);
    const bare = expectStatus(await owner.get<Page<AuditEvent>>('/audit-events'), 200);
    expect(bare).toMatchObject({ items: expect.any(Array), hasMore: false });
    const all = await eventsOf(owner);
    expect(all.length).toBeGreaterThanOrEqual(6);
    expect(bare.items).toEqual(all);
    const walked: AuditEvent[] = [];
    let query = '?limit=2';
    for (let pages = 0; pages < 50 && query; pages += 1) {
      const page = expectStatus(await owner.get<Page<AuditEvent>>(`/audit-events${query}`), 200);
      walked.push(...page.items);
      query = page.nextCursor ? `?limit=2&cursor=${encodeURIComponent(page.nextCursor)}` : '';
    }
    expect(walked.map((event) => event.id)).toEqual(all.map((event) => event.id));
    expect(all[0]?.createdAt).toMatch(TIMESTAMP);
  });

  it('tells of each change once, and of nothing that was refused', async () => {
    const owner = await signInOwner(keyward);
    const before = (await eventsOf(owner)).length;
    const account = await createAccount(owner);
    const path = `/service-accounts/${account.slug}`;
    const token = await issueToken(owner, account.slug, { name: 'Seen' });
    expectStatus(await owner.put(path, { body: { name: 'Renamed' } }), 204);
    expectStatus(await owner.patch(`${path}/tokens/seen`, { body: { name: 'Seen again' } }), 200);
    expectStatus(await owner.post(`${path}/tokens/seen/rotate`), 200);
    expectStatus(await owner.delete(`${path}/tokens/seen`), 204);
    expectStatus(await owner.post(`${path}/disable`), 200);
    expectStatus(await owner.post(`${path}/enable`), 200);
    expectStatus(await owner.delete(path), 204);
    await owner.post('/service-accounts', { body: { name: '' } });
    await owner.delete(path);
    const events = await eventsOf(owner);
    expect(events).toHaveLength(before + 9);
    expect((await eventsOf(owner, `&resourceId=${token.id}`)).length).toBe(4);
    expect((await eventsOf(owner, `&resourceId=${account.id}`)).length).toBe(5);
  });

  it('is filtered by type, actor, resource and time', async () => {
    const owner = await signInOwner(keyward);
    await createAccount(owner);
    const { slug } = await createAccount(owner);
    await issueToken(owner, slug);
    const all = await eventsOf(owner);
    const type = all[0]?.type ?? '';
    expect(await eventsOf(owner, `&type=${type}`)).toEqual(all.filter((event) => event.type === type));
    expect(await eventsOf(owner, '&type=nothing.happened')).toEqual([]);
    expect(await eventsOf(owner, '&since=2099-01-01T00:00:00Z')).toEqual([]);
    expect(await eventsOf(owner, '&until=2020-01-01T00:00:00Z')).toEqual([]);
    expect(await eventsOf(owner, '&since=2020-01-01T00:00:00Z&until=2099-01-01T00:00:00Z')).toEqual(all);
    expectInvalid(await owner.get('/audit-events?since=yesterday'), 'query.since');
  });

  it('shows nothing of another organization', async () => {
    const owner = await signInOwner(keyward);
    const account = await createAccount(owner);
    const stranger = await signInOwner(keyward);
    expect(await eventsOf(stranger, `&resourceId=${account.id}`)).toEqual([]);
    expectProblem(await (await owner.narrowedTo('api_tokens')).get('/audit-events'), 403, 'access.denied');
  });
});
