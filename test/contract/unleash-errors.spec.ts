import { expectStatus, type Person, signInOwner } from '../support/callers.js';
import { eventually } from '../support/eventually.js';
import { type Answer, jwt } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import {
  accountPath,
  accountRequest,
  ACCOUNTS,
  createUnleashAccount,
  expectBadData,
  expectDeleted,
  expectError,
  inSeconds,
  issuePat,
  listAccounts,
  listPats,
  MISSING_ID,
  patRequest,
  patsPath,
  PERSONAL_TOKENS,
  unleash,
  type UnleashAccount,
  type UnleashClient,
  type UnleashError,
} from '../support/unleash.js';
import { madeUp } from '../support/verification.js';

const PATIENCE_MS = 10_000;

interface Operation {
  readonly method: string;
  /** With its parameters in braces. */
  readonly path: string;
  /** One that is good. */
  readonly body?: () => object;
}

const OPERATIONS: Operation[] = [
  { method: 'GET', path: ACCOUNTS },
  { method: 'POST', path: ACCOUNTS, body: accountRequest },
  { method: 'PUT', path: `${ACCOUNTS}/{id}`, body: () => ({ name: 'Renamed' }) },
  { method: 'DELETE', path: `${ACCOUNTS}/{id}` },
  { method: 'GET', path: `${ACCOUNTS}/{id}/token` },
  { method: 'POST', path: `${ACCOUNTS}/{id}/token`, body: patRequest },
  { method: 'DELETE', path: `${ACCOUNTS}/{id}/token/{tokenId}` },
  { method: 'GET', path: PERSONAL_TOKENS },
  { method: 'POST', path: PERSONAL_TOKENS, body: patRequest },
  { method: 'DELETE', path: `${PERSONAL_TOKENS}/{id}` },
];
const ON_ACCOUNTS = OPERATIONS.filter(({ path }) => path.startsWith(ACCOUNTS));
const WITH_ID = OPERATIONS.filter(({ path }) => path.includes('{id}'));
const WITH_BODY = OPERATIONS.filter(({ body }) => body !== undefined);

let keyward: Keyward;
let person: Person;
let owner: UnleashClient;
let account: UnleashAccount;
let pats: string;
/** Numbers of things that exist, by the parameter in the path of the operation. */
let numbersOf: (operation: Operation) => Record<string, number>;

beforeAll(async () => {
  keyward = await startKeyward();
  person = await signInOwner(keyward);
  owner = unleash(person);
  account = await createUnleashAccount(owner);
  pats = patsPath(account);
  const token = await issuePat(owner, pats);
  const personal = await issuePat(owner, PERSONAL_TOKENS);
  numbersOf = ({ path }) => ({ id: path.startsWith(ACCOUNTS) ? account.id : personal.id, tokenId: token.id });
});
afterAll(() => keyward?.close());

/** Sends an operation that is good but for the changes. */
function send(client: UnleashClient, operation: Operation, changes: Record<string, unknown> = {}): Promise<Answer> {
  const numbers: Record<string, unknown> = { ...numbersOf(operation), ...changes };
  const path = operation.path.replace(/\{(\w+)\}/g, (_match, name: string) => String(numbers[name]));
  return client.request(operation.method, path, { body: operation.body?.() });
}

describe('a request without an authorization header', () => {
  it.each(OPERATIONS)('is 401 AuthenticationRequired and told so: $method $path', async (operation) => {
    const error = expectError(await send(owner.holding(undefined), operation), 401, 'AuthenticationRequired');
    expect(error.message).toMatch(/authorization header/i);
  });
});

describe('a token that is not accepted', () => {
  it.each(OPERATIONS)('is 401 UnauthorizedError: $method $path', async (operation) => {
    expectError(await send(owner.holding(madeUp(1)[0]), operation), 401, 'UnauthorizedError');
  });

  it('gets one answer, whatever is wrong with it, but for the id of the error', async () => {
    const [revoked, orphan] = [await issuePat(owner, pats), await createUnleashAccount(owner)];
    const orphaned = await issuePat(owner, patsPath(orphan));
    const expiresAt = inSeconds(1.5);
    const expired = await issuePat(owner, pats, { expiresAt });
    expectDeleted(await owner.delete(`${pats}/${revoked.id}`));
    expectDeleted(await owner.delete(accountPath(orphan)));
    await eventually(PATIENCE_MS, () => Date.now() > Date.parse(expiresAt));
    const credentials: [string, string][] = [
      ['of no form', 'wrong'],
      ['made up', madeUp(1)[0]!],
      ['mistyped', `${(await issuePat(owner, pats)).secret}x`],
      ['revoked', revoked.secret],
      ['expired', expired.secret],
      ['of a deleted account', orphaned.secret],
      ['a JWT that has expired', await jwt({ ...person.claims, expiresInSeconds: -3_600 })],
      ['a JWT of another key', await jwt({ ...person.claims, secret: 'another-secret-than-the-one-of-the-service' })],
    ];
    const told = new Map<string, string[]>();
    const ids = new Set<string>();
    for (const [what, token] of credentials) {
      const { id, ...error } = expectError(await owner.holding(token).get(ACCOUNTS), 401, 'UnauthorizedError');
      ids.add(id);
      told.set(JSON.stringify(error), [...(told.get(JSON.stringify(error)) ?? []), what]);
    }
    expect([...told.values()]).toHaveLength(1);
    expect(ids.size).toBe(credentials.length);
  });
});

describe('a caller who may not', () => {
  it.each(ON_ACCOUNTS)('is 403 PermissionError that names what is needed: $method $path', async (operation) => {
    const caller = unleash(await person.narrowedTo('orders:read'));
    const before = await listAccounts(owner);
    const error = expectError(await send(caller, operation), 403, 'PermissionError');
    expect(error.permissions).toEqual(['ADMIN']);
    expect(error.message).toMatch(/ADMIN|service_accounts|api_tokens/);
    expect(await listAccounts(owner)).toEqual(before);
  });
});

describe('a parameter', () => {
  const wrong = ['abc', '1.5', '12abc', '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e'];

  it.each(WITH_ID)('that is no integer is 400 at /params/id: $method $path', async (operation) => {
    for (const id of wrong) expectBadData(await send(owner, operation, { id }), '/params/id', id);
  });

  it('that is no integer is 400 where it is the number of a token, too', async () => {
    for (const tokenId of wrong) {
      const { details } = expectError(await owner.delete(`${pats}/${tokenId}`), 400, 'BadDataError');
      expect(details?.map(({ path }) => path)).toEqual([expect.stringMatching(/^\/params\//)]);
    }
  });
});

describe('a thing that does not exist', () => {
  it.each(WITH_ID)('is 404 NotFoundError: $method $path', async (operation) => {
    expectError(await send(owner, operation, { id: MISSING_ID }), 404, 'NotFoundError');
  });

  it('is 404 NotFoundError where it is a token', async () => {
    expectError(await owner.delete(`${pats}/${MISSING_ID}`), 404, 'NotFoundError');
  });

  it.each(WITH_ID)('is no fault of the service where the number is beyond all: $method $path', async (operation) => {
    for (const id of ['0', '-1', '2147483648', '9223372036854775808', '9'.repeat(40)]) {
      const { status, body } = await send(owner, operation, { id });
      const name = (body as UnleashError).name;
      expect([id, status, name]).toEqual([id, ...(status === 400 ? [400, 'BadDataError'] : [404, 'NotFoundError'])]);
    }
  });
});

describe('a body', () => {
  it.each(WITH_BODY)('that is wrong is 400 BadDataError with what was sent: $method $path', async (operation) => {
    const member = operation.path === ACCOUNTS || operation.method === 'PUT' ? 'name' : 'description';
    const body = { ...operation.body?.(), [member]: { is: 'sent-by-the-test' } };
    const answer = await send(owner, { ...operation, body: () => body });
    expectBadData(answer, `/body/${member}`, 'sent-by-the-test');
  });
});

describe('over the quota', () => {
  let small: Keyward;
  let tenant: UnleashClient;
  beforeAll(async () => {
    const env = { SERVICE_ACCOUNTS_PER_ORGANIZATION_MAX: '2', TOKENS_PER_OWNER_MAX: '2' };
    small = await startKeyward({ env });
  });
  afterAll(() => small?.close());
  beforeEach(async () => {
    tenant = unleash(await signInOwner(small));
  });

  it('an account is 403 OperationDeniedError, until another one is deleted', async () => {
    const first = await createUnleashAccount(tenant);
    await createUnleashAccount(tenant);
    expectError(await tenant.post(ACCOUNTS, { body: accountRequest() }), 403, 'OperationDeniedError');
    expect(await listAccounts(tenant)).toHaveLength(2);
    expectDeleted(await tenant.delete(accountPath(first)));
    await createUnleashAccount(tenant);
  });

  it.each([
    ['a token of an account', async (): Promise<string> => patsPath(await createUnleashAccount(tenant))],
    ['a personal token', async (): Promise<string> => PERSONAL_TOKENS],
  ])('%s is 403 OperationDeniedError, until another one is deleted', async (_what, pathOf) => {
    const path = await pathOf();
    const { id } = await issuePat(tenant, path);
    await issuePat(tenant, path);
    expectError(await tenant.post(path, { body: patRequest() }), 403, 'OperationDeniedError');
    expect(await listPats(tenant, path)).toHaveLength(2);
    expectDeleted(await tenant.delete(`${path}/${id}`));
    await issuePat(tenant, path);
  });
});

it('is 429 RateLimitError beyond the limit of requests', async () => {
  const limited = await startKeyward({ env: { RATE_LIMIT_PER_MINUTE: '5' } });
  try {
    const client = unleash(await signInOwner(limited));
    const answers: Answer[] = [];
    for (let request = 0; request < 8; request += 1) answers.push(await client.get(ACCOUNTS));
    expectStatus(answers[0]!, 200);
    expectError(answers.at(-1)!, 429, 'RateLimitError');
  } finally {
    await limited.close();
  }
});
