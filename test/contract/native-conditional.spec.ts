import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import type { IssuedToken, ServiceAccount, Token } from '../support/wire.js';

let keyward: Keyward;
let owner: Person;

beforeAll(async () => {
  keyward = await startKeyward();
  owner = await signInOwner(keyward);
});
afterAll(() => keyward?.close());

async function etagOf(path: string): Promise<string> {
  const answer = await owner.get(path);
  expectStatus(answer, 200);
  const etag = answer.headers.get('etag') ?? '';
  expect(etag).toMatch(/^(W\/)?"[\x21\x23-\x7e]+"$/);
  return etag;
}

/** Something that has an ETag, and a change of it. */
type Resource = () => Promise<{ path: string; method: string; body: object }>;

const RESOURCES: [string, Resource][] = [
  [
    'an account',
    async () => {
      const { slug } = await createAccount(owner);
      return { path: `/service-accounts/${slug}`, method: 'PUT', body: { name: 'Changed' } };
    },
  ],
  [
    'a token',
    async () => {
      const { slug } = await createAccount(owner);
      const token = await issueToken(owner, slug);
      return { path: `/service-accounts/${slug}/tokens/${token.slug}`, method: 'PATCH', body: { name: 'Changed' } };
    },
  ],
  [
    'a role',
    async () => {
      const role = { name: 'Role', slug: unique('role'), scopes: ['orders'] };
      expectStatus(await owner.post('/organization/roles', { body: role }), 201);
      return { path: `/organization/roles/${role.slug}`, method: 'PUT', body: { name: 'Changed', scopes: ['orders'] } };
    },
  ],
  ['the organization', async () => ({ path: '/organization', method: 'PATCH', body: { name: unique('Changed') } })],
];

describe.each(RESOURCES)('the ETag of %s', (_name, make) => {
  it('changes with it and with nothing else', async () => {
    const { path, method, body } = await make();
    const first = await etagOf(path);
    expect(await etagOf(path)).toBe(first);
    expect((await owner.request(method, path, { body })).status).toBeLessThan(300);
    expect(await etagOf(path)).not.toBe(first);
  });

  it('lets a change through in If-Match while it is the current one, and refuses it with 412 afterwards', async () => {
    const { path, method, body } = await make();
    const headers = { 'if-match': await etagOf(path) };
    expect((await owner.request(method, path, { body, headers })).status).toBeLessThan(300);
    const before = (await owner.get(path)).body;
    const late = await owner.request(method, path, { body: { ...body, name: 'Too late' }, headers });
    expectProblem(late, 412, 'request.precondition_failed');
    expect((await owner.get(path)).body).toEqual(before);
    expectProblem(
      await owner.request(method, path, { body, headers: { 'if-match': '"made-up"' } }),
      412,
      'request.precondition_failed',
    );
    expect((await owner.request(method, path, { body, headers: { 'if-match': '*' } })).status).toBeLessThan(300);
  });

  it('lets exactly one of several changes at once through', async () => {
    const { path, method, body } = await make();
    const headers = { 'if-match': await etagOf(path) };
    const answers = await Promise.all(Array.from({ length: 10 }, () => owner.request(method, path, { body, headers })));
    expect(answers.filter((answer) => answer.status < 300)).toHaveLength(1);
    expect(answers.filter((answer) => answer.status === 412)).toHaveLength(9);
  });
});

it('guards a deletion by If-Match, too', async () => {
  for (const [, make] of RESOURCES.slice(0, 3)) {
    const { path, method, body } = await make();
    const outdated = { 'if-match': await etagOf(path) };
    expect((await owner.request(method, path, { body })).status).toBeLessThan(300);
    expectProblem(await owner.delete(path, { headers: outdated }), 412, 'request.precondition_failed');
    expectStatus(await owner.delete(path, { headers: { 'if-match': await etagOf(path) } }), 204);
  }
});

describe('an Idempotency-Key', () => {
  it('makes an account once, and answers the same again', async () => {
    const headers = { 'idempotency-key': unique('key') };
    const body = { name: unique('Once') };
    const first = await owner.post<ServiceAccount>('/service-accounts', { body, headers });
    const second = await owner.post<ServiceAccount>('/service-accounts', { body, headers });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toEqual(first.body);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    const listed = (await owner.get<ServiceAccount[]>('/service-accounts')).body;
    expect(listed.filter(({ name }) => name === body.name)).toHaveLength(1);
  });

  it('makes a token once, and shows its secret only the first time', async () => {
    const { slug } = await createAccount(owner);
    const headers = { 'idempotency-key': unique('key') };
    const body = { name: 'Once', scopes: ['orders:read'] };
    const path = `/service-accounts/${slug}/tokens`;
    const { token: secret, ...metadata } = expectStatus(await owner.post<IssuedToken>(path, { body, headers }), 201);
    const second = await owner.post(path, { body, headers });
    expect(second.status).toBe(201);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(second.body).toEqual(metadata);
    expect(second.text).not.toContain(secret);
    expect((await owner.get<Token[]>(path)).body).toHaveLength(1);
  });

  it('is refused with 422 for another request', async () => {
    const headers = { 'idempotency-key': unique('key') };
    const { slug } = await createAccount(owner);
    expectStatus(await owner.post('/service-accounts', { body: { name: 'Once' }, headers }), 201);
    const others = [
      await owner.post('/service-accounts', { body: { name: 'Twice' }, headers }),
      await owner.post(`/service-accounts/${slug}/tokens`, { body: { name: 'Once', scopes: ['orders'] }, headers }),
    ];
    for (const other of others) expectProblem(other, 422, 'request.idempotency_key_reused');
  });

  it('of a request that was refused can be used again', async () => {
    const headers = { 'idempotency-key': unique('key') };
    expect((await owner.post('/service-accounts', { body: { name: '' }, headers })).status).toBe(422);
    expectStatus(await owner.post('/service-accounts', { body: { name: 'Corrected' }, headers }), 201);
  });

  it('is the own one of each caller', async () => {
    const headers = { 'idempotency-key': unique('key') };
    const body = { name: 'Shared key' };
    const stranger = await signInOwner(keyward);
    const editor = await owner.colleague({ role: 'editor' });
    const ids = new Set<string>();
    for (const caller of [owner, stranger, editor]) {
      ids.add(expectStatus(await caller.post<ServiceAccount>('/service-accounts', { body, headers }), 201).id);
    }
    expect(ids.size).toBe(3);
  });

  it('is refused when it is longer than 255 characters', async () => {
    const headers = { 'idempotency-key': 'k'.repeat(256) };
    const answer = await owner.post('/service-accounts', { body: { name: 'Long key' }, headers });
    expect(expectProblem(answer, 422, 'request.invalid').errors?.[0]?.location).toBe('header.idempotency-key');
  });
});
