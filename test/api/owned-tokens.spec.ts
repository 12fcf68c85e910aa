import { expectStatus, type Person, signInOwner, unique } from '../support/callers.js';
import { Client } from '../support/http.js';
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

interface Verdict {
  readonly code: string;
  readonly scopes?: readonly string[];
  readonly serviceAccount?: unknown;
}

async function issue(by: Client, path: string, body: object = {}): Promise<IssuedToken> {
  const request = { name: unique('token'), scopes: ['orders:read'], ...body };
  return expectStatus(await by.post<IssuedToken>(path, { body: request }), 201);
}

async function verdictOn(token: string): Promise<Verdict> {
  return expectStatus(await owner.post<Verdict>('/tokens/verify', { body: { token } }), 200);
}

describe.each([
  ['/organization/tokens', 'kwo_'],
  ['/user/tokens', 'kwp_'],
])('%s', (path, prefix) => {
  it('issues a token whose form tells its kind, and which belongs to no service account', async () => {
    const issued = await issue(owner, path, { annotations: { team: 'payments' } });
    expect(issued.token).toMatch(new RegExp(`^${prefix}[0-9A-Za-z]{49}$`));
    expect(issued).not.toHaveProperty('serviceAccountId');
    expect(await verdictOn(issued.token)).toMatchObject({ code: 'VALID', scopes: ['orders:read'] });
    const accounts = expectStatus(await owner.get<ServiceAccount[]>('/service-accounts'), 200);
    expect(accounts.flatMap(({ tokens }) => tokens.map(({ id }) => id))).not.toContain(issued.id);
  });

  it('shows it without its secret, alone and in the list, and changes what is sent', async () => {
    const { token, ...shown } = await issue(owner, path);
    expect(expectStatus(await owner.get(`${path}/${shown.slug}`), 200)).toEqual(shown);
    const renamed = { ...shown, name: unique('renamed') };
    const changed = await owner.request('PATCH', `${path}/${shown.slug}`, { body: { name: renamed.name } });
    expect(expectStatus(changed, 200)).toEqual(renamed);
    const list = await owner.get<Token[]>(path);
    expect(expectStatus(list, 200)).toContainEqual(renamed);
    expect(list.text).not.toContain(token);
    expectStatus(await owner.get(`${path}?limit=1`), 200);
  });

  it('rotates its secret, and revokes it for good', async () => {
    const first = await issue(owner, path);
    const second = expectStatus(await owner.post<IssuedToken>(`${path}/${first.slug}/rotate`), 200);
    expect([(await verdictOn(first.token)).code, (await verdictOn(second.token)).code]).toEqual(['REVOKED', 'VALID']);
    expectStatus(await owner.delete(`${path}/${first.slug}`), 204);
    expect((await verdictOn(second.token)).code).toBe('REVOKED');
    expectProblem(await owner.delete(`${path}/${first.slug}`), 404, 'token.not_found');
    expect(expectStatus(await owner.get(`${path}/${first.slug}`), 200)).toMatchObject({ status: 'revoked' });
  });

  it('creates once for one Idempotency-Key', async () => {
    const options = { body: { name: unique('once'), scopes: [] }, headers: { 'idempotency-key': unique('key') } };
    const first = expectStatus(await owner.post<IssuedToken>(path, options), 201);
    const second = expectStatus(await owner.post<IssuedToken>(path, options), 201);
    expect([second.id, second.token]).toEqual([first.id, undefined]);
  });

  it('keeps its tokens apart from those of every other owner', async () => {
    const { slug } = await issue(owner, path);
    for (const other of ['/organization/tokens', '/user/tokens'].filter((each) => each !== path))
      expectProblem(await owner.get(`${other}/${slug}`), 404, 'token.not_found');
    const stranger = await signInOwner(keyward);
    expectProblem(await stranger.get(`${path}/${slug}`), 404, 'token.not_found');
    expect(expectStatus(await stranger.get(path), 200)).toEqual([]);
  });

  it('gives nobody more than they hold', async () => {
    const editor = await owner.colleague({ role: 'editor' });
    const body = { name: unique('token'), scopes: ['members'] };
    const answer = await editor.post(path, { body });
    // A personal token is bounded by the role of its person, who is the caller.
    if (path === '/user/tokens') expectProblem(answer, 422, 'request.invalid');
    else expectProblem(answer, 403, 'token.scopes_exceed_grantor');
    const narrowed = await owner.narrowedTo('api_tokens', 'orders:read');
    expectProblem(await narrowed.post(path, { body }), 403, 'token.scopes_exceed_grantor');
  });
});

describe('a token of the organization', () => {
  it('is managed by whoever holds api_tokens, and by nobody else', async () => {
    const { slug } = await issue(owner, '/organization/tokens');
    const viewer = await owner.colleague({ role: 'viewer' });
    expectStatus(await viewer.get(`/organization/tokens/${slug}`), 200);
    expectProblem(await viewer.delete(`/organization/tokens/${slug}`), 403, 'access.denied');
    expectProblem(await viewer.post('/organization/tokens', { body: {} }), 403, 'access.denied');
    const editor = await owner.colleague({ role: 'editor' });
    expectStatus(await editor.delete(`/organization/tokens/${slug}`), 204);
  });

  it('is a credential for what its scopes say', async () => {
    const { token } = await issue(owner, '/organization/tokens', { scopes: ['service_accounts:read'] });
    const bearer = new Client(keyward.url, token);
    expectStatus(await bearer.get('/service-accounts'), 200);
    expectProblem(await bearer.get('/organization/members'), 403, 'access.denied');
  });

  it('works on when the person who issued it is gone', async () => {
    const editor = await owner.colleague({ role: 'editor' });
    const { token, createdBy } = await issue(editor, '/organization/tokens');
    expectStatus(await owner.delete(`/organization/members/${createdBy.id}`), 204);
    expect((await verdictOn(token)).code).toBe('VALID');
  });
});

describe('a personal token', () => {
  it('is for everybody, and is seen by its person alone', async () => {
    const viewer = await owner.colleague({ role: 'viewer' });
    const { slug } = await issue(viewer, '/user/tokens', { scopes: ['service_accounts:read'] });
    expectStatus(await viewer.get(`/user/tokens/${slug}`), 200);
    expectProblem(await owner.get(`/user/tokens/${slug}`), 404, 'token.not_found');
    expectProblem(await owner.delete(`/user/tokens/${slug}`), 404, 'token.not_found');
  });

  it.each(['/user/tokens', '/organization/tokens'])(
    'is not managed with a token of %s: a leaked one would outlive its end',
    async (from) => {
      const { token } = await issue(owner, from, { scopes: ['api_tokens'] });
      const bearer = new Client(keyward.url, token);
      expectProblem(await bearer.get('/user/tokens'), 403, 'access.person_required');
      const body = { name: unique('successor'), scopes: ['api_tokens'] };
      expectProblem(await bearer.post('/user/tokens', { body }), 403, 'access.person_required');
    },
  );

  it('may do no more than its person, from the moment of a demotion on', async () => {
    const claims = { sub: unique('demoted'), role: 'editor' };
    const editor = await owner.colleague(claims);
    const { token } = await issue(editor, '/user/tokens', { scopes: ['service_accounts'] });
    const bearer = new Client(keyward.url, token);
    const body = (): object => ({ name: unique('account') });
    expectStatus(await bearer.post('/service-accounts', { body: body() }), 201);
    const viewer = await owner.colleague({ ...claims, role: 'viewer' });
    expectStatus(await viewer.get('/organization'), 200);
    expectProblem(await bearer.post('/service-accounts', { body: body() }), 403, 'access.denied');
    expectStatus(await bearer.get('/service-accounts'), 200);
  });

  it('dies with the membership of its person', async () => {
    const member = await owner.colleague({ role: 'viewer' });
    const { token, createdBy } = await issue(member, '/user/tokens', { scopes: ['service_accounts:read'] });
    expectStatus(await owner.delete(`/organization/members/${createdBy.id}`), 204);
    expect((await verdictOn(token)).code).not.toBe('VALID');
    expectProblem(await new Client(keyward.url, token).get('/service-accounts'), 401, 'authentication.invalid');
    expectProblem(await member.get('/user/tokens'), 403, 'access.not_a_member');
  });
});
