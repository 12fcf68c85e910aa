import { CATALOGUE } from '../../src/errors/catalogue.js';
import { type Answer, Client } from './http.js';
import type { IdentityProvider } from './identity-provider.js';
import type { Keyward } from './keyward.js';
import { expectProblem } from './problems.js';
import type { Problem } from './wire.js';

/** The secret of the HS256 JWTs that are accepted beside those of the identity provider. */
export const HS256_SECRET = 'the-secret-of-the-hs256-jwts-of-this-spec';
export const OTHER_AUDIENCE = 'another-of-ours';

/** Settings of a service that believes this identity provider. */
export function trustIn(provider: IdentityProvider): Record<string, string> {
  return {
    AUTH_ISSUER: provider.issuer,
    AUTH_AUDIENCE: `${provider.audience},${OTHER_AUDIENCE}`,
    AUTH_JWT_SECRET: HS256_SECRET,
    FAILED_VERIFICATIONS_PER_MINUTE: '100000', // the specs fail on purpose, from one address
  };
}

/** What a credential gets at a route that any member may read. */
export function call({ url }: Keyward, credential?: string): Promise<Answer> {
  return new Client(url, credential).get('/service-accounts');
}

export async function statusOf(keyward: Keyward, credential: string): Promise<number> {
  return (await call(keyward, credential)).status;
}

/** The status of a reading call, and of a writing one. */
export async function readAndWrite(keyward: Keyward, credential: string): Promise<[number, number]> {
  const reading = await call(keyward, credential);
  const writing = await new Client(keyward.url, credential).post('/service-accounts', { body: { name: 'Deploy bot' } });
  return [reading.status, writing.status];
}

/** The one 401 of `call` that a credential gets, whatever is wrong with it. */
export function expectTheSame401(answer: Answer): void {
  const { requestId, ...problem }: Problem = expectProblem(answer, 401, 'authentication.invalid');
  expect(requestId).toMatch(/^[\w-]+$/);
  const { title, status, caller } = CATALOGUE['authentication.invalid'];
  const type = expect.stringMatching(/\/problems\/authentication\.invalid$/);
  const code = 'authentication.invalid';
  expect(problem).toEqual({ type, title, status, detail: caller, instance: '/service-accounts', code });
  expect(answer.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
}
