import { createAccount, expectStatus, issueToken, Person, signInOwner, unique } from '../support/callers.js';
import type { Answer } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import { type IssuedToken, type Page, type ServiceAccount, SLUG, type Token } from '../support/wire.js';

interface Member {
  readonly id: string;
  readonly subject: string;
  readonly role: string;
}

const CALLERS = 50;

let keyward: Keyward;
let owner: Person;

beforeAll(async () => {
  keyward = await startKeyward();
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  owner = await signInOwner(keyward);
});

function atOnce<T>(count: number, request: (index: number) => Promise<Answer<T>>): Promise<Answer<T>[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => request(index)));
}

function statuses(answers: readonly Answer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

function expectConflicts(answers: readonly Answer[], code: string): void {
  for (const answer of answers) if (answer.status === 409) expectProblem(answer, 409, code);
}

describe(`${CALLERS} creations at once`, () => {
  it('of accounts with the same slug make exactly one', async () => {
    const answers = await atOnce(CALLERS, (index) =>
      owner.post('/service-accounts', { body: { name: `Racer ${index}`, slug: 'racer' } }),
    );
    expect(statuses(answers)).toEqual({ 201: 1, 409: CALLERS - 1 });
    expectConflicts(answers, 'service_account.slug_taken');
    expect((await owner.get<ServiceAccount[]>('/service-accounts')).body).toHaveLength(1);
  });

  it('of accounts with the same name make all of them, each with a slug of its own', async () => {
    const answers = await atOnce(CALLERS, () =>
      owner.post<ServiceAccount>('/service-accounts', { body: { name: 'Racer' } }),
    );
    expect(statuses(answers)).toEqual({ 201: CALLERS });
    const slugs = answers.map((answer) => answer.body.slug);
    expect(new Set(slugs).size).toBe(CALLERS);
    expect(slugs.filter((slug) => slug === 'racer')).toHaveLength(1);
    for (const slug of slugs) expect(slug).toMatch(SLUG);
  });

  it('of tokens with the same name make exactly one', async () => {
    const { slug } = await createAccount(owner);
    const path = `/service-accounts/${slug}/tokens`;
    const answers = await atOnce(CALLERS, () => owner.post(path, { body: { name: 'Racer', scopes: ['orders'] } }));
    expect(statuses(answers)).toEqual({ 201: 1, 409: CALLERS - 1 });
    expectConflicts(answers, 'token.name_taken');
    expect((await owner.get<Token[]>(path)).body).toHaveLength(1);
  });

  it('of tokens with the same slug make exactly one', async () => {
    const { slug } = await createAccount(owner);
    const answers = await atOnce(CALLERS, (index) =>
      owner.post(`/service-accounts/${slug}/tokens`, {
        body: { name: `Racer ${index}`, slug: 'racer', scopes: ['orders'] },
      }),
    );
    expect(statuses(answers)).toEqual({ 201: 1, 409: CALLERS - 1 });
    expectConflicts(answers, 'token.slug_taken');
  });

  it('of tokens whose names have the same automatic slug make all of them', async () => {
    const { slug } = await createAccount(owner);
    const answers = await atOnce(CALLERS, (index) =>
      owner.post<IssuedToken>(`/service-accounts/${slug}/tokens`, {
        body: { name: `Racer${'!'.repeat(index)}`, scopes: ['orders'] },
      }),
    );
    expect(statuses(answers)).toEqual({ 201: CALLERS });
    expect(new Set(answers.map((answer) => answer.body.slug)).size).toBe(CALLERS);
    expect(new Set(answers.map((answer) => answer.body.token)).size).toBe(CALLERS);
  });

  it('with the same Idempotency-Key make exactly one', async () => {
    const headers = { 'idempotency-key': unique('key') };
    const answers = await atOnce(CALLERS, () =>
      owner.post<ServiceAccount>('/service-accounts', { body: { name: 'Racer' }, headers }),
    );
    expect(statuses(answers)).toEqual({ 201: CALLERS });
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get('idempotency-replayed') !== 'true')).toHaveLength(1);
    expect((await owner.get<ServiceAccount[]>('/service-accounts')).body).toHaveLength(1);
  });
});

describe('changes at once', () => {
  it('revoke a token exactly once', async () => {
    const { slug } = await createAccount(owner);
    const token = await issueToken(owner, slug);
    const answers = await atOnce(20, () => owner.delete(`/service-accounts/${slug}/tokens/${token.slug}`));
    expect(statuses(answers)).toEqual({ 204: 1, 404: 19 });
  });

  it('delete an account exactly once', async () => {
    const { slug } = await createAccount(owner);
    const answers = await atOnce(20, () => owner.delete(`/service-accounts/${slug}`));
    expect(statuses(answers)).toEqual({ 204: 1, 404: 19 });
  });

  it('rotate a token to exactly one secret that works', async () => {
    const { slug } = await createAccount(owner);
    const token = await issueToken(owner, slug, { scopes: ['service_accounts:read'] });
    const answers = await atOnce(10, () =>
      owner.post<IssuedToken>(`/service-accounts/${slug}/tokens/${token.slug}/rotate`),
    );
    expect(statuses(answers)).toEqual({ 200: 10 });
    const secrets = [token.token, ...answers.map((answer) => answer.body.token)];
    const uses = await Promise.all(secrets.map((secret) => owner.holding(secret).get('/service-accounts')));
    expect(statuses(uses)).toEqual({ 200: 1, 401: 10 });
  });

  it('leave no token alive that was issued while its account was deleted', async () => {
    const { slug } = await createAccount(owner);
    const path = `/service-accounts/${slug}/tokens`;
    const issues = atOnce(20, (index) =>
      owner.post<IssuedToken>(path, { body: { name: `Racer ${index}`, scopes: ['service_accounts:read'] } }),
    );
    const deletion = owner.delete(`/service-accounts/${slug}`);
    const answers = await issues;
    expectStatus(await deletion, 204);
    expect(answers.every(({ status }) => status === 201 || status === 404)).toBe(true);
    const issued = answers.filter(({ status }) => status === 201);
    const uses = await Promise.all(issued.map(({ body }) => owner.holding(body.token).get('/service-accounts')));
    expect(statuses(uses)).toEqual(issued.length > 0 ? { 401: issued.length } : {});
  });

  it('leave an organization an owner when its owners remove each other', async () => {
    const body = { subject: unique('partner'), role: 'owner' };
    const second = expectStatus(await owner.post<Member>('/organization/members', { body }), 201);
    const partner = await owner.colleague({ sub: second.subject });
    const everybody = '/organization/members?limit=200';
    const members = expectStatus(await partner.get<Page<Member>>(everybody), 200).items;
    const first = members.find(({ subject }) => subject === owner.claims.sub) as Member;
    const answers = await Promise.all([
      owner.put(`/organization/members/${second.id}`, { body: { role: 'viewer' } }),
      partner.put(`/organization/members/${first.id}`, { body: { role: 'viewer' } }),
    ]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const remaining = expectStatus(await owner.get<Page<Member>>(everybody), 200).items;
    expect(remaining.map(({ role }) => role).sort()).toEqual(['owner', 'viewer']);
  });
});

describe('the first requests of an organization at once', () => {
  it('make one organization with one member when they are of one person', async () => {
    const person = await Person.signIn(keyward.url, { org: unique('new'), sub: unique('first') });
    expect(statuses(await atOnce(20, () => person.get('/service-accounts')))).toEqual({ 200: 20 });
    expect((await person.get<Page<unknown>>('/organization/members?limit=200')).body.items).toHaveLength(1);
  });

  it('make exactly one owner when they are of many people', async () => {
    const org = unique('new');
    const people = await Promise.all(
      Array.from({ length: 20 }, (_, index) => Person.signIn(keyward.url, { org, sub: `person-${index}` })),
    );
    const answers = await Promise.all(people.map((person) => person.get('/service-accounts')));
    expect(statuses(answers)).toEqual({ 200: 20 });
    const { body } = await (people[0] as Person).get<Page<{ role: string }>>('/organization/members?limit=200');
    expect(body.items.map(({ role }) => role).filter((role) => role === 'owner')).toHaveLength(1);
    expect(body.items).toHaveLength(20);
  });
});
