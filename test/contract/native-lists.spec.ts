import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import type { Page } from '../support/wire.js';

interface Row {
  readonly id: string;
  readonly createdAt: string;
}

/** One list of the dialect, on an organization of its own, with the way to add a row to it. */
interface List {
  readonly owner: Person;
  readonly path: string;
  add(): Promise<Row>;
}

let keyward: Keyward;

beforeAll(async () => {
  keyward = await startKeyward();
});
afterAll(() => keyward?.close());

const LISTS: [string, 'service_accounts' | 'tokens', () => Promise<List>][] = [
  [
    'the list of accounts',
    'service_accounts',
    async () => {
      const owner = await signInOwner(keyward);
      return { owner, path: '/service-accounts', add: () => createAccount(owner) };
    },
  ],
  [
    'the list of tokens',
    'tokens',
    async () => {
      const owner = await signInOwner(keyward);
      const { slug } = await createAccount(owner);
      return { owner, path: `/service-accounts/${slug}/tokens`, add: () => issueToken(owner, slug) };
    },
  ],
];

/** Rows by the hundred, which would take the API seconds to make; each copy is a millisecond newer than the one before. */
const COPY_204_TIMES = {
  service_accounts: `
    insert into service_accounts (id, organization_id, slug, external_id, name, created_at, created_by_id)
    select gen_random_uuid(), organization_id, slug || n, 'ksa_' || md5(id::text || n), name,
           created_at + n * interval '1 millisecond', created_by_id
    from service_accounts, generate_series(1, 204) n where id = $1 order by n returning id`,
  tokens: `
    insert into tokens (id, organization_id, service_account_id, slug, name, scopes, created_at, created_by_id)
    select gen_random_uuid(), organization_id, service_account_id, slug || n, name || n, scopes,
           created_at + n * interval '1 millisecond', created_by_id
    from tokens, generate_series(1, 204) n where id = $1 order by n returning id`,
} as const;

async function fill(list: List, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let row = 0; row < count; row += 1) ids.unshift((await list.add()).id);
  return ids;
}

async function getPage(list: List, query: string): Promise<Page<Row>> {
  return expectStatus(await list.owner.get<Page<Row>>(`${list.path}?${query}`), 200);
}

/** Follows the cursors to the end. */
async function walk(
  list: List,
  limit: number,
  betweenPages: () => Promise<unknown> = async () => undefined,
): Promise<string[]> {
  const ids: string[] = [];
  let query = `limit=${limit}`;
  for (let pages = 0; pages < 100; pages += 1) {
    const page = await getPage(list, query);
    ids.push(...page.items.map((row) => row.id));
    expect(page.hasMore).toBe(page.nextCursor !== undefined);
    if (page.nextCursor === undefined) return ids;
    expect(page.items).toHaveLength(limit);
    query = `limit=${limit}&cursor=${encodeURIComponent(page.nextCursor)}`;
    await betweenPages();
  }
  throw new Error('the walk did not end');
}

describe.each(LISTS)('%s', (_name, table, makeList) => {
  let list: List;
  beforeEach(async () => {
    list = await makeList();
  });

  it('is a bare array when neither limit nor cursor is sent', async () => {
    expect((await list.owner.get(list.path)).text).toBe('[]');
    const ids = await fill(list, 3);
    const answer = await list.owner.get<Row[]>(list.path);
    expect(answer.status).toBe(200);
    expect(answer.body.map((row) => row.id)).toEqual(ids);
  });

  it('is an array of everything, also of more than the largest page', async () => {
    const original = await list.add();
    const copies = await keyward.sql<{ id: string }>(COPY_204_TIMES[table], [original.id]);
    const ids = [...copies.map((row) => row.id).reverse(), original.id];
    expect((await list.owner.get<Row[]>(list.path)).body.map((row) => row.id)).toEqual(ids);
    expect((await getPage(list, 'limit=200')).items.map((row) => row.id)).toEqual(ids.slice(0, 200));
    expect(await walk(list, 100)).toEqual(ids);
  });

  it('is a page when limit is sent', async () => {
    expect(await getPage(list, 'limit=2')).toEqual({ items: [], hasMore: false });
    const ids = await fill(list, 3);
    const page = await getPage(list, 'limit=2');
    expect(page).toEqual({ items: expect.any(Array), nextCursor: expect.any(String), hasMore: true });
    expect(page.items.map((row) => row.id)).toEqual(ids.slice(0, 2));
    const bare = (await list.owner.get<Row[]>(list.path)).body;
    expect(page.items).toEqual(bare.slice(0, 2));
  });

  it('is a page when only a cursor is sent', async () => {
    const ids = await fill(list, 3);
    const { nextCursor = '' } = await getPage(list, 'limit=1');
    const page = await getPage(list, `cursor=${encodeURIComponent(nextCursor)}`);
    expect(page).toEqual({ items: expect.any(Array), hasMore: false });
    expect(page.items.map((row) => row.id)).toEqual(ids.slice(1));
  });

  it('ends without a cursor when the rows fill the last page exactly', async () => {
    const ids = await fill(list, 4);
    const { nextCursor = '' } = await getPage(list, 'limit=2');
    const last = await getPage(list, `limit=2&cursor=${encodeURIComponent(nextCursor)}`);
    expect(last).toEqual({ items: expect.any(Array), hasMore: false });
    expect(last.items.map((row) => row.id)).toEqual(ids.slice(2));
  });

  it('meets every row exactly once, newest first', async () => {
    const ids = await fill(list, 7);
    expect(await walk(list, 2)).toEqual(ids);
    expect(await walk(list, 200)).toEqual(ids);
  });

  it('meets every row exactly once while rows are being added', async () => {
    const ids = await fill(list, 8);
    const additions: Promise<Row>[] = [list.add(), list.add()];
    const met = await walk(list, 2, async () => {
      additions.push(list.add(), list.add());
      await additions[0];
    });
    await Promise.all(additions);
    expect(met.filter((id) => ids.includes(id))).toEqual(ids);
    expect(new Set(met).size).toBe(met.length);
    expect(await walk(list, 3)).toHaveLength(8 + additions.length);
  });

  it('meets every row exactly once when all were made in the same instant', async () => {
    const ids = await fill(list, 7);
    await keyward.sql(`update ${table} set created_at = '2026-01-01T00:00:00Z' where id = any($1)`, [ids]);
    const expected = [...ids].sort().reverse();
    expect(await walk(list, 2)).toEqual(expected);
    expect((await list.owner.get<Row[]>(list.path)).body.map((row) => row.id)).toEqual(expected);
  });

  it.each(['1', '2', '200'])('takes a limit of %s', async (limit) => {
    expect(await getPage(list, `limit=${limit}`)).toEqual({ items: [], hasMore: false });
  });

  it.each(['0', '201', '-1', 'abc', '1.5', '1e2', '', '%202', '0x10', '99999999999999999999', '2&limit=3'])(
    'refuses a limit of %s with 422 at query.limit',
    async (limit) => {
      const problem = expectInvalid(await list.owner.get(`${list.path}?limit=${limit}`), 'query.limit');
      if (/^\w+$/.test(limit)) expect(String(problem.errors?.[0]?.value)).toBe(limit);
    },
  );

  it.each([
    ['empty', ''],
    ['a word', 'abc'],
    ['a number', '2'],
    ['base64 of something else', Buffer.from('{"id":1}').toString('base64url')],
    ['random bytes', 'AAECAwQFBgcICQoLDA0ODw'],
    ['no text', '%00'],
    ['very long', 'A'.repeat(4_000)],
  ])('refuses a cursor that is %s with 400', async (_what, cursor) => {
    expectProblem(await list.owner.get(`${list.path}?cursor=${cursor}`), 400, 'request.invalid_cursor');
    expectProblem(await list.owner.get(`${list.path}?limit=2&cursor=${cursor}`), 400, 'request.invalid_cursor');
  });

  it('refuses a cursor of its own that was changed, or is of another list', async () => {
    await fill(list, 2);
    const { nextCursor = '' } = await getPage(list, 'limit=1');
    const others = await Promise.all(LISTS.filter(([, other]) => other !== table).map(([, , make]) => make()));
    for (const other of others) {
      expectProblem(await other.owner.get(`${other.path}?cursor=${nextCursor}`), 400, 'request.invalid_cursor');
    }
    for (const changed of [`${nextCursor}x`, nextCursor.slice(0, -2), `x${nextCursor}`, `${nextCursor}=`]) {
      const answer = await list.owner.get(`${list.path}?cursor=${encodeURIComponent(changed)}`);
      expectProblem(answer, 400, 'request.invalid_cursor');
    }
  });

  it('shows nothing of another organization', async () => {
    const [mine] = await fill(list, 1);
    const theirs = await makeList();
    await fill(theirs, 2);
    expect((await list.owner.get<Row[]>(list.path)).body.map((row) => row.id)).toEqual([mine]);
    expect(await walk(list, 2)).toEqual([mine]);
  });
});

it('keeps revoked and expired tokens listed, as metadata only', async () => {
  const owner = await signInOwner(keyward);
  const { slug } = await createAccount(owner);
  const revoked = await issueToken(owner, slug, { name: 'revoked' });
  const expired = await issueToken(owner, slug, { name: 'expired' });
  const live = await issueToken(owner, slug, { name: unique('live') });
  expectStatus(await owner.delete(`/service-accounts/${slug}/tokens/revoked`), 204);
  await keyward.sql("update tokens set expires_at = '2026-01-01T00:00:00Z' where id = $1", [expired.id]);
  for (const [query, rows] of [
    ['', (body: unknown) => body as Row[]],
    ['?limit=5', (body: unknown) => (body as Page<Row>).items],
  ] as const) {
    const answer = await owner.get(`/service-accounts/${slug}/tokens${query}`);
    expect(rows(answer.body).map((row) => row.id)).toEqual([live.id, expired.id, revoked.id]);
    expect(answer.text).not.toMatch(/"token"\s*:|kws_/);
  }
});
