import { randomUUID } from 'node:crypto';
import { MANAGEMENT_SCOPES } from '../../src/access/scopes.js';
import { generateSecret } from '../../src/tokens/token-secret.js';
import { createAccount, expectStatus, issueToken, unique } from './callers.js';
import { type Client, jwt } from './http.js';
import type { Keyward } from './keyward.js';
import type { Scene } from './route-calls.js';
import { isForEverybodySignedIn, isForPeople, isOfThePlatform, isPublic, type Route } from './route-list.js';

export const PLATFORM_TOKEN = 'platform-token-of-the-walk-over-the-routes';
/** So many requests and bad credentials come from one address that the limits would answer in the place of the guards. */
export const WALK_ENVIRONMENT = {
  INIT_PLATFORM_TOKENS: PLATFORM_TOKEN,
  RATE_LIMIT_PER_MINUTE: '1000000',
  UNAUTHENTICATED_PER_MINUTE: '1000000',
  FAILED_VERIFICATIONS_PER_MINUTE: '1000000',
} as const;
const PLATFORM_ACCOUNT = 'initial-platform-tokens';
export const TENANT_SCOPES = Object.keys(MANAGEMENT_SCOPES).filter((scope) => !scope.startsWith('platform:'));
/** What the token of INIT_PLATFORM_TOKENS may give away. */
const PLATFORM_SCOPES = ['platform:verify', 'platform:organizations', 'service_accounts', 'api_tokens'];

/** In what way a request lacks the right credential. */
export const INTRUDER_KINDS = [
  'no credential',
  'a malformed credential',
  'an expired credential',
  'a revoked credential',
  'the wrong scope',
] as const;

/** Somebody who must be refused, and with what. */
export interface Intruder {
  readonly kind: (typeof INTRUDER_KINDS)[number];
  readonly headers: Readonly<Record<string, string>>;
  readonly status: number;
  readonly code: string;
  readonly isMeantFor: (route: Route) => boolean;
}

/** Values of the same form and length as those of a scene, for things that never were. */
export function missingParameters(): Record<string, string> {
  return {
    organizationSlug: unique('org'),
    serviceAccountSlug: unique('account'),
    tokenSlug: unique('token'),
    roleSlug: unique('role'),
    userId: randomUUID(),
    id: '2000000000',
    tokenId: '2000000001',
    organization: `org_${randomUUID()}`,
    api_token: `tok_${randomUUID()}`,
    code: 'token.not_there',
    secret: generateSecret('kw', 's'),
  };
}

const REQUIRED = { status: 401, code: 'authentication.required', isMeantFor: () => true };
const INVALID = { status: 401, code: 'authentication.invalid', isMeantFor: () => true };
const DENIED = { status: 403, code: 'access.denied' };
const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` });

/**
 * Whoever must not get through. All that expired or was revoked could once do everything, of a tenant and of the
 * platform, so that nothing but its end is what refuses it.
 */
export async function intrudersOn(
  keyward: Keyward,
  scene: Scene,
  operator: Client,
  routes: readonly Route[],
): Promise<Intruder[]> {
  const almighty = async (): Promise<string[]> => [
    (await issueToken(scene.owner, scene.parameters['serviceAccountSlug']!, { scopes: TENANT_SCOPES })).token,
    (await issueToken(operator, PLATFORM_ACCOUNT, { scopes: PLATFORM_SCOPES })).token,
  ];
  const good = await jwt(scene.owner.claims);
  const nothing: Record<string, string>[] = [
    {},
    { authorization: 'Basic dXNlcjpwYXNz' },
    { authorization: 'Bearer' },
    { authorization: 'Bearer ' },
  ];
  const [secret] = await almighty();
  const malformed = [
    'x',
    'null',
    `kws_${'0'.repeat(49)}`,
    secret!.slice(0, -1),
    `${secret!.slice(0, -1)}${secret!.endsWith('0') ? '1' : '0'}`,
    `${secret} ${secret}`,
    good.slice(0, -10),
    `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`,
    await jwt({ ...scene.owner.claims, secret: 'not-the-secret-that-the-service-trusts' }),
  ];
  const expired = await almighty();
  await expire(keyward, expired);
  const revoked = await revokedTokens(keyward, scene, operator, await almighty());
  return [
    ...nothing.map((headers) => ({ ...REQUIRED, kind: 'no credential' as const, headers })),
    ...malformed.map((token) => ({ ...INVALID, kind: 'a malformed credential' as const, headers: bearer(token) })),
    ...[...expired, await jwt({ ...scene.owner.claims, expiresInSeconds: -60 })].map((token) => ({
      ...INVALID,
      kind: 'an expired credential' as const,
      headers: bearer(token),
    })),
    ...revoked.map((token) => ({ ...INVALID, kind: 'a revoked credential' as const, headers: bearer(token) })),
    ...(await withWrongScopes(keyward, scene, operator, routes)),
  ];
}

/** Moves the expiry of tokens that were never used into the past. */
async function expire(keyward: Keyward, secrets: readonly string[]): Promise<void> {
  expect(secrets).toHaveLength(2);
  await keyward.sql(
    `update tokens set expires_at = now() - interval '1 second' where id in (
       select token_id from token_secrets order by created_at desc, id desc limit $1)`,
    [secrets.length],
  );
}

async function revokedTokens(keyward: Keyward, scene: Scene, operator: Client, tokens: string[]): Promise<string[]> {
  const last = await keyward.sql<{ slug: string }>(
    'select slug from tokens order by created_at desc, id desc limit $1',
    [tokens.length],
  );
  const account = scene.parameters['serviceAccountSlug']!;
  expectStatus(await operator.delete(`/service-accounts/${PLATFORM_ACCOUNT}/tokens/${last[0]!.slug}`), 204);
  expectStatus(await scene.owner.delete(`/service-accounts/${account}/tokens/${last[1]!.slug}`), 204);
  const [deleted, disabled] = [unique('deleted'), unique('disabled')];
  const ofAccounts: string[] = [];
  for (const slug of [deleted, disabled]) {
    await createAccount(scene.owner, { name: slug, slug });
    ofAccounts.push((await issueToken(scene.owner, slug, { scopes: TENANT_SCOPES })).token);
  }
  expectStatus(await scene.owner.delete(`/service-accounts/${deleted}`), 204);
  expectStatus(await scene.owner.post(`/service-accounts/${disabled}/disable`), 200);
  return [...tokens, ...ofAccounts];
}

/** For each scope that a route asks for: a token and a JWT with every other one. */
async function withWrongScopes(
  keyward: Keyward,
  scene: Scene,
  operator: Client,
  routes: readonly Route[],
): Promise<Intruder[]> {
  const account = scene.parameters['serviceAccountSlug']!;
  const intruders: Intruder[] = [];
  const add = (isMeantFor: (route: Route) => boolean, ...tokens: (string | undefined)[]): void =>
    void intruders.push(
      ...tokens.map((token) => ({ ...DENIED, kind: 'the wrong scope' as const, headers: bearer(token!), isMeantFor })),
    );
  const guarded = routes.filter((route) => !isPublic(route) && !isForEverybodySignedIn(route) && !isForPeople(route));
  const asked = new Set(guarded.map((route) => route.scopes.join('|')));
  for (const scopes of asked) {
    const isMeantFor = (route: Route): boolean => route.scopes.join('|') === scopes;
    const others = (all: readonly string[]): string[] =>
      all.filter((scope) => !scopes.split('|').some((one) => one === scope || one.startsWith(`${scope}:`)));
    const jwtOfOthers = await jwt({ ...scene.owner.claims, scopes: [...others(TENANT_SCOPES), 'orders'] });
    add(isMeantFor, (await issueToken(scene.owner, account, { scopes: others(TENANT_SCOPES) })).token, jwtOfOthers);
    if (!scopes.includes('platform:')) continue;
    add(isMeantFor, (await issueToken(operator, PLATFORM_ACCOUNT, { scopes: others(PLATFORM_SCOPES) })).token);
    if (!scopes.split('|').every((scope) => scope.startsWith('platform:'))) continue;
    add(isMeantFor, await jwt({ ...scene.owner.claims, role: 'owner' }));
    add(isMeantFor, await jwt({ ...scene.owner.claims, scopes: ['*', 'platform', ...scopes.split('|')] }));
    add(isMeantFor, await smuggled(keyward, scene, scopes.split('|')));
  }
  const scopeless = (route: Route): boolean => isPublic(route) || isForEverybodySignedIn(route);
  add(scopeless, (await issueToken(scene.owner, account, { scopes: [] })).token);
  const almighty = await issueToken(scene.owner, account, { scopes: TENANT_SCOPES });
  for (const one of [almighty, await personalToken(scene)]) {
    intruders.push({
      kind: 'the wrong scope',
      headers: bearer(one.token),
      status: 403,
      code: 'access.person_required',
      isMeantFor: isForPeople,
    });
  }
  if (!routes.some(isOfThePlatform)) throw new Error('openapi/routes.txt has lost the routes of the platform.');
  return intruders;
}

/** A token of the owner in person, which still is not the person. */
async function personalToken(scene: Scene): Promise<{ readonly token: string }> {
  const body = { name: unique('personal'), scopes: TENANT_SCOPES };
  return expectStatus(await scene.owner.post<{ token: string }>('/user/tokens', { body }), 201);
}

/** A tenant's token into whose row somebody has written scopes of the platform. */
export async function smuggled(keyward: Keyward, scene: Scene, scopes: readonly string[]): Promise<string> {
  const { id, token } = await issueToken(scene.owner, scene.parameters['serviceAccountSlug']!, { scopes: [] });
  await keyward.sql('update tokens set scopes = $2 where id = $1', [id, ['platform', ...scopes, ...TENANT_SCOPES]]);
  return token;
}
