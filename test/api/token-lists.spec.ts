import type { Config } from '../../src/config/config.js';
import { isGoodAt, KeptLists } from '../../src/tokens/kept-lists.js';
import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { createDatabase, dropDatabase } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { readMetrics, valueOf } from '../support/metrics.js';
import type { IssuedToken, Page, Token } from '../support/wire.js';

/** Room for some small lists, and for no more. */
const BYTES_MAX = 65_536;

let databaseUrl: string;
/** Keeps the lists that it has answered. */
let keeping: Keyward;
/** Keeps none, over the same database: what it answers is what there is. */
let forgetful: Keyward;
let owner: Person;
beforeAll(async () => {
  databaseUrl = await createDatabase();
  keeping = await startKeyward({ databaseUrl, env: { LIST_CACHE_BYTES_MAX: String(BYTES_MAX) } });
  forgetful = await startKeyward({ databaseUrl, env: { LIST_CACHE_BYTES_MAX: '0' } });
});
beforeEach(async () => {
  owner = await signInOwner(keeping);
});
afterAll(async () => {
  await keeping?.close();
  await forgetful?.close();
  await dropDatabase(databaseUrl);
});

/** The same person at the instance that keeps no lists. */
function elsewhere(person: Person): Client {
  return new Client(forgetful.url, person.token);
}

async function listsGivenAgain(of = keeping): Promise<number> {
  return valueOf(await readMetrics(of.url), 'keyward_token_lists_total', { result: 'hit' });
}

/** Reads the list until it is given as it was kept, and answers it. */
async function readKept(path: string): Promise<string> {
  for (let count = 0; count < 2; count++) await owner.get(path);
  const before = await listsGivenAgain();
  const { text } = await owner.get(path);
  expect(await listsGivenAgain()).toBe(before + 1);
  return text;
}

describe('a list', () => {
  it('shows each token letter for letter as it is shown alone', async () => {
    const { slug } = await createAccount(owner);
    const path = `/service-accounts/${slug}/tokens`;
    const drafts = [
      { name: 'Quote " and \\ backslash' },
      { name: 'Ünïcödé 名前 😀 </script>' },
      { name: 'With everything', annotations: { team: 'a "b"', emoji: '😀\\' }, rateLimit: 60 },
      { name: 'From somewhere', authorizedIpAddresses: ['192.0.2.7', '10.0.0.0/8', '2001:db8::/32', '::1'] },
      { name: 'For a while', expiresAt: new Date(Date.now() + 3_600_000).toISOString() },
      { name: 'Without a fraction', expiresAt: `${new Date().getFullYear() + 1}-01-31T12:00:00.000Z` },
      { name: 'Far away', expiresAt: '9999-12-31T23:59:59.990Z' },
      { name: 'Nothing allowed', scopes: [] },
      { name: 'In many words', annotations: { zz: '1', b: '2', aa: '3', a: '4' } },
      { name: 'Gone' },
      { name: 'Over' },
      { name: 'Used' },
    ];
    const issued: IssuedToken[] = [];
    for (const draft of drafts)
      issued.push(
        expectStatus(await owner.post<IssuedToken>(path, { body: { scopes: ['orders:read'], ...draft } }), 201),
      );
    expectStatus(await owner.delete(`${path}/gone`), 204);
    const [account] = await keeping.sql<{ id: string }>('select owner_id as id from tokens where slug = $1', [
      'with-everything',
    ]);
    const change = (set: string, name: string, ...values: unknown[]): Promise<unknown> =>
      keeping.sql(`update tokens set ${set} where owner_id = $1 and name = $2`, [account?.id, name, ...values]);
    await change("expires_at = now() - interval '1 hour'", 'Over');
    await change(
      'last_used_at = $3, last_used_ip = $4, last_used_user_agent = $5',
      'Used',
      '2026-01-31T12:00:00.5Z',
      '2001:db8::7',
      'agent "x" \\ \u001f\u001e\t€',
    );
    await change('created_by_name = \'A "quoted" \\ name\'', 'Nothing allowed');

    const list = await owner.get<(Token & { status: string })[]>(path);
    expect(expectStatus(list, 200)).toHaveLength(drafts.length);
    const alone = await Promise.all(list.body.map(({ slug: own }) => owner.get(`${path}/${own}`)));
    expect(list.text).toBe(`[${alone.map(({ text }) => text).join(',')}]`);
    const annotationsOf = (tokens: readonly Token[]): string[] =>
      tokens.map(({ annotations }) => JSON.stringify(annotations));
    expect(annotationsOf(issued.reverse())).toEqual(annotationsOf(list.body));
    const first = await owner.get<Page<Token>>(`${path}?limit=6`);
    const second = first.body.nextCursor ?? '';
    expect(first.text).toBe(
      `{"items":[${alone
        .slice(0, 6)
        .map(({ text }) => text)
        .join(',')}],"nextCursor":"${second}","hasMore":true}`,
    );
    const last = await owner.get(`${path}?limit=6&cursor=${second}`);
    expect(last.text).toBe(
      `{"items":[${alone
        .slice(6)
        .map(({ text }) => text)
        .join(',')}],"hasMore":false}`,
    );
    expect(list.body.map(({ name, status }) => [name, status])).toEqual(
      [...drafts]
        .reverse()
        .map(({ name }) => [name, name === 'Gone' ? 'revoked' : name === 'Over' ? 'expired' : 'active']),
    );
  });
});

describe('a list that is kept', () => {
  it('says what has changed, whatever has changed and wherever', async () => {
    const { slug } = await createAccount(owner, { name: unique('Watched') });
    const path = `/service-accounts/${slug}/tokens`;
    const create = (name: string): Promise<unknown> => issueToken(owner, slug, { name, scopes: ['orders:read'] });
    await create('first');
    await create('second');
    const at = (place: Person | Client): Record<string, () => Promise<unknown>> => ({
      'a token is issued': () => place.post(path, { body: { name: unique('New'), scopes: ['orders:read'] } }),
      'a token is renamed': () => place.patch(`${path}/first`, { body: { name: unique('Name') } }),
      'annotations are set': () => place.patch(`${path}/first`, { body: { annotations: { mark: unique('a') } } }),
      'an annotation has another value': () => place.patch(`${path}/first`, { body: { annotations: { mark: 'b' } } }),
      'annotations are taken away': () => place.patch(`${path}/first`, { body: { annotations: {} } }),
      'scopes change': () => place.patch(`${path}/first`, { body: { scopes: ['orders:write', unique('s')] } }),
      'a limit is set': () => place.patch(`${path}/first`, { body: { rateLimit: 1 + (Date.now() % 10_000) } }),
    });
    const changes = [
      ...Object.entries(at(owner)),
      ...Object.entries(at(elsewhere(owner))),
      [
        'a token is used',
        async () => {
          const { token } = await issueToken(owner, slug, { name: unique('Used'), scopes: ['api_tokens:read'] });
          await readKept(path);
          await owner.holding(token).get(path);
          await eventually(10_000, async () => (await elsewhere(owner).get(path)).text.includes('lastUsedAt'));
        },
      ],
      ['a token is revoked', () => owner.delete(`${path}/second`)],
    ] as const;
    for (const [what, change] of changes) {
      await readKept(path);
      const before = (await elsewhere(owner).get(path)).text;
      await change();
      const after = (await elsewhere(owner).get(path)).text;
      expect([what, after === before]).toEqual([what, false]);
      expect([what, (await owner.get(path)).text]).toEqual([what, after]);
    }
  });

  it('says that a token has expired when it has, though no row has changed', async () => {
    const { slug } = await createAccount(owner, { name: unique('Expiring') });
    const path = `/service-accounts/${slug}/tokens`;
    for (const name of ['later', 'soon'])
      await issueToken(owner, slug, { name, expiresAt: new Date(Date.now() + 3_600_000).toISOString() });
    await keeping.sql("update tokens set expires_at = now() + interval '2 seconds' where name = 'soon'");
    const statuses = async (): Promise<string[]> =>
      expectStatus(await owner.get<(Token & { status: string })[]>(path), 200).map(({ status }) => status);
    expect(JSON.parse(await readKept(path))).toMatchObject([{ status: 'active' }, { status: 'active' }]);
    await eventually(5_000, async () => (await statuses())[0] === 'expired');
    expect(await statuses()).toEqual(['expired', 'active']);
    expect(JSON.parse(await readKept(path))).toMatchObject([{ status: 'expired' }, { status: 'active' }]);
  });

  it('says what the role of the owner allows now, for tokens that state no scopes', async () => {
    expectStatus(await owner.post('/organization/roles', { body: { name: 'Clerk', scopes: ['orders:read'] } }), 201);
    const { slug } = await createAccount(owner, { name: unique('Clerk'), role: 'clerk' });
    const path = `/service-accounts/${slug}/tokens`;
    await issueToken(owner, slug, { name: 'of the role' });
    await keeping.sql('update tokens set scopes = null where name = $1', ['of the role']);
    expect(JSON.parse(await readKept(path))).toMatchObject([{ scopes: ['orders:read'] }]);
    expectStatus(
      await owner.put('/organization/roles/clerk', { body: { name: 'Clerk', scopes: ['orders:write'] } }),
      200,
    );
    expect(expectStatus(await owner.get<Token[]>(path), 200)).toMatchObject([{ scopes: ['orders:write'] }]);
  });

  it('is that of its own page', async () => {
    const { slug } = await createAccount(owner, { name: unique('Paged') });
    const path = `/service-accounts/${slug}/tokens`;
    for (const name of ['a', 'b', 'c']) await issueToken(owner, slug, { name });
    const namesOf = async (query: string): Promise<string[]> => {
      const page = JSON.parse(await readKept(`${path}?${query}`)) as Page<Token>;
      return page.items.map(({ name }) => name);
    };
    const cursor = (await owner.get<Page<Token>>(`${path}?limit=1`)).body.nextCursor ?? '';
    expect(await namesOf('limit=1')).toEqual(['c']);
    expect(await namesOf('limit=2')).toEqual(['c', 'b']);
    expect(await namesOf(`limit=1&cursor=${cursor}`)).toEqual(['b']);
    expect(await namesOf('limit=1')).toEqual(['c']);
    expect(JSON.parse(await readKept(path))).toHaveLength(3);
    const before = await listsGivenAgain();
    await issueToken(owner, slug, { name: 'd' }); // the first page has no more of it than that there is more
    expect(expectStatus(await owner.get<Page<Token>>(`${path}?limit=1&cursor=${cursor}`), 200).items[0]?.name).toBe(
      'b',
    );
    expect(await listsGivenAgain()).toBe(before + 1);
  });

  it('is of one organization and of one account, whatever they are called', async () => {
    const other = await signInOwner(keeping);
    for (const person of [owner, other]) {
      await createAccount(person, { name: 'Same', slug: 'same' });
      await issueToken(person, 'same', { name: `of ${person === owner ? 'one' : 'the other'}` });
    }
    const path = '/service-accounts/same/tokens';
    expect(JSON.parse(await readKept(path))).toMatchObject([{ name: 'of one' }]);
    expect(expectStatus(await other.get<Token[]>(path), 200)).toMatchObject([{ name: 'of the other' }]);
    expectStatus(await owner.delete('/service-accounts/same'), 204);
    expectStatus(await owner.get(path), 404);
    await createAccount(owner, { name: 'Same', slug: 'same' });
    expect(expectStatus(await owner.get<Token[]>(path), 200)).toEqual([]);
  });
});

describe('kept lists', () => {
  it('give way to others when there is no more room', async () => {
    const paths: string[] = [];
    for (let count = 0; count < 50; count++) {
      const { slug } = await createAccount(owner, { name: unique('Many') });
      for (const name of ['a', 'b', 'c']) await issueToken(owner, slug, { name });
      paths.push(`/service-accounts/${slug}/tokens`);
    }
    for (const path of paths) {
      const text = await readKept(path);
      expect(text).toBe((await elsewhere(owner).get(path)).text);
      expect(valueOf(await readMetrics(keeping.url), 'keyward_kept_list_bytes')).toBeLessThanOrEqual(BYTES_MAX);
    }
    const last = await listsGivenAgain();
    await owner.get(paths.at(-1) ?? '');
    expect(await listsGivenAgain()).toBe(last + 1);
    await owner.get(paths[0] ?? '');
    expect(await listsGivenAgain()).toBe(last + 1);
  });

  it('are kept when they are asked for again, in memory of their own, and the one used last goes last', () => {
    const lists = new KeptLists({ settings: { LIST_CACHE_BYTES_MAX: 80_000 } } as unknown as Config);
    const origin = { fingerprint: 'same', shownOf: '', madeAt: '2030', changesAt: undefined };
    const askTwice = (key: string, json: string): void => {
      for (let count = 0; count < 2; count++) lists.keep(key, origin, json);
    };
    const small = '"é'.repeat(1_000);
    lists.keep('a', origin, small);
    expect(lists.get('a')).toBeUndefined();
    lists.keep('a', { ...origin, fingerprint: 'another' }, small);
    expect(lists.get('a')).toBeUndefined();
    askTwice('a', small);
    expect(lists.get('a')?.json.toString()).toBe(small);
    expect(lists.get('a')?.json.buffer.byteLength).toBe(3_000);
    for (let count = 0; count < 100; count++) {
      askTwice(`other ${count}`, small);
      expect(lists.get('a')).toBeDefined();
      expect(lists.bytes).toBeLessThanOrEqual(80_000);
    }
    expect(lists.get('other 0')).toBeUndefined();
    expect(lists.get('other 99')).toBeDefined();
    askTwice('large', 'x'.repeat(20_000)); // would take the place of many others
    expect(lists.get('large')).toBeUndefined();
    expect(lists.get('other 99')).toBeDefined();
  });

  it('are good from when they were made, and until a token in them expires', () => {
    const list = { fingerprint: '', shownOf: '', madeAt: '2030-01-02', changesAt: '2030-01-04' };
    const good = ['2030-01-01', '2030-01-02', '2030-01-03', '2030-01-04'].map((now) => isGoodAt(list, now));
    expect(good).toEqual([false, true, true, false]);
    expect(isGoodAt({ ...list, changesAt: undefined }, '2031-01-01')).toBe(true);
  });

  it('are none where none are wanted', async () => {
    const { slug } = await createAccount(owner, { name: unique('Unkept') });
    await issueToken(owner, slug, { name: 'a' });
    for (let count = 0; count < 3; count++)
      expectStatus(await elsewhere(owner).get(`/service-accounts/${slug}/tokens`), 200);
    expect(await listsGivenAgain(forgetful)).toBe(0);
    expect(valueOf(await readMetrics(forgetful.url), 'keyward_kept_list_bytes')).toBe(0);
  });
});
