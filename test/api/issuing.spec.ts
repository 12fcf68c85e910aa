import type { Pool } from 'pg';
import { verifyChain } from '../support/audit-chain.js';
import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { openPool } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import type { Answer, Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import type { IssuedToken, Page } from '../support/wire.js';

const TOKENS_PER_OWNER_MAX = 12;

interface Event {
  readonly resourceId: string;
  readonly after: { readonly slug: string };
}

let keyward: Keyward;
let pool: Pool;
let owner: Person;
beforeAll(async () => {
  keyward = await startKeyward({ env: { TOKENS_PER_OWNER_MAX: String(TOKENS_PER_OWNER_MAX) } });
  pool = openPool(keyward.databaseUrl);
});
beforeEach(async () => {
  owner = await signInOwner(keyward);
});
afterAll(async () => {
  await pool?.end();
  await keyward?.close();
});

function issue(by: Client, accountSlug: string, body: object): Promise<Answer<IssuedToken>> {
  return by.post<IssuedToken>(`/service-accounts/${accountSlug}/tokens`, {
    body: { scopes: ['orders:read'], ...body },
  });
}

async function organizationId(): Promise<string> {
  return expectStatus(await owner.get<{ id: string }>('/organization'), 200).id;
}

/** Whose token a secret is, as verification tells it. */
async function idBehind(secret: string): Promise<string | undefined> {
  const verdict = await owner.post<{ token?: { id: string } }>('/tokens/verify', { body: { token: secret } });
  return expectStatus(verdict, 200).token?.id;
}

describe('tokens that are issued at once in one organization', () => {
  it('are each answered with their own secret, whatever account they are for', async () => {
    const accounts = await Promise.all([1, 2, 3].map(() => createAccount(owner, { name: unique('Account') })));
    const names = Array.from({ length: 24 }, (_, index) => `Token ${index}`);
    const answers = await Promise.all(
      names.map((name, index) => issue(owner, accounts[index % 3]?.slug ?? '', { name, annotations: { place: name } })),
    );
    for (const [index, answer] of answers.entries()) {
      const issued = expectStatus(answer, 201);
      expect(issued).toMatchObject({
        name: names[index],
        annotations: { place: names[index] },
        serviceAccountId: accounts[index % 3]?.id,
      });
      expect(await idBehind(issued.token)).toBe(issued.id);
    }
  });

  it('are refused each for itself: one that cannot be is nobody else’s refusal', async () => {
    const { slug } = await createAccount(owner);
    const [taken, other] = await Promise.all([createAccount(owner, { name: 'Taken' }), createAccount(owner)]);
    await issueToken(owner, taken.slug, { name: 'Taken', slug: 'taken' });
    const answers = await Promise.all([
      ...[1, 2, 3].map((number) => issue(owner, slug, { name: `Good ${number}` })),
      issue(owner, taken.slug, { name: 'Taken', slug: 'free' }),
      issue(owner, other.slug, { name: 'Good 4' }),
      issue(owner, taken.slug, { name: 'Free', slug: 'taken' }),
      issue(owner, other.slug, { name: 'Good 5' }),
    ]);
    expectProblem(answers[3], 409, 'token.name_taken');
    expectProblem(answers[5]!, 409, 'token.slug_taken');
    for (const index of [0, 1, 2, 4, 6]) {
      const { id, token } = expectStatus(answers[index] as Answer<IssuedToken>, 201);
      expect(await idBehind(token)).toBe(id);
    }
  });

  it('have one event each, with their slug, in an unbroken chain', async () => {
    const { slug } = await createAccount(owner);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => issue(owner, slug, { name: `Token ${unique('')}` })),
    );
    const issued = answers.map((answer) => expectStatus(answer, 201));
    const events = await owner.get<Page<Event>>('/audit-events?type=token.issued&limit=100');
    const told = expectStatus(events, 200).items.map(({ resourceId, after }) => [resourceId, after.slug]);
    expect(told.sort()).toEqual(issued.map(({ id, slug: own }) => [id, own]).sort());
    expect(await verifyChain(pool, await organizationId())).toMatchObject({ isIntact: true });
  });

  it('are no more than the quota of their owner, and what is refused leaves nothing behind', async () => {
    const { slug, id } = await createAccount(owner);
    const answers = await Promise.all(
      Array.from({ length: 3 * TOKENS_PER_OWNER_MAX }, (_, index) =>
        issue(owner, slug, { name: `Token ${index}`, annotations: { place: String(index) } }),
      ),
    );
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused).toHaveLength(2 * TOKENS_PER_OWNER_MAX);
    for (const answer of refused) expectProblem(answer, 403, 'access.quota_reached');
    const [left] = await keyward.sql<Record<string, string>>(
      `select count(distinct t.id) as tokens, count(s.id) as secrets, count(a.key) as annotations,
         (select count(*) from audit_events e join tokens of_event on of_event.id = e.resource_id
          where e.type = 'token.issued' and of_event.owner_id = $1) as events
       from tokens t left join token_secrets s on s.token_id = t.id left join annotations a on a.token_id = t.id
       where t.owner_id = $1`,
      [id],
    );
    expect(new Set(Object.values(left ?? {}))).toEqual(new Set([String(TOKENS_PER_OWNER_MAX)]));
    expect(await verifyChain(pool, await organizationId())).toMatchObject({ isIntact: true });
  });

  it('hold up nobody while they wait for what another process is writing', async () => {
    const { slug, id } = await createAccount(owner);
    const organization = await organizationId();
    const [holder, other] = await Promise.all([pool.connect(), pool.connect()]);
    try {
      await holder.query('begin');
      await holder.query('select from audit_chains where organization_id = $1 for update', [organization]);
      const first = issue(owner, slug, { name: 'First' });
      await untilSomebodyWaits();
      const together = ['Another', 'Written elsewhere'].map((name) => issue(owner, slug, { name }));
      for (let reads = 0; reads < 5; reads++) expectStatus(await owner.get('/service-accounts'), 200);
      await other.query('begin');
      await other.query(
        `insert into tokens (id, organization_id, service_account_id, slug, name, created_at, created_by_id)
         values (gen_random_uuid(), $1, $2, 'written-elsewhere', 'Elsewhere', now(), 'another process')`,
        [organization, id],
      );
      await holder.query('commit');
      expectStatus(await first, 201);
      await untilSomebodyWaits();
      // What comes next in the other process: the event, with the lock of the chain.
      await other.query("set local lock_timeout = '500ms'");
      await other.query('select from audit_chains where organization_id = $1 for update', [organization]);
      await other.query('rollback');
      for (const answer of await Promise.all(together)) expectStatus(answer, 201);
    } finally {
      holder.release(true);
      other.release(true);
    }
  });
});

/** Until so many sessions of this database wait for a lock. */
async function untilSomebodyWaits(sessions = 1, where = keyward): Promise<void> {
  await eventually(5_000, async () => {
    const waiting = await where.sql(
      "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
    );
    return waiting.length >= sessions;
  });
}

describe('the queue of an organization', () => {
  let small: Keyward;
  beforeAll(async () => {
    small = await startKeyward({ env: { ISSUE_BATCH_MAX: '2', ISSUE_QUEUE_MAX: '3' } });
  });
  afterAll(() => small?.close());

  it('has a bound: who comes beyond it is told to try again, and all others are answered', async () => {
    const person = await signInOwner(small);
    const { slug } = await createAccount(person);
    const { id } = expectStatus(await person.get<{ id: string }>('/organization'), 200);
    const session = openPool(small.databaseUrl);
    const client = await session.connect();
    try {
      await client.query('begin');
      await client.query('select from audit_chains where organization_id = $1 for update', [id]);
      const first = issue(person, slug, { name: 'First' });
      await untilSomebodyWaits(1, small);
      const refusals: Answer[] = [];
      const later = Array.from({ length: 6 }, async (_, index) => {
        const answer = await issue(person, slug, { name: `Later ${index}` });
        if (answer.status !== 201) refusals.push(answer);
        return answer.status;
      });
      await eventually(5_000, () => refusals.length === 3);
      for (const answer of refusals) expectProblem(answer, 503, 'service.unavailable');
      await client.query('commit');
      expectStatus(await first, 201);
      expect((await Promise.all(later)).filter((status) => status === 201)).toHaveLength(3);
    } finally {
      client.release(true);
      await session.end();
    }
  });
});

describe('a token whose owner goes while it is being issued', () => {
  /** Makes a change by SQL that is committed only when what was asked meanwhile waits for it. */
  async function whileWaiting<T>(asked: () => Promise<T>, change: string, parameters: unknown[]): Promise<T> {
    const session = await pool.connect();
    try {
      await session.query('begin');
      await session.query(change, parameters);
      const answer = asked();
      await untilSomebodyWaits();
      await session.query('commit');
      return await answer;
    } finally {
      session.release(true);
    }
  }

  it('is not issued for an account that has been deleted by then', async () => {
    const { slug, id } = await createAccount(owner);
    const change = 'update service_accounts set deleted_at = now() where id = $1';
    const answer = await whileWaiting(() => issue(owner, slug, { name: 'Late' }), change, [id]);
    expectProblem(answer, 404, 'service_account.not_found');
    expect(await keyward.sql('select id from tokens where owner_id = $1', [id])).toEqual([]);
  });

  it('is not issued for a person who has been removed by then', async () => {
    const tokensOfPerson = '/user/tokens';
    const change = 'update memberships set removed_at = now() where organization_id = $1';
    const answer = await whileWaiting(
      () => owner.post<IssuedToken>(tokensOfPerson, { body: { name: 'Late', scopes: ['orders:read'] } }),
      change,
      [await organizationId()],
    );
    expectProblem(answer, 404, 'member.not_found');
    expect(await keyward.sql("select id from tokens where name = 'Late' and user_id is not null")).toEqual([]);
  });
});

describe('deleting an account', () => {
  it('waits for the tokens that are being issued for it, and revokes them', async () => {
    const { slug, id } = await createAccount(owner);
    const organization = await organizationId();
    const session = await pool.connect();
    try {
      await session.query('begin');
      await session.query('select from audit_chains where organization_id = $1 for update', [organization]);
      const issued = issue(owner, slug, { name: 'Early' });
      await untilSomebodyWaits();
      const deletion = owner.delete(`/service-accounts/${slug}`);
      await untilSomebodyWaits(2);
      await session.query('commit');
      expectStatus(await issued, 201);
      expectStatus(await deletion, 204);
      const live = await keyward.sql('select id from tokens where owner_id = $1 and revoked_at is null', [id]);
      expect(live).toEqual([]);
    } finally {
      session.release(true);
    }
  });

  it('and revoking its tokens at the same time hold each other up no longer than it takes', async () => {
    for (let round = 0; round < 3; round++) {
      const { slug } = await createAccount(owner, { name: unique('Account') });
      const path = `/service-accounts/${slug}/tokens`;
      const names = Array.from({ length: 8 }, (_, index) => `token-${index}`);
      await Promise.all(names.map((name) => issue(owner, slug, { name, slug: name })));
      const answers = await Promise.all([
        ...names.slice(0, 4).map((name) => owner.delete(`${path}/${name}`)),
        owner.delete(`/service-accounts/${slug}`),
        ...names.slice(4).map((name) => owner.delete(`${path}/${name}`)),
        ...names.map((name) => issue(owner, slug, { name: `New ${name}` })),
      ]);
      expect(new Set(answers.map(({ status }) => status))).not.toContain(503);
      for (const { status } of answers) expect([201, 204, 404]).toContain(status);
      const live =
        'select t.id from tokens t join service_accounts a on a.id = t.owner_id where a.slug = $1 and t.revoked_at is null';
      expect(await keyward.sql(live, [slug])).toEqual([]);
    }
  });
});

describe('an expiry', () => {
  it('is in a year of four digits, in UTC too', async () => {
    const { slug } = await createAccount(owner);
    const last = await issue(owner, slug, { name: 'Last', expiresAt: '9999-12-31T23:59:59.999Z' });
    expect(expectStatus(last, 201)).toMatchObject({ status: 'active', expiresAt: '9999-12-31T23:59:59.999Z' });
    const beyond = await issue(owner, slug, { name: 'Beyond', expiresAt: '9999-12-31T23:30:00-01:00' });
    expectInvalid(beyond, 'body.expiresAt');
  });
});
