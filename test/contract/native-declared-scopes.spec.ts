import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAccount, issueToken, type Person, signInOwner } from '../support/callers.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';

let directory: string;
let keyward: Keyward;
let owner: Person;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keyward-scopes-'));
  const file = join(directory, 'scopes.json');
  await writeFile(file, JSON.stringify({ orders: 'Everything about orders', 'orders:read': 'Read orders' }));
  keyward = await startKeyward({ env: { APPLICATION_SCOPES_FILE: file } });
  owner = await signInOwner(keyward);
});
afterAll(async () => {
  await keyward?.close();
  await rm(directory, { recursive: true, force: true });
});

it('grants the scopes that the operator has declared, and those of the management', async () => {
  const { slug } = await createAccount(owner);
  const scopes = ['orders', 'orders:read', 'api_tokens', 'read:tokens'];
  expect((await issueToken(owner, slug, { scopes })).scopes).toEqual(scopes);
});

it('refuses every other scope at its place once some are declared', async () => {
  const { slug } = await createAccount(owner);
  const body = { name: 'undeclared', scopes: ['orders', 'orders:write', 'billing'] };
  const problem = expectProblem(await owner.post(`/service-accounts/${slug}/tokens`, { body }), 422, 'request.invalid');
  expect(problem.errors).toEqual([
    { location: 'body.scopes[1]', message: expect.any(String), value: 'orders:write' },
    { location: 'body.scopes[2]', message: expect.any(String), value: 'billing' },
  ]);
});

it('lists what may be granted, with a sentence each', async () => {
  const answer = await owner.get('/scopes');
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({
    managementScopes: expect.arrayContaining([
      { name: 'api_tokens:read', description: expect.stringMatching(/\S/) },
      { name: 'service_accounts', description: expect.stringMatching(/\S/) },
    ]),
    applicationScopes: [
      { name: 'orders', description: 'Everything about orders' },
      { name: 'orders:read', description: 'Read orders' },
    ],
  });
});
