import { expectStatus, unique } from './callers.js';
import { failureAt } from './failure.js';
import { type Answer, Client, type RequestOptions } from './http.js';
import { UUID } from './wire.js';

/** The bodies of the Unleash dialect, as its published contract writes them. */
export interface UnleashAccount {
  readonly id: number;
  readonly isAPI: false;
  readonly name: string;
  readonly username: string;
  readonly imageUrl: string;
  readonly rootRole: number;
  readonly createdAt: string;
  readonly tokens: readonly UnleashPat[];
}

export interface UnleashRole {
  readonly id: number;
  readonly type: 'root' | 'root-custom';
  readonly name: string;
  readonly description: string;
  readonly project: null;
}

export interface UnleashPat {
  readonly id: number;
  readonly description: string;
  readonly expiresAt: string;
  readonly createdAt: string;
  readonly seenAt: string | null;
  readonly userId?: number;
}

export interface IssuedUnleashPat extends UnleashPat {
  readonly secret: string;
}

export interface UnleashAccounts {
  readonly serviceAccounts: readonly UnleashAccount[];
  readonly rootRoles: readonly UnleashRole[];
}

export interface UnleashError {
  readonly id: string;
  readonly name: string;
  readonly message: string;
  readonly details?: readonly { readonly message: string; readonly path?: string }[];
  readonly permissions?: readonly string[];
}

export const ACCOUNTS = '/api/admin/service-account';
export const PERSONAL_TOKENS = '/api/admin/user/tokens';

export const ADMIN = 1;
export const EDITOR = 2;
export const VIEWER = 3;

/** A number that no account, token or role of a test has. */
export const MISSING_ID = 2_000_000_000;

/** A moment as this dialect tells it. */
export const MILLISECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Calls as the clients of this dialect do: the credential stands alone in its header, without a scheme. */
export class UnleashClient extends Client {
  override holding(token: string | undefined): UnleashClient {
    return new UnleashClient(this.url, token);
  }

  override request<T>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const token = options.token ?? this.token;
    const credential: Record<string, string> = token === undefined ? {} : { authorization: token };
    return super.request<T>(method, path, { ...options, headers: { ...credential, ...options.headers } });
  }
}

/** The same caller in this dialect. */
export function unleash({ url, token }: Client): UnleashClient {
  return new UnleashClient(url, token);
}

export function accountPath({ id }: { readonly id: number | string }): string {
  return `${ACCOUNTS}/${id}`;
}

export function patsPath(account: { readonly id: number | string }): string {
  return `${accountPath(account)}/token`;
}

export function inSeconds(seconds: number): string {
  return new Date(Date.now() + seconds * 1_000).toISOString();
}

export function accountRequest(body: object = {}): object {
  return { username: unique('bot'), name: 'Deploy bot', rootRole: VIEWER, ...body };
}

export function patRequest(body: object = {}): object {
  return { description: unique('pat'), expiresAt: inSeconds(3_600), ...body };
}

export async function createUnleashAccount(client: UnleashClient, body: object = {}): Promise<UnleashAccount> {
  return expectStatus(await client.post<UnleashAccount>(ACCOUNTS, { body: accountRequest(body) }), 201);
}

/** @param path of the tokens of an account, or of the caller's own */
export async function issuePat(client: UnleashClient, path: string, body: object = {}): Promise<IssuedUnleashPat> {
  return expectStatus(await client.post<IssuedUnleashPat>(path, { body: patRequest(body) }), 201);
}

export async function listAccounts(client: UnleashClient): Promise<readonly UnleashAccount[]> {
  return expectStatus(await client.get<UnleashAccounts>(ACCOUNTS), 200).serviceAccounts;
}

export async function listRoles(client: UnleashClient): Promise<readonly UnleashRole[]> {
  return expectStatus(await client.get<UnleashAccounts>(ACCOUNTS), 200).rootRoles;
}

/** What the list says of an account: there is no other way to read one. */
export async function findAccount(client: UnleashClient, { id }: { id: number }): Promise<UnleashAccount | undefined> {
  return (await listAccounts(client)).find((account) => account.id === id);
}

export async function listPats(client: UnleashClient, path: string): Promise<readonly UnleashPat[]> {
  return expectStatus(await client.get<{ pats: UnleashPat[] }>(path), 200).pats;
}

export function atOnce<T>(count: number, request: (index: number) => Promise<Answer<T>>): Promise<Answer<T>[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => request(index)));
}

/** How many answers there are of each status. */
export function countByStatus(answers: readonly Answer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** Asserts that these are the members of an account, each of its type and no other, and hands it back. */
export function expectAccount(account: UnleashAccount): UnleashAccount {
  expect(account).toEqual({
    id: expect.any(Number),
    isAPI: false,
    name: expect.any(String),
    username: expect.any(String),
    imageUrl: expect.any(String),
    rootRole: expect.any(Number),
    createdAt: expect.stringMatching(MILLISECONDS),
    tokens: expect.any(Array),
  });
  expect([account.id, account.rootRole].every(Number.isInteger)).toBe(true);
  account.tokens.forEach(expectPat);
  return account;
}

/** Asserts that these are the members of a token, each of its type, without a secret, and hands it back. */
export function expectPat<T extends UnleashPat>(pat: T): T {
  const { userId, ...others } = pat;
  expect(others).toEqual({
    id: expect.any(Number),
    description: expect.any(String),
    expiresAt: expect.stringMatching(MILLISECONDS),
    createdAt: expect.stringMatching(MILLISECONDS),
    seenAt: pat.seenAt === null ? null : expect.stringMatching(MILLISECONDS),
  });
  expect(Number.isInteger(pat.id)).toBe(true);
  expect(pat.id).toBeGreaterThanOrEqual(1);
  if (userId !== undefined) expect(Number.isInteger(userId)).toBe(true);
  return pat;
}

/** Asserts that a creation says where the new thing is. */
export function expectLocation({ headers }: Answer, { id }: { readonly id: number }): void {
  expect(headers.get('location')).toMatch(new RegExp(`(^|/)${id}$`));
}

/** Asserts that it was deleted, and that there was nothing more to say. */
export function expectDeleted({ status, text }: Answer): void {
  expect([status, text]).toEqual([200, '']);
}

/** Asserts that an answer has the form of this dialect's errors, whichever it is, and hands it back. */
export function expectErrorForm(answer: Answer): UnleashError {
  expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
  const error = answer.body as UnleashError;
  const { details = [], permissions, ...others } = error;
  const text = expect.stringMatching(/\S/);
  expect(others).toEqual({ id: expect.stringMatching(UUID), name: text, message: text });
  for (const { path, ...detail } of details) {
    expect(detail).toEqual({ message: text });
    expect(['string', 'undefined']).toContain(typeof path);
  }
  expect(permissions).toEqual(error.name === 'PermissionError' ? ['ADMIN'] : undefined);
  return error;
}

/** Asserts that an answer is a whole error of this dialect, and hands it back. */
export function expectError(answer: Answer, status: number, name: string): UnleashError {
  if (answer.status !== status || (answer.body as UnleashError | undefined)?.name !== name) {
    throw failureAt(expectError, `expected ${status} ${name}, got ${answer.status}: ${answer.text}`);
  }
  return expectErrorForm(answer);
}

/** Asserts a 400 that names this one place, and says what was sent where a text is given. */
export function expectBadData(answer: Answer, path: string, sent = ''): UnleashError {
  const error = expectError(answer, 400, 'BadDataError');
  expect([...new Set(error.details?.map((detail) => detail.path))]).toEqual([path]);
  expect(error.details?.map(({ message }) => message).join('\n')).toContain(sent);
  return error;
}
