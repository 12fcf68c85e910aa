import createClient from 'openapi-fetch';
import { bodyOf, expectNoBody, refusalOf } from './answers.js';
import type { components, paths } from './generated/unleash.js';

type UnleashPat = components['schemas']['UnleashPat'];
type UnleashClient = ReturnType<typeof clientOf>;

/** What a program with a generated client meets, from the creation of a service account to its end. */
export interface UnleashStory {
  readonly secret: string;
  readonly listed: readonly UnleashPat[];
  readonly accountsSeen: readonly string[];
  readonly refusals: readonly string[];
  readonly accountsLeft: number;
}

export async function tellUnleashStory(baseUrl: string, jwt: string): Promise<UnleashStory> {
  const owner = clientOf(baseUrl, jwt);

  const { rootRoles } = bodyOf(await owner.GET('/api/admin/service-account'));
  const viewer = rootRoles.find(({ type, name }) => type === 'root' && name === 'Viewer');
  if (viewer === undefined) throw new Error('there is no role Viewer');
  const account = bodyOf(
    await owner.POST('/api/admin/service-account', {
      body: { username: 'dashboard', name: 'Dashboard', rootRole: viewer.id },
    }),
  );
  const path = { id: account.id };
  const issued = bodyOf(
    await owner.POST('/api/admin/service-account/{id}/token', {
      params: { path },
      body: { description: 'Wall display', expiresAt: new Date(Date.now() + 3_600_000).toISOString() },
    }),
  );
  const { pats } = bodyOf(await owner.GET('/api/admin/service-account/{id}/token', { params: { path } }));

  const bearer = clientOf(baseUrl, issued.secret);
  const { serviceAccounts } = bodyOf(await bearer.GET('/api/admin/service-account'));
  const forbidden = refusalOf(await bearer.DELETE('/api/admin/service-account/{id}', { params: { path } }), 403);

  expectNoBody(
    await owner.DELETE('/api/admin/service-account/{id}/token/{tokenId}', {
      params: { path: { ...path, tokenId: issued.id } },
    }),
  );
  const refused = refusalOf(await bearer.GET('/api/admin/service-account'), 401);

  expectNoBody(await owner.DELETE('/api/admin/service-account/{id}', { params: { path } }));
  const left = bodyOf(await owner.GET('/api/admin/service-account'));
  return {
    secret: issued.secret,
    listed: pats,
    accountsSeen: serviceAccounts.map(({ username }) => username),
    refusals: [forbidden.name, refused.name],
    accountsLeft: left.serviceAccounts.length,
  };
}

/** The credential stands alone in its header. */
function clientOf(baseUrl: string, credential: string) {
  return createClient<paths>({ baseUrl, headers: { authorization: credential } });
}

/** Never called: what the generated types must not let pass. */
export async function mistakes(client: UnleashClient, token: UnleashPat): Promise<void> {
  // @ts-expect-error no such path
  await client.GET('/api/admin/service-accounts');
  // @ts-expect-error an argument is missing
  await client.POST('/api/admin/user/tokens', { body: { description: 'Laptop' } });
  // @ts-expect-error it is a number
  await client.DELETE('/api/admin/service-account/{id}', { params: { path: { id: 'dashboard' } } });
  // @ts-expect-error lists have no secrets
  void token.secret;
  // @ts-expect-error it is null until the first use
  token.seenAt.slice(0, 10);
}
