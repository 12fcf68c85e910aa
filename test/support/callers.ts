import { randomBytes } from 'node:crypto';
import { failureAt } from './failure.js';
import { type Answer, Client, jwt, type JwtClaims } from './http.js';
import type { Keyward } from './keyward.js';
import type { IssuedToken, ServiceAccount } from './wire.js';

/** A person of an organization, signed in with a JWT. */
export class Person extends Client {
  private constructor(
    url: string,
    readonly claims: JwtClaims,
    override readonly token: string,
  ) {
    super(url, token);
  }

  static async signIn(url: string, claims: JwtClaims): Promise<Person> {
    return new Person(url, claims, await jwt(claims));
  }

  /** Somebody else of the same organization. */
  colleague(claims: Partial<JwtClaims>): Promise<Person> {
    return Person.signIn(this.url, { org: this.claims.org, sub: unique('colleague'), ...claims });
  }

  /** The same person with a scope claim, which narrows what the JWT allows. */
  narrowedTo(...scopes: string[]): Promise<Person> {
    return Person.signIn(this.url, { ...this.claims, scopes });
  }
}

/** A name that nothing else in this run has. */
export function unique(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString('hex')}`;
}

/** The owner of an organization that nobody has used before. */
export async function signInOwner(keyward: Keyward, claims: Partial<JwtClaims> = {}): Promise<Person> {
  const owner = await Person.signIn(keyward.url, {
    org: unique('org'),
    sub: unique('owner'),
    name: 'Olive Owner',
    ...claims,
  });
  expectStatus(await owner.get('/service-accounts'), 200);
  return owner;
}

export async function createAccount(client: Client, body: object = { name: 'Deploy bot' }): Promise<ServiceAccount> {
  return expectStatus(await client.post<ServiceAccount>('/service-accounts', { body }), 201);
}

export async function issueToken(client: Client, accountSlug: string, body: object = {}): Promise<IssuedToken> {
  const request = { name: unique('token'), scopes: ['orders:read'], ...body };
  return expectStatus(
    await client.post<IssuedToken>(`/service-accounts/${accountSlug}/tokens`, { body: request }),
    201,
  );
}

/** The body of an answer that the rest of a test stands on; shows what came instead. */
export function expectStatus<T>(answer: Answer<T>, status: number): T {
  if (answer.status !== status) {
    throw failureAt(expectStatus, `expected ${status}, got ${answer.status}: ${answer.text}`);
  }
  return answer.body;
}
