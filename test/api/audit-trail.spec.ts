import { verifyChain } from '../support/audit-chain.js';
import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { openPool } from '../support/databases.js';
import type { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import type { Page } from '../support/wire.js';

interface Event {
  readonly id: string;
  readonly sequence: number;
  readonly type: string;
  readonly createdAt: string;
  readonly actor: { readonly kind: string; readonly id: string; readonly name?: string };
  readonly credentialId?: string;
  readonly ipAddress?: string;
  readonly requestId: string;
  readonly resourceType: string;
  readonly resourceId: string;
  readonly before?: object;
  readonly after?: object;
  readonly hash: string;
}

let keyward: Keyward;
let pool: ReturnType<typeof openPool>;
beforeAll(async () => {
  keyward = await startKeyward();
  pool = openPool(keyward.databaseUrl);
});
afterAll(async () => {
  await pool?.end();
  await keyward?.close();
});

/** An organization with seven events: itself, its owner, an account and four tokens. */
async function organizationWithEvents(): Promise<{ owner: Person; id: string; accountSlug: string }> {
  const owner = await signInOwner(keyward);
  const { slug } = await createAccount(owner, { name: unique('Account') });
  for (let token = 0; token < 4; token += 1) await issueToken(owner, slug);
  const { id } = expectStatus(await owner.get<{ id: string }>('/organization'), 200);
  return { owner, id, accountSlug: slug };
}

async function eventsOf(client: Client, query = ''): Promise<readonly Event[]> {
  return expectStatus(await client.get<Page<Event>>(`/audit-events?limit=200${query}`), 200).items;
}

describe('the chain of an organization', () => {
  it.each([
    ['changed', "update audit_events set actor_name = 'nobody'"],
    ['deleted', 'delete from audit_events'],
    ['cut off', 'truncate audit_events'],
  ])('refuses that a row be %s, by SQL too', async (_, statement) => {
    const { id } = await organizationWithEvents();
    await expect(keyward.sql(statement)).rejects.toThrow('audit_events is append-only');
    expect(await verifyChain(pool, id)).toEqual({ isIntact: true, length: 7 });
  });

  const rehash = 'hash = audit_event_hash(previous_hash, sequence, e)';
  const tamperings: [string, number, string][] = [
    [
      'another actor',
      4,
      "update audit_events set actor_id = 'somebody-else' where organization_id = $1 and sequence = 4",
    ],
    ['another name', 4, "update audit_events set actor_name = 'Somebody' where organization_id = $1 and sequence = 4"],
    ['another type', 4, "update audit_events set type = 'token.revoked' where organization_id = $1 and sequence = 4"],
    [
      'another time',
      4,
      "update audit_events set created_at = created_at - interval '1 ms' where organization_id = $1 and sequence = 4",
    ],
    [
      'another address',
      4,
      "update audit_events set ip_address = '192.0.2.1' where organization_id = $1 and sequence = 4",
    ],
    ['another request', 4, "update audit_events set request_id = 'x' where organization_id = $1 and sequence = 4"],
    ['another credential', 4, 'update audit_events set credential_id = id where organization_id = $1 and sequence = 4'],
    ['another resource', 4, 'update audit_events set resource_id = id where organization_id = $1 and sequence = 4'],
    ['other values before', 4, "update audit_events set before = '{}' where organization_id = $1 and sequence = 4"],
    [
      'other values after',
      4,
      `update audit_events set after = after || '{"name": "x"}' where organization_id = $1 and sequence = 4`,
    ],
    ['a row taken out', 5, 'delete from audit_events where organization_id = $1 and sequence = 4'],
    [
      'a row taken out and the gap closed',
      4,
      'delete from audit_events where organization_id = $1 and sequence = 4; update audit_events set sequence = -sequence where organization_id = $1 and sequence > 4; update audit_events set sequence = -sequence - 1 where organization_id = $1 and sequence < 0',
    ],
    ['the first row taken out', 2, 'delete from audit_events where organization_id = $1 and sequence = 1'],
    ['the last row taken out', 7, 'delete from audit_events where organization_id = $1 and sequence = 7'],
    ['every row taken out', 7, 'delete from audit_events where organization_id = $1'],
    [
      'a changed row with a hash that fits it',
      5,
      `update audit_events set actor_name = 'x' where organization_id = $1 and sequence = 4; update audit_events e set ${rehash} where organization_id = $1 and sequence = 4`,
    ],
    [
      'a changed last row with a hash that fits it',
      7,
      `update audit_events set actor_name = 'x' where organization_id = $1 and sequence = 7; update audit_events e set ${rehash} where organization_id = $1 and sequence = 7`,
    ],
  ];
  it.each(tamperings)('shows %s', async (_, brokenAt, statements) => {
    const { id } = await organizationWithEvents();
    const other = await organizationWithEvents();
    await keyward.sql('alter table audit_events disable trigger refuse_audit_event_change');
    try {
      for (const statement of statements.split('; ')) await keyward.sql(statement, [id]);
    } finally {
      await keyward.sql('alter table audit_events enable trigger refuse_audit_event_change');
    }
    expect(await verifyChain(pool, id)).toEqual({ isIntact: false, brokenAt });
    expect(await verifyChain(pool, other.id)).toEqual({ isIntact: true, length: 7 });
  });

  it('shows a row that was slipped in behind the last one', async () => {
    const { id } = await organizationWithEvents();
    await keyward.sql('alter table audit_events disable trigger link_audit_event');
    try {
      await keyward.sql(
        `insert into audit_events select (e).* from (
           select jsonb_populate_record(e, jsonb_build_object('sequence', 8, 'id', gen_random_uuid(), 'previous_hash', hash)) as e
           from audit_events e where organization_id = $1 and sequence = 7) as copies`,
        [id],
      );
    } finally {
      await keyward.sql('alter table audit_events enable trigger link_audit_event');
    }
    expect(await verifyChain(pool, id)).toEqual({ isIntact: false, brokenAt: 8 });
  });

  it('stays whole when many changes come at once, none of which fails', async () => {
    const { owner, id, accountSlug } = await organizationWithEvents();
    const account = `/service-accounts/${accountSlug}`;
    const { slug } = await issueToken(owner, accountSlug);
    const role = { name: 'Role', slug: unique('role'), scopes: [] };
    expectStatus(await owner.post('/organization/roles', { body: role }), 201);
    const kinds = [
      () => owner.patch('/organization', { body: { name: unique('Organization') } }),
      () => owner.put(account, { body: { name: unique('Account') } }),
      () => owner.patch(`${account}/tokens/${slug}`, { body: { name: unique('Token') } }),
      () => owner.post(`${account}/tokens/${slug}/rotate`),
      () => owner.put(`/organization/roles/${role.slug}`, { body: { ...role, name: unique('Role') } }),
      () => owner.post('/organization/members', { body: { subject: unique('subject'), role: role.slug } }),
      () => owner.post(`${account}/tokens`, { body: { name: unique('Token'), scopes: [] } }),
    ];
    const answers = await Promise.all(Array.from({ length: 70 }, (_, index) => kinds[index % kinds.length]!()));
    expect(answers.filter(({ status }) => status >= 300).map(({ text }) => text)).toEqual([]);
    expect(await verifyChain(pool, id)).toEqual({ isIntact: true, length: 9 + 70 });
  });
});

describe('GET /audit-events', () => {
  let owner: Person;
  let stored: Event[];
  beforeAll(async () => {
    const organization = await organizationWithEvents();
    owner = organization.owner;
    const { token } = await issueToken(owner, organization.accountSlug, { scopes: ['api_tokens', 'orders:read'] });
    await issueToken(owner.holding(token), organization.accountSlug, { scopes: ['orders:read'] });
    expectStatus(await owner.patch('/organization', { body: { name: 'Renamed' } }), 200);
    const rows = await keyward.sql<Record<string, never>>(
      `select *, host(ip_address) as address, encode(hash, 'hex') as hash_text, sequence::int as place from audit_events
       where organization_id = $1 order by place desc`,
      [organization.id],
    );
    stored = rows.map((row: Record<string, unknown>) => ({
      id: row['id'],
      sequence: row['place'],
      type: row['type'],
      createdAt: (row['created_at'] as Date).toISOString(),
      actor: {
        kind: row['actor_kind'],
        id: row['actor_id'],
        ...(row['actor_name'] === null ? {} : { name: row['actor_name'] }),
      },
      ...(row['credential_id'] === null ? {} : { credentialId: row['credential_id'] }),
      ipAddress: row['address'],
      requestId: row['request_id'],
      resourceType: row['resource_type'],
      resourceId: row['resource_id'],
      ...(row['before'] === null ? {} : { before: row['before'] }),
      ...(row['after'] === null ? {} : { after: row['after'] }),
      hash: row['hash_text'],
    })) as Event[];
  });

  it('tells each event as it is stored, newest first', async () => {
    expect(stored).toHaveLength(10);
    expect([...(await eventsOf(owner))].sort((one, other) => other.sequence - one.sequence)).toEqual(stored);
  });

  it('gives what every filter, and all of them together, leave', async () => {
    const only = async (query: string, isMeant: (event: Event) => boolean): Promise<void> => {
      const expected = stored.filter(isMeant);
      expect(expected.length).toBeGreaterThan(0);
      expect(expected.length).toBeLessThan(stored.length);
      expect((await eventsOf(owner, query)).map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort());
    };
    const byToken = stored.find((event) => event.credentialId !== undefined)!;
    const { type, actor, resourceId } = byToken;
    await only(`&type=${type}`, (event) => event.type === type);
    await only(`&actorId=${actor.id}`, (event) => event.actor.id === actor.id);
    await only(`&resourceId=${resourceId}`, (event) => event.resourceId === resourceId);
    const since = stored[3]!.createdAt;
    await only(`&since=${since}`, (event) => event.createdAt >= since);
    await only(`&until=${since}`, (event) => event.createdAt < since);
    const all = `&type=${type}&actorId=${actor.id}&resourceId=${resourceId}&since=${byToken.createdAt}&until=2099-01-01T00:00:00Z`;
    await only(all, (event) => event.id === byToken.id);
  });

  it.each([
    '&since=yesterday',
    '&until=2030-02-30T00:00:00Z',
    '&resourceId=nothing',
    '&type=',
    '&type=a&type=b',
    '&no=such',
  ])('refuses %s', async (query) => {
    expectInvalid(await owner.get(`/audit-events?limit=5${query}`), `query.${/&(\w+)/.exec(query)![1]}`);
  });

  it('refuses a page of 0 or of 201, and a cursor that is not its own', async () => {
    for (const limit of ['0', '201', 'x'])
      expectInvalid(await owner.get(`/audit-events?limit=${limit}`), 'query.limit');
    const members = expectStatus(
      await owner.post('/organization/members', { body: { subject: 'a', role: 'viewer' } }),
      201,
    );
    expect(members).toBeDefined();
    const page = expectStatus(await owner.get<Page<object>>('/organization/members?limit=1'), 200);
    for (const cursor of [page.nextCursor, 'x', '']) {
      expectProblem(await owner.get(`/audit-events?cursor=${cursor}`), 400, 'request.invalid_cursor');
    }
  });

  it('meets each event once in a walk, though events are added meanwhile', async () => {
    const walker = await organizationWithEvents();
    const walked: string[] = [];
    let query = '?limit=2&type=token.issued';
    for (let pages = 0; query !== ''; pages += 1) {
      expect(pages).toBeLessThan(10);
      const page = expectStatus(await walker.owner.get<Page<Event>>(`/audit-events${query}`), 200);
      walked.push(...page.items.map(({ id }) => id));
      expect(page.hasMore).toBe(page.nextCursor !== undefined);
      query = page.nextCursor === undefined ? '' : `?limit=2&type=token.issued&cursor=${page.nextCursor}`;
      await issueToken(walker.owner, walker.accountSlug);
    }
    const first = (await eventsOf(walker.owner, '&type=token.issued')).slice(-4).map(({ id }) => id);
    expect(walked).toEqual(first);
  });
});
